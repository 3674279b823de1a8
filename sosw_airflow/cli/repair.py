"""`sosw-airflow repair`: schedule the failed tasks of a job again."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_job_arguments, with_job

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["HELP", "add_arguments", "run"]

HELP = "Schedule the failed tasks of a job (or of its last repair) again, with the payloads that they had, once."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_arguments(parser)
    parser.add_argument("--front", action="store_true", help="before everything that waits for the labourer")
    parser.add_argument(
        "--leave-unfinished",
        action="store_true",
        help="repair what has failed so far, though some tasks are still open; should those fail, they stay so",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0 done or nothing to do, 1 refused, 2 no Airflow here."""

    def schedule(deployment: Deployment, job_id: str) -> int:
        from sosw_airflow.scheduling.repair import repair
        from sosw_airflow.scheduling.scheduler import JobScheduler, Outcome

        repaired = repair(
            JobScheduler(deployment),
            job_id,
            queue_position="front" if arguments.front else "back",
            unfinished="leave" if arguments.leave_unfinished else "refuse",
        )
        summary = repaired.summary()
        if arguments.json:
            print(json.dumps(summary, indent=2))
        elif repaired.outcome is Outcome.FOUND:
            print(f"Nothing to repair: no task of the job {summary['job_id']} has failed.")
        else:
            print(
                f"{summary['tasks']:,} failed tasks of the job {summary['repairs']} are in the queue of "
                f"{summary['labourer']} again, as the job {summary['job_id']}."
            )
        return 0

    return with_job("repair", arguments, schedule)
