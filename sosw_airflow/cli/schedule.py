"""`sosw-airflow schedule`: puts a job into the queue by hand, outside any DAG. The same id resumes the same job."""

from __future__ import annotations

import argparse
import sys
from datetime import date, datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection, open_deployment, read_settings
from sosw_airflow.cli.exit_codes import DONE, UNFINISHED
from sosw_airflow.cli.job_arguments import (
    add_job_source,
    add_queue_arguments,
    add_run_id,
    command_line,
    new_run_id,
    positive_int,
)
from sosw_airflow.cli.output import add_output
from sosw_airflow.cli.writing import STOPPED, show_result, write
from sosw_airflow.exceptions.faults import counted, tasks_are

if TYPE_CHECKING:
    from sosw_airflow.cli.plan_sources import PlannedJob
    from sosw_airflow.jobs.identity import JobIdentity
    from sosw_airflow.scheduling.requests import QueuePosition, Request
    from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "every task is in the queue, from this call or from an earlier one", UNFINISHED: STOPPED}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("job", metavar="FILE", help="file with the job as JSON; - for standard input")
    parser.add_argument("--labourer", metavar="NAME", help="the labourer, unless the job has it as lambda_name")
    add_run_id(parser)
    add_job_source(parser)
    parser.add_argument(
        "--max-tasks",
        type=positive_int,
        metavar="N",
        help="refuse a job of more tasks (default: max_tasks in Airflow's section [sosw])",
    )
    add_queue_arguments(parser)
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.cli.plan_sources import JobSources, resolve_job
    from sosw_airflow.cli.usage import read_bytes
    from sosw_airflow.exceptions import EmptySource
    from sosw_airflow.jobs.event import parse_event
    from sosw_airflow.jobs.identity import command_identity
    from sosw_airflow.scheduling.scheduler import Outcome

    request = parse_event(read_bytes(arguments.job))
    sources = JobSources(schema=arguments.schema)
    labourer_id = sources.labourer(request, arguments.labourer)
    run_id = arguments.id or new_run_id()
    settings = read_settings(arguments.conn_id)
    identity = command_identity("schedule", run_id, labourer_id, namespace=settings.namespace)

    def work(scheduler: JobScheduler) -> ScheduleResult:
        print(f"Job {identity.job_id}, --id {run_id}", file=sys.stderr)
        return scheduler.schedule(_request(job, identity, scheduler, arguments, settings.max_tasks))

    with open_deployment(arguments.conn_id, patient=True) as deployment:
        today = arguments.date or _reference_date(deployment, identity)
        job = resolve_job(request, sources, arguments, today)
        try:
            scheduled = write(deployment, work, resume=command_line("schedule", arguments, arguments.job, id=run_id))
        except EmptySource as error:
            if error.on_empty == "fail":
                raise
            print(f"Nothing to schedule. {error}", file=sys.stderr)
            return DONE
    text = ""
    if scheduled is not None:
        number = scheduled.header.tasks
        put = f"{counted(number, 'task')} into the queue of {labourer_id}"
        in_queue = f"{tasks_are(number)} in the queue of {labourer_id}"
        text = {
            Outcome.SCHEDULED: f"{in_queue}.",
            Outcome.RESUMED: f"{in_queue}: an earlier call was resumed.",
            Outcome.FOUND: f"Nothing to do: an earlier call has put {put}.",
        }[scheduled.outcome]
    return show_result(scheduled, text, arguments.output)


def _request(
    job: PlannedJob, identity: JobIdentity, scheduler: JobScheduler, arguments: argparse.Namespace, max_tasks: int
) -> Request:
    """The job as it is scheduled; all of it is checked, but for the values of its sources."""
    from sosw_airflow.jobs.sources import find_sources
    from sosw_airflow.scheduling.requests import ScheduleRequest, SourcedRequest

    expand = partial(job.expand, max_tasks=arguments.max_tasks or max_tasks)
    position: QueuePosition = "front" if arguments.front else "back"
    place = (job.reference_date, job.data_interval, position, arguments.max_running or 0)
    sourced = find_sources(job.request.job, job.schema)
    if sourced is None:
        expansion = expand(job.request)
        for warning in expansion.warnings:
            print(f"Warning: {warning}", file=sys.stderr)
        return ScheduleRequest(identity, expansion, *place)
    from sosw_airflow.cli.sources import check_sources, read_to_schedule

    check_sources(job.request, sourced, expand, conn_id=arguments.conn_id)
    read = partial(
        read_to_schedule, job.request, sourced, expand, conn_id=arguments.conn_id, check=scheduler.check_stop
    )
    return SourcedRequest(identity, job.request.job, job.schema, read, *place)


def _reference_date(deployment: Deployment, identity: JobIdentity) -> date:
    """That of an earlier call with the same id, so that the job is the same on another day; otherwise today in UTC."""
    from sosw_airflow.stores.job_record import JobRecords

    former = JobRecords(deployment.dynamodb, deployment.tables.jobs_table).header(identity.job_id)
    return date.fromisoformat(former.reference_date) if former else datetime.now(timezone.utc).date()
