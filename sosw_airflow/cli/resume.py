"""`sosw-airflow resume`: ends the pause of a labourer."""

from __future__ import annotations

import argparse

from sosw_airflow.cli.deployments import open_labourer
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import add_labourer_id
from sosw_airflow.cli.output import print_record
from sosw_airflow.cli.terminal import show_text

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "not paused any more, or it was not; an orchestrator that runs follows within 15 seconds"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_labourer_id(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.orchestration.labourer_pause import resume_labourer

    with open_labourer(arguments.conn_id, arguments.labourer) as deployment:
        former = resume_labourer(deployment.dynamodb, deployment.tables.jobs_table, arguments.labourer)
    if arguments.output != "table":
        print_record({"labourer": arguments.labourer, "paused": False, "before": former is not None}, arguments.output)
        return DONE
    was = f"The pause by {former.by} has ended" if former else "It was not paused"
    show_text(f"{was}: orchestrators of Airflow invoke tasks of the labourer {arguments.labourer}.")
    return DONE
