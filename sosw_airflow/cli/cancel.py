"""`sosw-airflow cancel`: removes the tasks of a job from the queue that no worker has got."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from sosw_airflow.cli.deployments import open_deployment
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import add_job_id
from sosw_airflow.cli.output import print_record
from sosw_airflow.cli.terminal import show_text
from sosw_airflow.jobs.identity import parse_job_id

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "cancelled; the job is never resumed"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_id(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    job_id = parse_job_id(arguments.job)
    from sosw_airflow.cli.progress import progress_bars
    from sosw_airflow.exceptions import UnknownJob
    from sosw_airflow.scheduling.cancel import cancel_job

    with open_deployment(arguments.conn_id, patient=True) as deployment, progress_bars() as progress:
        cancelled = cancel_job(deployment, job_id, progress=progress)
        if cancelled is None:
            raise UnknownJob(job_id, table=deployment.tables.jobs_table)
    if arguments.output != "table":
        print_record(asdict(cancelled), arguments.output)
        return DONE
    show_text(f"Job {job_id} is cancelled: {cancelled}.")
    return DONE
