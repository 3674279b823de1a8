"""`sosw-airflow set`: changes how many tasks of a scheduled job are invoked at once, and its place in the queue."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.deployments import open_deployment
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import add_job_id, max_running
from sosw_airflow.cli.output import print_record
from sosw_airflow.cli.terminal import show_text
from sosw_airflow.cli.usage import UsageError
from sosw_airflow.jobs.identity import parse_job_id

if TYPE_CHECKING:
    from sosw_airflow.orchestration.job_changes import JobChange

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "changed; an orchestrator that runs follows within 20 seconds"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_id(parser)
    parser.add_argument(
        "--max-running",
        type=_limit,
        metavar="N",
        help="tasks of the job that Airflow's orchestrator invokes at once at most, or none for no limit",
    )
    parser.add_argument(
        "--position",
        choices=("front", "back", "planned"),
        help="when Airflow's orchestrator takes the job's tasks from the queue: before all others, in the order in "
        "which jobs were moved; after all others; where they were planned",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    job_id = parse_job_id(arguments.job)
    if arguments.max_running is None and arguments.position is None:
        raise UsageError("nothing to change: give --max-running, --position or both")
    from sosw_airflow.orchestration.job_changes import change_job

    with open_deployment(arguments.conn_id, patient=True) as deployment:
        change = change_job(
            deployment.dynamodb,
            deployment.tables.jobs_table,
            job_id,
            max_running=arguments.max_running,
            place=arguments.position,
            now=deployment.now(),
        )
    if arguments.output != "table":
        print_record(_record(job_id, change), arguments.output)
    else:
        for text in change.texts():
            show_text(f"The job {job_id} has {text}.")
    if warning := change.warning():
        print(f"Warning: {warning}", file=sys.stderr)
    return DONE


def _record(job_id: str, change: JobChange) -> dict[str, Any]:
    """What was changed; the names of the other attributes are left out."""

    def parts() -> Iterator[tuple[str, Any]]:
        yield "job_id", job_id
        if change.max_running is not None:
            yield "max_running", change.max_running or None
            yield "before", change.before.max_running or None
        if change.place is not None:
            yield "position", change.place
            yield "position_before", change.place_before

    return dict(parts())


def _limit(text: str) -> int:
    return 0 if text == "none" else max_running(text)
