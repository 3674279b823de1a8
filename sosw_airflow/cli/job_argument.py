"""What the commands about one job share: the job's id beside the Connection."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection, with_deployment
from sosw_airflow.jobs.identity import parse_job_id

if TYPE_CHECKING:
    from sosw_airflow.stores.scheduling import Deployment

__all__ = ["add_job_arguments", "with_job"]


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
