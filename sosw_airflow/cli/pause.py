"""`sosw-airflow pause`: lets Airflow's orchestrators invoke no further task of a labourer."""

from __future__ import annotations

import argparse
import getpass
import socket

from sosw_airflow.cli.deployments import open_labourer
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import add_labourer_id
from sosw_airflow.cli.output import print_record
from sosw_airflow.cli.terminal import show_text

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "paused; an orchestrator that runs follows within 15 seconds"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_labourer_id(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="shown wherever the pause is shown")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.orchestration.labourer_pause import LabourerPause, pause_labourer

    with open_labourer(arguments.conn_id, arguments.labourer) as deployment:
        by = f"{getpass.getuser()}@{socket.gethostname()}"
        pause = LabourerPause(by, int(deployment.now()), arguments.reason)
        former = pause_labourer(deployment.dynamodb, deployment.tables.jobs_table, arguments.labourer, pause)
    if arguments.output != "table":
        record = {"labourer": arguments.labourer, "paused": True, "by": by, "before": former is not None}
        print_record(record, arguments.output)
        return DONE
    show_text(
        f"The labourer {arguments.labourer} is paused: an orchestrator of Airflow that runs claims no task of it after "
        f"15 seconds. What is invoked is closed as always. sosw-airflow resume ends the pause."
    )
    return DONE
