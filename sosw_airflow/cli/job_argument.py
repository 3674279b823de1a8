"""What the commands about one job share: the job's id, the Connection, refusals in words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sosw_airflow.exceptions import SoswError

if TYPE_CHECKING:
    from sosw_airflow.stores.scheduling import Deployment

__all__ = ["add_job_arguments", "with_deployment"]


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the job and the Connection."""
    parser.add_argument("job", metavar="JOB", help="id of the job, or of one of its tasks")
    parser.add_argument("--conn-id", default="sosw_default", help="id of the Connection (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def with_deployment(command: str, arguments: argparse.Namespace, call: Callable[[Deployment, str], int]) -> int:
    """Run a command about a job. Gives its exit code: 1 where it is refused, 2 without an Airflow."""
    from sosw_airflow.cli.own_airflow import NoAirflowError, own_airflow, silence

    try:
        with own_airflow():
            from sosw_airflow.hooks.sosw import SoswHook
            from sosw_airflow.jobs.identity import parse_job_id

            deployment = SoswHook(arguments.conn_id).deployment()
            job_id = parse_job_id(arguments.job)
        with silence():  # Airflow 2 logs on the standard output, which is the command's
            return call(deployment, job_id)
    except NoAirflowError as error:
        print(f"sosw-airflow {command}: {error}", file=sys.stderr)
        return 2
    except SoswError as error:
        print(f"sosw-airflow {command}: {error}", file=sys.stderr)
        return 1
