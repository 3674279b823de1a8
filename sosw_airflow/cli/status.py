"""`sosw-airflow status`: how many tasks of a job, and of its repairs, are completed, failed and open."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.deployments import open_deployment, own_airflow
from sosw_airflow.cli.exit_codes import DONE, UNFINISHED
from sosw_airflow.cli.job_arguments import add_job_id, natural_int, positive_int
from sosw_airflow.cli.jobs import origin
from sosw_airflow.cli.output import print_document
from sosw_airflow.cli.terminal import Column, Line, plain_rows, show_lines, show_text
from sosw_airflow.jobs.identity import parse_job_id
from sosw_airflow.jobs.source_records import source_records, source_text

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.job_record import Header
    from sosw_airflow.waiting.progress import ProgressReader
    from sosw_airflow.waiting.task_results import TaskResult
    from sosw_airflow.waiting.tolerance import Tolerance

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {
    DONE: "every task is closed, and no more of them failed than --tolerated-failures",
    UNFINISHED: "tasks are still open, more failed and were not repaired, or the job was cancelled",
}

#: For plain: a record's values that are the same for every job are left out.
_COLUMNS = (
    *(Column(name) for name in ("job_id", "state")),
    *(Column(name, right=True) for name in ("tasks", "completed", "failed", "open")),
    *(Column(name) for name in ("labourer", "created_at", "repairs")),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_id(parser)
    parser.add_argument(
        "--failed",
        type=natural_int,
        default=10,
        metavar="N",
        help="number of failed tasks shown (default: %(default)s)",
    )
    parser.add_argument("--watch", action="store_true", help="show a progress bar until every task is closed")
    parser.add_argument(
        "--interval",
        type=positive_int,
        default=5,
        metavar="SECONDS",
        help="between two polls of --watch (default: %(default)s)",
    )
    parser.add_argument(
        "--tolerated-failures",
        default="0",
        metavar="LIMIT",
        help="failed tasks, or share of all tasks, with which the exit code is still 0 (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.waiting.tolerance import Tolerance

    job_id, tolerance = parse_job_id(arguments.job), Tolerance.of(arguments.tolerated_failures)
    with open_deployment(arguments.conn_id, patient=True) as deployment:
        if arguments.watch:
            _watch(deployment, job_id, arguments.interval)
        chain = list(_chain(deployment, job_id, arguments.failed, arguments.conn_id))
    jobs = [record for _, record in chain]
    if arguments.output in ("json", "yaml"):
        print_document(jobs, arguments.output)
    elif arguments.output == "plain":
        plain_rows(_COLUMNS, [[str(job.get(column.header, "-")) for column in _COLUMNS] for job in jobs])
    else:
        _show(chain)
    return _exit_code(jobs[-1], tolerance)


def _exit_code(last: dict[str, Any], tolerance: Tolerance) -> int:
    """Of the last repair: what failed before it is scheduled again in it."""
    over = last["state"] == "closed" and tolerance.allows(last["failed"], last["tasks"])
    return DONE if over else UNFINISHED


def _watch(deployment: Deployment, job_id: str, interval: float) -> None:
    """Poll the last repair of the job, or the job itself, until it is over."""
    from sosw_airflow.cli.progress import progress_bars
    from sosw_airflow.scheduling.repair import last_of_chain
    from sosw_airflow.stores.job_record import JobRecords
    from sosw_airflow.waiting.poller import JobPoller
    from sosw_airflow.waiting.progress import ProgressReader

    last = last_of_chain(JobRecords(deployment.dynamodb, deployment.tables.jobs_table), job_id)
    reader = ProgressReader(deployment.dynamodb, deployment.tables, last.job_id)
    with progress_bars() as progress:
        poller = JobPoller(reader, progress=progress)
        while poller.poll() is None:
            time.sleep(interval)


def _chain(deployment: Deployment, job_id: str, shown: int, conn_id: str) -> Iterator[tuple[Header, dict[str, Any]]]:
    """The job, its repair, the repair of that, and so on: the header, and the record with the counts."""
    from sosw_airflow.scheduling.repair import chain_of
    from sosw_airflow.stores.backoff import Backoff
    from sosw_airflow.stores.closed_tasks import describe_failures
    from sosw_airflow.stores.job_record import JobRecords, JobState
    from sosw_airflow.waiting.progress import ProgressReader

    records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table)
    for header in chain_of(records, job_id):
        reader = ProgressReader(deployment.dynamodb, deployment.tables, header.job_id)
        progress = reader.read_patiently(Backoff())
        record: dict[str, Any] = {
            "job_id": header.job_id,
            "labourer": header.labourer_id,
            "state": "closed" if progress.over and progress.closed >= header.tasks else header.state.value,
            "tasks": header.tasks,
            "completed": progress.completed,
            "failed": progress.failed,
            "open": header.tasks - progress.closed,
            **({"max_running": header.max_running} if header.max_running else {}),
            **({"position": header.position} if header.position else {}),
            **({"sources": sources} if (sources := source_records(header.sources)) else {}),
            "created_at": datetime.fromtimestamp(header.created_at, tz=timezone.utc).isoformat(),
            "dag_id": header.dag_id,
            "run_id": header.run_id,
            "task_id": header.task_id,
            "map_index": header.map_index,
            "generation": header.generation,
            **({"repairs": header.repairs.split("#")[0]} if header.repairs else {}),
            "failed_tasks": describe_failures(deployment.dynamodb, deployment.tables, islice(reader.failed(), shown)),
        }
        if progress.failed:
            record["causes"] = _causes(reader, conn_id)
        if not progress.over and header.state in (JobState.WRITING, JobState.WRITTEN):
            record["activity"] = _activity(deployment, header, record["open"])
        yield header, record


def _activity(deployment: Deployment, header: Header, open_tasks: int) -> dict[str, Any]:
    """What the open tasks do; why that is unknown, if the identity may not read it."""
    from sosw_airflow.exceptions import AccessDenied
    from sosw_airflow.waiting.activity import read_activity

    now = int(deployment.now())
    try:
        activity = read_activity(deployment.dynamodb, deployment.tables, header.labourer_id, header.job_id, now=now)
    except AccessDenied as denied:
        return {"unknown": str(denied)}
    return activity.as_dict(open_tasks)


def _causes(reader: ProgressReader, conn_id: str) -> dict[str, Any]:
    """Why tasks failed; why that is unknown, if it cannot be read."""
    from sosw_airflow.exceptions import SoswError
    from sosw_airflow.waiting.failure_causes import read_causes

    try:
        causes = read_causes(reader, partial(_log_of_tasks, conn_id))
    except SoswError as error:
        return {"unknown": str(error)}
    return causes.as_dict()


def _log_of_tasks(conn_id: str, labourer_id: str) -> Callable[[TaskResult], str]:
    from sosw_airflow.links.console import log_of_tasks

    with own_airflow():
        from sosw_airflow.hooks.sosw import SoswHook

        return log_of_tasks(SoswHook(conn_id), labourer_id)


def _show(jobs: Sequence[tuple[Header, dict[str, Any]]]) -> None:
    for number, (header, job) in enumerate(jobs):
        if number:
            print()
        show_text(f"Job {header.job_id} for {header.labourer_id}: {job['state']}", job["state"])
        show_lines(_lines(header, job), indent=2)


def _lines(header: Header, job: dict[str, Any]) -> Iterator[Line]:
    if "repairs" in job:
        yield Line("repairs", job["repairs"])
    yield Line("scheduled", f"{job['created_at']} by {origin(header)}, generation {header.generation}")
    yield Line("tasks", f"{job['tasks']:,}")
    if "max_running" in job:
        yield Line("max running", f"{job['max_running']:,}")
    if "position" in job:
        yield Line("position", job["position"])
    for number, each in enumerate(job.get("sources", ())):
        yield Line("" if number else "sources", source_text(each))
    yield Line("completed", f"{job['completed']:,}")
    yield Line("failed", f"{job['failed']:,}", "error" if job["failed"] else "")
    yield Line("open", f"{job['open']:,} (queued, running or waiting for a retry)" if job["open"] else "0")
    yield from _activity_lines(job.get("activity", {}))
    for number, cause in enumerate(_cause_lines(job.get("causes", {}))):
        yield Line("" if number else "causes", cause)
    for number, task in enumerate(job["failed_tasks"]):
        yield Line("" if number else "failures", task)


def _cause_lines(causes: dict[str, Any]) -> list[str]:
    from sosw_airflow.waiting.causes import CausesSummary

    if "unknown" in causes:
        return [f"unknown: {causes['unknown']}"]
    return CausesSummary.of(causes).lines() if causes else []


def _activity_lines(activity: dict[str, Any]) -> Iterator[Line]:
    from sosw_airflow.waiting.progress_log import duration_text, rate_text

    if not activity:
        return
    if "unknown" in activity:
        yield Line("running", f"unknown: {activity['unknown']}")
        return

    def number(name: str) -> str:
        return f"{'at least ' if name in activity['at_least'] else ''}{activity[name]:,}"

    yield Line("running", number("running"))
    for task in activity["running_tasks"]:
        yield Line("", f"{task['task_id']} for {duration_text(task['seconds'])}, {_attempt(task)}")
    if activity["retrying"]:
        yield Line("retrying", number("retrying"))
    for task in activity["retrying_tasks"]:
        yield Line("", f"{task['task_id']} in {duration_text(max(task['seconds'], 0))}, after {_attempt(task)}")
    if activity["queued_ahead"]:
        yield Line("ahead", f"{number('queued_ahead')} queued tasks of other jobs")
    if activity["closed_per_second"]:
        left, least = activity["seconds_left"], "at least " if activity["at_least"] else "about "
        pace = f"{rate_text(activity['closed_per_second'])} of the labourer in the last 10 minutes"
        yield Line("pace", f"{pace}: {least}{duration_text(left)} left")


def _attempt(task: dict[str, Any]) -> str:
    error = " ".join(task["error"].split())[:200]
    return f"attempt {task['attempts']}{f': {error}' if error else ''}"
