"""`sosw-airflow drain`: writes the tasks of a queue file that sosw's Scheduler has left, each once."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection, open_deployment, read_settings
from sosw_airflow.cli.exit_codes import DONE, UNFINISHED
from sosw_airflow.cli.job_arguments import add_queue_arguments, add_run_id, command_line, new_run_id
from sosw_airflow.cli.output import add_output
from sosw_airflow.cli.writing import STOPPED, show_result, write
from sosw_airflow.exceptions.faults import counted

if TYPE_CHECKING:
    from sosw_airflow.scheduling.drain import LeftFile
    from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult
    from sosw_airflow.stores.job_record import JobRecords

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "every task of the file is in the queue, and the file is removed", UNFINISHED: STOPPED}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("file", metavar="FILE", help="queue file: its name in the bucket, its key, or s3://bucket/key")
    add_run_id(parser)
    parser.add_argument(
        "--take-locked",
        action="store_true",
        help="also take a file that another Scheduler has locked; its tasks may then be done twice",
    )
    add_queue_arguments(parser)
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.exceptions import MissingQueueFile
    from sosw_airflow.jobs.identity import command_identity
    from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
    from sosw_airflow.stores.job_record import JobRecords

    def work(scheduler: JobScheduler) -> ScheduleResult:
        former = scheduler.records.header(identity.job_id)
        labourer_id = former.labourer_id if former else file.labourer_id()
        if labourer_id is None:
            raise MissingQueueFile(str(file))
        _check_labourer(arguments.conn_id, labourer_id)
        print(f"Job {identity.job_id}, --id {run_id}", file=sys.stderr)
        request = DrainRequest(
            replace(identity, labourer_id=labourer_id),
            file,
            datetime.now(timezone.utc).date(),
            "front" if arguments.front else "back",
            arguments.max_running or 0,
        )
        return drain(scheduler, request, take_locked=arguments.take_locked)

    settings = read_settings(arguments.conn_id)
    with open_deployment(arguments.conn_id, patient=True) as deployment:
        file = LeftFile.of(deployment, arguments.file.strip())
        records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table)
        run_id = arguments.id or _interrupted(file, records) or new_run_id()
        identity = replace(command_identity("drain", run_id, "", namespace=settings.namespace), queue_file=str(file))
        drained = write(deployment, work, resume=command_line("drain", arguments, arguments.file, id=run_id))
    text = ""
    if drained is not None:
        header = drained.header
        text = f"The queue of {header.labourer_id} has {counted(header.tasks, 'task')} of {file}; the file is removed."
    return show_result(drained, text, arguments.output)


def _interrupted(file: LeftFile, records: JobRecords) -> str | None:
    """The id of an earlier call that has claimed the file and was interrupted."""
    from sosw_airflow.jobs.identity import COMMAND_DAG_ID

    claimed_by = file.claimed_by()
    header = records.header(claimed_by) if claimed_by else None
    return header.run_id if header and header.dag_id == COMMAND_DAG_ID else None


def _check_labourer(conn_id: str, labourer_id: str) -> None:
    """Refuse a labourer that is not registered."""
    from sosw_airflow.cli.deployments import own_airflow

    with own_airflow():
        from sosw_airflow.hooks.sosw import SoswHook

        SoswHook(conn_id).labourer(labourer_id)
