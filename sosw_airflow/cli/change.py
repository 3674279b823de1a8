"""`sosw-airflow set`: changes how many tasks of a scheduled job are invoked at once."""

from __future__ import annotations

import argparse

from sosw_airflow.cli.deployments import open_deployment
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import add_job_id, positive_int
from sosw_airflow.cli.output import print_record
from sosw_airflow.cli.terminal import show_text
from sosw_airflow.jobs.identity import parse_job_id

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "changed; an orchestrator that runs keeps the new limit after ten seconds at the latest"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_id(parser)
    parser.add_argument(
        "--max-running",
        type=_limit,
        required=True,
        metavar="N",
        help="tasks of the job that Airflow's orchestrator invokes at once at most, or none for no limit",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    job_id = parse_job_id(arguments.job)
    from sosw_airflow.exceptions import UnknownJob
    from sosw_airflow.stores.job_limits import JobLimits

    with open_deployment(arguments.conn_id, patient=True) as deployment:
        table = deployment.tables.jobs_table
        before = JobLimits(deployment.dynamodb, table).change(job_id, arguments.max_running)
        if before is None:
            raise UnknownJob(job_id, table=table)
    if arguments.output != "table":
        changed = {"job_id": job_id, "max_running": arguments.max_running or None, "before": before.max_running or None}
        print_record(changed, arguments.output)
        return DONE
    now, then = (f"{limit:,}" if limit else "no limit" for limit in (arguments.max_running, before.max_running))
    show_text(f"The job {job_id} has max_running {now} (before: {then}).")
    return DONE


def _limit(text: str) -> int:
    return 0 if text == "none" else positive_int(text)
