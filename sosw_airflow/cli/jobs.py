"""`sosw-airflow jobs`: the scheduled jobs, from their records."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.deployments import add_connection, open_deployment
from sosw_airflow.cli.exit_codes import DONE, REFUSED
from sosw_airflow.cli.job_arguments import positive_int
from sosw_airflow.cli.output import add_output, print_document
from sosw_airflow.cli.terminal import Column, plain_rows, show_table, show_text
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.transitions import JobState

if TYPE_CHECKING:
    from sosw_airflow.exceptions import JobRecordDamaged
    from sosw_airflow.stores.job_record import Header

__all__ = ["EXIT_CODES", "STATES", "add_arguments", "origin", "run"]

EXIT_CODES = {
    DONE: "done, also if no job matches",
    REFUSED: "records cannot be read: stderr names them; the others are listed",
}

STATES = tuple(state.value for state in JobState)

_COLUMNS = (
    Column("job_id"),
    Column("state"),
    Column("tasks", right=True),
    Column("labourer", folds=True),
    Column("scheduled"),
    Column("by", folds=True),
    Column("max_running", right=True),
    Column("position"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_connection(parser)
    parser.add_argument(
        "--state", choices=STATES, metavar="STATE", help=f"only jobs in this state: {', '.join(STATES)}"
    )
    parser.add_argument("--labourer", metavar="NAME", help="only jobs of this labourer")
    parser.add_argument("--dag-id", metavar="DAG", help="only jobs of this DAG; cli for those of `sosw-airflow`")
    parser.add_argument(
        "--limit", type=positive_int, default=20, metavar="N", help="number of jobs (default: %(default)s)"
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.doctor.orphans import job_headers

    wanted = {"state": arguments.state, "labourer_id": arguments.labourer, "dag_id": arguments.dag_id}
    damaged: list[JobRecordDamaged] = []
    with open_deployment(arguments.conn_id) as deployment:
        found = [
            header
            for header in job_headers(deployment, damaged=damaged)
            if all(value is None or getattr(header, name) == value for name, value in wanted.items())
        ]
    found.sort(key=lambda header: header.created_at, reverse=True)
    _show(found, arguments)
    for error in damaged:
        print(error, file=sys.stderr)
    return REFUSED if damaged else DONE


def _show(found: list[Header], arguments: argparse.Namespace) -> None:
    shown = found[: arguments.limit]
    if arguments.output in ("json", "yaml"):
        print_document([_record(header) for header in shown], arguments.output)
        return
    rows = [_row(header) for header in shown]
    if arguments.output == "plain":
        plain_rows(_COLUMNS, rows)
        return
    columns = _COLUMNS if any(header.position for header in shown) else _COLUMNS[:-1]
    show_table(columns, [row[: len(columns)] for row in rows])
    if len(found) > len(shown):
        show_text(f"... and {counted(len(found) - len(shown), 'older one')}: --limit {len(found)} lists all")


def _record(header: Header) -> dict[str, Any]:
    return {**asdict(header), "state": header.state.value}


def _row(header: Header) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(header.created_at, timezone.utc)
    return (
        header.job_id,
        header.state.value,
        f"{header.tasks:,}",
        header.labourer_id,
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        origin(header),
        f"{header.max_running:,}" if header.max_running else "-",
        header.position or "-",
    )


def origin(header: Header) -> str:
    """The Airflow task, or the command, that scheduled the job."""
    from sosw_airflow.jobs.identity import COMMAND_DAG_ID

    namespace = f"{header.namespace}: " if header.namespace else ""
    if header.dag_id == COMMAND_DAG_ID:
        return f"{namespace}{header.task_id} --id {shlex.quote(header.run_id)}"
    mapped = f"[{header.map_index}]" if header.map_index >= 0 else ""
    return f"{namespace}{header.dag_id}.{header.task_id}{mapped} {header.run_id}"
