"""`sosw-airflow jobs`: which jobs have been scheduled, from their records."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection, with_deployment

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.job_record import Header

__all__ = ["HELP", "STATES", "add_arguments", "run"]

HELP = "List the jobs that have been scheduled, the newest first."

#: Those of `JobState`, whose module loads botocore.
STATES = ("planned", "written", "delivering", "delivered", "cancelled")

_EPILOG = """exit codes:
  0  done, also where there are no jobs
  1  AWS or the Connection refuses
  2  wrong usage, or there is no Airflow here
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_connection(parser)
    parser.add_argument("--state", choices=STATES, help="only jobs in this state")
    parser.add_argument("--labourer", metavar="ID", help="only jobs of this labourer")
    parser.add_argument("--dag-id", metavar="DAG", help="only jobs of this DAG")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="so many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0, 1 or 2, as its help says."""
    return with_deployment("jobs", arguments.conn_id, lambda deployment: _list(deployment, arguments))


def _list(deployment: Deployment, arguments: argparse.Namespace) -> int:
    from sosw_airflow.doctor.orphans import job_headers

    wanted = {"state": arguments.state, "labourer_id": arguments.labourer, "dag_id": arguments.dag_id}
    found = [
        header
        for header in job_headers(deployment)
        if all(value is None or getattr(header, name) == value for name, value in wanted.items())
    ]
    found.sort(key=lambda header: header.created_at, reverse=True)
    shown = found[: arguments.limit]
    if arguments.json:
        print(json.dumps([{**asdict(header), "state": header.state.value} for header in shown], indent=2))
        return 0
    rows = [("job", "state", "tasks", "labourer", "scheduled (UTC)", "by"), *map(_row, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(w) if n == 2 else cell.ljust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    if len(found) > len(shown):
        print(f"... and {len(found) - len(shown):,} older ones")
    return 0


def _row(header: Header) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(header.created_at, timezone.utc)
    namespace = f"{header.namespace}: " if header.namespace else ""
    mapped = f"[{header.map_index}]" if header.map_index >= 0 else ""
    return (
        header.job_id,
        header.state.value,
        f"{header.tasks:,}",
        header.labourer_id,
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        f"{namespace}{header.dag_id}.{header.task_id}{mapped} {header.run_id}",
    )
