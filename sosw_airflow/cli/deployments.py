"""The deployment that a command works on, read from the local Airflow with its logging silenced."""

from __future__ import annotations

import argparse
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sosw_airflow.config.registry import LABOURER_CONN_TYPE
from sosw_airflow.exceptions import SoswError
from sosw_airflow.jobs.identity import parse_job_id

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = [
    "NoAirflowError",
    "add_connection",
    "add_job_arguments",
    "is_labourer_connection",
    "own_airflow",
    "period_modules",
    "read_variable",
    "silence",
    "with_deployment",
    "with_job",
]


class NoAirflowError(Exception):
    """There is no Airflow in this environment."""


@contextmanager
def own_airflow() -> Iterator[None]:
    """Use Airflow inside: it may read its metadata database, and what it and DAG files log or print is passed over."""
    if find_spec("airflow") is None:
        raise NoAirflowError("there is no Airflow in this environment, whose Connections and Variables could be read")
    with silence(), redirect_stdout(io.StringIO()):
        from sosw_airflow._compat import outside_of_tasks

        outside_of_tasks()
        yield


@contextmanager
def silence() -> Iterator[None]:
    """Log and warn of nothing: what a command has to say it prints."""
    former = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(former)


def read_variable(name: str) -> str | None:
    """The text of a Variable, or None."""
    with own_airflow():
        from sosw_airflow._compat import get_variable

        return get_variable(name)


def period_modules() -> tuple[str, ...]:
    """Modules whose functions a job schema may name, by Airflow's configuration."""
    with own_airflow():
        from sosw_airflow.hooks.sosw import period_modules as configured_modules

        return configured_modules()


def is_labourer_connection(labourer_id: str) -> bool:
    """Whether a Connection of type ``sosw_labourer`` registers this labourer."""
    with own_airflow():
        from sosw_airflow._compat import find_connection

        connection = find_connection(labourer_id)
    return connection is not None and connection.conn_type == LABOURER_CONN_TYPE


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that names the Connection."""
    parser.add_argument("--conn-id", default="sosw_default", help="id of the Connection (default: %(default)s)")


def with_deployment(command: str, conn_id: str, work: Callable[[Deployment], int], *, patient: bool = False) -> int:
    """Do the work and give its exit code; 1 where it is refused, 2 where there is no Airflow.

    :param patient: repeat requests that AWS does not answer, instead of giving up soon.
    """
    try:
        with own_airflow():
            from sosw_airflow.hooks.sosw import SoswHook

            hook = SoswHook(conn_id)
            deployment = hook.deployment() if patient else hook.examined()
        with silence():
            return work(deployment)
    except NoAirflowError as error:
        print(f"sosw-airflow {command}: {error}", file=sys.stderr)
        return 2
    except SoswError as error:
        print(error, file=sys.stderr)
        return 1


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the job and the Connection."""
    parser.add_argument("job", metavar="JOB", help="id of the job, or of one of its tasks")
    add_connection(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def with_job(command: str, arguments: argparse.Namespace, work: Callable[[Deployment, str], int]) -> int:
    """Do the work on the job and give its exit code; 1 where it is refused, 2 where there is no Airflow."""

    def on_job(deployment: Deployment) -> int:
        return work(deployment, parse_job_id(arguments.job))

    return with_deployment(command, arguments.conn_id, on_job, patient=True)
