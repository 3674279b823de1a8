"""Distinguishes the DAG runs of one run id: a run that was deleted and created again schedules its job again.

The identity of a job has no time in it, so that every retry finds the job. The header keeps when Airflow started the
DAG run. The first attempt of a generation that finds a header of another start is in another DAG run: it takes the next
number, `JobIdentity.rerun`, and notes that before it plans. Later attempts decide nothing; they find the note, or the
header of their own run's start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import count
from typing import TYPE_CHECKING

from sosw_airflow.stores.job_record import JobState

if TYPE_CHECKING:
    from sosw_airflow.jobs.identity import JobIdentity
    from sosw_airflow.stores.job_record import Header, JobRecords

__all__ = ["Attempt", "identity_in_run", "report_other_run"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One attempt of an Airflow task, in its DAG run.

    :ivar run_started: when Airflow started the DAG run, as text; empty if Airflow does not say.
    :ivar first: no attempt of this generation came before.
    :ivar fresh: the Airflow task has not run before in this DAG run.
    """

    run_started: str
    first: bool
    fresh: bool


def identity_in_run(records: JobRecords, own: JobIdentity, attempt: Attempt, *, continues: bool) -> JobIdentity:
    """The identity under which this attempt schedules or finds its job.

    :param own: of the Airflow task instance.
    :param continues: a clear continues the newest job of the Airflow task, unless that was cancelled.
    """
    own = replace(own, run_started=attempt.run_started)
    if not continues or attempt.fresh:
        return _in_run(records, own, attempt)[0]
    if not attempt.first:
        identity, planned = _in_run(records, own, attempt)
        if identity.rerun and not planned:
            return identity  # an earlier attempt of this run noted it, and got no further
    former = [
        (header.created_at, identity.generation, identity, header.state)
        for generation in range(own.generation, -1, -1)
        for identity, header in _reruns(records, replace(own, generation=generation))
        if header is not None
    ]
    newest = max(former, key=lambda each: each[:2], default=None)
    if newest is None or newest[3] is JobState.CANCELLED:
        return _in_run(records, own, attempt)[0]
    return newest[2]


def report_other_run(header: Header, attempt: Attempt) -> None:
    """Log that the job was written by an earlier DAG run of the same id, if that is so."""
    known = bool(header.run_started and attempt.run_started)
    if header.run_started == attempt.run_started if known else not attempt.first:
        return
    moment = datetime.fromtimestamp(header.created_at, timezone.utc)
    log.warning(
        "The job %s was written by an earlier run of this id at %s UTC (DAG %s, run %s). Nothing is scheduled again. "
        "Fix: to schedule it again, clear the Airflow task (with on_clear='reschedule').",
        header.job_id,
        f"{moment:%Y-%m-%d %H:%M:%S}",
        header.dag_id,
        header.run_id,
    )


def _in_run(records: JobRecords, own: JobIdentity, attempt: Attempt) -> tuple[JobIdentity, bool]:
    """The identity of this DAG run, and whether its job is planned."""
    last, planned = own, False
    for identity, header in _reruns(records, own):
        last, planned = identity, header is not None
        started = header.run_started if header is not None else records.run_note(identity.job_id)
        if not started or not attempt.run_started or started == attempt.run_started:
            return identity, planned
    if not planned and last.rerun == 0:
        return own, False
    if not attempt.first:
        return last, planned  # the start of a run can change between two attempts, its job cannot
    again = replace(last, rerun=last.rerun + 1)
    records.note_run(again.job_id, attempt.run_started)
    log.info(
        "The DAG run %s existed before, and its job %s was written then. It was created again, so it gets a job of its "
        "own: %s.",
        own.run_id,
        last.job_id,
        again.job_id,
    )
    return again, False


def _reruns(records: JobRecords, own: JobIdentity) -> Iterator[tuple[JobIdentity, Header | None]]:
    """The identities of all DAG runs of this id that have a header, or a note, with their headers."""
    for number in count():
        identity = replace(own, rerun=number)
        header = records.header(identity.job_id)
        if header is None and (number == 0 or not records.run_note(identity.job_id)):
            return
        yield identity, header
