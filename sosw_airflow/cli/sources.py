"""Jobs with sources in the commands that plan and schedule: whose user may use every Connection."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import own_airflow
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.event import JobRequest
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.sources import SourcedJob

if TYPE_CHECKING:
    from sosw_airflow.hooks.sources import Expand, SourceAccess

__all__ = ["check_sources", "read_for_plan", "read_to_schedule"]


def check_sources(request: JobRequest, sourced: SourcedJob, expand: Expand, *, conn_id: str) -> None:
    """Check all of a job but the values of its sources. Reads nothing.

    :raises NoAirflowError: this environment has no Airflow with the Connection.
    :raises SoswError: the job is refused.
    """
    with own_airflow():
        _access(conn_id).check(request, sourced, expand)


@contextmanager
def read_for_plan(
    request: JobRequest, sourced: SourcedJob, expand: Expand, *, conn_id: str, sample: int | None
) -> Iterator[tuple[Expansion, list[str]]]:
    """The expansion with the values of its sources, or with a sample of them, and what a plan should note.

    Inside, nothing can be printed.

    :raises SoswError: a source cannot be read, or the job is refused.
    """
    check_sources(request, sourced, expand, conn_id=conn_id)
    with own_airflow(), _access(conn_id).expanded(request, sourced, expand, sample=sample) as (expansion, read):
        notes = [
            f"{place}: the figures are those of the first {sample:,} values of its source (--sample)"
            for place in read.sampled
        ]
        notes += [f"{place}: {_left_out(number)}" for place, number in read.skipped.items()]
        yield expansion, notes


@contextmanager
def read_to_schedule(
    request: JobRequest, sourced: SourcedJob, expand: Expand, *, conn_id: str, check: Callable[[], None]
) -> Iterator[tuple[Expansion, str]]:
    """The expansion with the values of its sources, and what the sources were; what is to be known goes to stderr.

    :param check: called now and then; may raise.
    :raises SoswError: a source cannot be read, or the job is refused.
    """
    with own_airflow(), _access(conn_id).expanded(request, sourced, expand, check=check) as (expansion, read):
        for place, number in read.skipped.items():
            print(f"Warning: {place}: {_left_out(number)}", file=sys.stderr)
        for warning in expansion.warnings:
            print(f"Warning: {warning}", file=sys.stderr)
        yield expansion, read.versions


def _left_out(number: int) -> str:
    return f"{counted(number, 'bad line of its source is', 'bad lines of its source are')} left out"


def _access(conn_id: str) -> SourceAccess:
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.hooks.sources import SourceAccess

    return SourceAccess(SoswHook(conn_id), None)
