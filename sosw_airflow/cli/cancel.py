"""`sosw-airflow cancel`: take out of the queue what no worker has got of a job."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_job_arguments, with_job

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["HELP", "add_arguments", "run"]

HELP = "Cancel a job: remove its tasks that no worker has got. It is never resumed; can be repeated if interrupted."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0 cancelled, 1 refused, 2 no Airflow here."""

    def cancel(deployment: Deployment, job_id: str) -> int:
        from sosw_airflow.exceptions import UnknownJob
        from sosw_airflow.scheduling.cancel import cancel_job

        cancelled = cancel_job(deployment, job_id)
        if cancelled is None:
            raise UnknownJob(job_id, table=deployment.tables.jobs_table)
        if arguments.json:
            print(json.dumps(asdict(cancelled), indent=2))
        else:
            print(
                f"Job {job_id} is cancelled: {cancelled.removed:,} tasks were removed from the queue, "
                f"{cancelled.kept:,} are with the workers or over, {cancelled.never_written:,} were never written."
            )
        return 0

    return with_job("cancel", arguments, cancel)
