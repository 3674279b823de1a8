"""`sosw-airflow status`: how far the workers are with a job, and with its repairs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.deployments import add_job_arguments, with_job

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["HELP", "add_arguments", "run"]

HELP = "Show how far the workers are with a job: completed, failed, still queued or running; its repairs."

_EPILOG = """exit codes:
  0  every task completed, or the job is still going on without failures
  1  there is no such job, or AWS refuses
  2  wrong usage, or there is no Airflow here
  3  some tasks failed and were not repaired
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_job_arguments(parser)
    parser.add_argument(
        "--failed", type=int, default=10, metavar="N", help="show so many failed tasks (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""

    def show(deployment: Deployment, job_id: str) -> int:
        jobs = list(_chain(deployment, job_id, arguments.failed))
        if arguments.json:
            print(json.dumps(jobs, indent=2))
        else:
            print("\n\n".join(map(_text, jobs)))
        return 3 if jobs[-1]["failed"] else 0

    return with_job("status", arguments, show)


def _chain(deployment: Deployment, job_id: str, shown: int) -> Iterator[dict[str, Any]]:
    """The job, its repair, the repair of that, and so on, each with its counts."""
    from sosw_airflow.scheduling.repair import chain_of
    from sosw_airflow.stores.closed_tasks import describe_failures
    from sosw_airflow.stores.job_record import JobRecords
    from sosw_airflow.waiting.progress import ProgressReader

    records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table)
    for header in chain_of(records, job_id):
        reader = ProgressReader(deployment.dynamodb, deployment.tables, header.job_id)
        progress = reader.read()
        yield {
            "job_id": header.job_id,
            "labourer": header.labourer_id,
            "state": "closed" if progress.over and progress.closed >= header.tasks else header.state.value,
            "tasks": header.tasks,
            "completed": progress.completed,
            "failed": progress.failed,
            "open": header.tasks - progress.closed,
            "created_at": datetime.fromtimestamp(header.created_at, tz=timezone.utc).isoformat(),
            "dag_id": header.dag_id,
            "run_id": header.run_id,
            "task_id": header.task_id,
            "map_index": header.map_index,
            "generation": header.generation,
            **({"repairs": header.repairs.split("#")[0]} if header.repairs else {}),
            "failed_tasks": describe_failures(deployment.dynamodb, deployment.tables, islice(reader.failed(), shown)),
        }


def _text(job: dict[str, Any]) -> str:
    mapped = f", map index {job['map_index']}" if job["map_index"] >= 0 else ""
    asked_by = f"{job['dag_id']}, {job['task_id']}{mapped}, run {job['run_id']}, generation {job['generation']}"
    lines = [
        f"Job {job['job_id']} for {job['labourer']}: {job['state']}",
        *([f"  repairs:   {job['repairs']}"] if "repairs" in job else []),
        f"  scheduled: {job['created_at']} by {asked_by}",
        f"  tasks:     {_counts(job)}",
        *(f"  failed:    {each}" for each in job["failed_tasks"]),
    ]
    return "\n".join(lines)


def _counts(job: dict[str, Any]) -> str:
    ended = f"{job['completed']:,} completed, {job['failed']:,} failed"
    return f"{job['tasks']:,}: {ended}, {job['open']:,} queued, running or waiting for a retry"
