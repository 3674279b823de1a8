"""`sosw-airflow repair`: schedules the failed tasks of a job again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import open_deployment
from sosw_airflow.cli.exit_codes import DONE, REFUSED, UNFINISHED
from sosw_airflow.cli.job_arguments import add_job_id, add_queue_arguments, command_line
from sosw_airflow.cli.writing import STOPPED, show_result, write
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.identity import parse_job_id

if TYPE_CHECKING:
    from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {
    DONE: "the failed tasks are in the queue again, or none has failed",
    REFUSED: "refused, for example while tasks are still open; the reason is on stderr",
    UNFINISHED: STOPPED,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_id(parser)
    add_queue_arguments(parser)
    parser.add_argument(
        "--leave-unfinished",
        action="store_true",
        help="repair what has failed so far, though some tasks are still open; if those fail, they stay failed",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    job_id = parse_job_id(arguments.job)
    from sosw_airflow.scheduling.repair import repair
    from sosw_airflow.scheduling.scheduler import Outcome

    def work(scheduler: JobScheduler) -> ScheduleResult:
        return repair(
            scheduler,
            job_id,
            queue_position="front" if arguments.front else "back",
            max_running=arguments.max_running,
            unfinished="leave" if arguments.leave_unfinished else "refuse",
        )

    with open_deployment(arguments.conn_id, patient=True) as deployment:
        repaired = write(deployment, work, resume=command_line("repair", arguments, arguments.job))
    text = ""
    if repaired is not None:
        header = repaired.header
        if repaired.outcome is Outcome.FOUND:
            text = f"Nothing to repair: no task of the job {header.job_id} has failed."
        else:
            text = (
                f"The queue of {header.labourer_id} has {counted(header.tasks, 'failed task')} of the job "
                f"{header.repairs.split('#')[0]} again, as the job {header.job_id}."
            )
    return show_result(repaired, text, arguments.output)
