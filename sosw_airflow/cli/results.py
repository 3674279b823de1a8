"""`sosw-airflow results`: what became of each task of a job, streamed in the job's order."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from sosw_airflow.cli.deployments import open_deployment
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import add_job_id, positive_int
from sosw_airflow.cli.terminal import Column, plain_rows, printable, show_table
from sosw_airflow.jobs.identity import parse_job_id
from sosw_airflow.waiting.task_results import TaskState

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "done, also if no task is in the state"}

_COLUMNS = (
    Column("index", right=True),
    Column("state"),
    Column("attempts", right=True),
    Column("result or error", folds=True),
    Column("payload", folds=True),
)

#: Rows of the table for people.
_TABLE_ROWS = 20

#: Characters of a cell of that table.
_CELL = 200

_FIELDS = (
    *("index", "task_id", "state", "attempts", "payload", "result", "stats"),
    *("error", "error_type", "truncated", "invoked_at", "closed_at"),
)

Record = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_job_id(parser, more=("jsonl", "csv"))
    states = [state.value for state in TaskState]
    parser.add_argument(
        "--state", choices=states, metavar="STATE", help=f"only tasks in this state: {', '.join(states)}"
    )
    parser.add_argument(
        "--limit", type=positive_int, metavar="N", help=f"number of tasks (default: all; of a table: {_TABLE_ROWS})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    job_id = parse_job_id(arguments.job)
    from sosw_airflow.waiting.results import read_results

    limit = arguments.limit or (_TABLE_ROWS if arguments.output in ("table", "plain") else None)
    with open_deployment(arguments.conn_id, patient=True) as deployment:
        results = read_results(deployment.dynamodb, deployment.tables, job_id, state=arguments.state)
        _PRINT[arguments.output](_masked(result.as_dict()) for result in islice(results, limit))
    return DONE


def _masked(record: Record) -> Record:
    """Without secrets: a terminal and its scrollback are no place for them."""
    from sosw_airflow.jobs.redaction import redacted, shown_payload

    hidden: Record = redacted({name: record[name] for name in ("stats", "error")})
    for name in ("payload", "result"):
        shown = shown_payload({name: record[name]})
        hidden[name] = shown[name] if isinstance(shown, dict) else shown
    return {name: hidden.get(name, record[name]) for name in _FIELDS}


def _print_lines(records: Iterator[Record]) -> None:
    for record in records:
        print(json.dumps(record))


def _print_json(records: Iterator[Record]) -> None:
    """One array, written as it is read."""
    separator = "[\n"
    for record in records:
        print(separator, json.dumps(record), sep="", end="")
        separator = ",\n"
    print("[]" if separator == "[\n" else "\n]")


def _print_yaml(records: Iterator[Record]) -> None:
    import yaml

    empty = True
    for record in records:
        empty = False
        print(yaml.safe_dump([record], sort_keys=False, width=1 << 20), end="")
    if empty:
        print("[]")


def _print_csv(records: Iterator[Record]) -> None:
    """Values that are no texts or numbers are JSON in their cells."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_FIELDS)
    for record in records:
        writer.writerow(_cell(each) for each in record.values())


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        # A program of tables would run such a text as a formula.
        return printable(f"'{value}" if value[:1] in ("=", "+", "-", "@") else value)
    return json.dumps(value) if isinstance(value, (dict, list, bool)) else value


def _print_table(records: Iterator[Record]) -> None:
    show_table(_COLUMNS, [_row(record) for record in records])


def _print_plain(records: Iterator[Record]) -> None:
    plain_rows(_COLUMNS, [list(_row(record)) for record in records])


def _row(record: Record) -> tuple[str, ...]:
    end = record["error"] if record["state"] != "completed" and record["error"] else record["result"]
    return (str(record["index"]), record["state"], str(record["attempts"]), _brief(end), _brief(record["payload"]))


def _brief(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    text = " ".join(text.split())
    return text if len(text) <= _CELL else f"{text[:_CELL]}..."


_PRINT: dict[str, Callable[[Iterator[Record]], None]] = {
    "table": _print_table,
    "plain": _print_plain,
    "jsonl": _print_lines,
    "json": _print_json,
    "yaml": _print_yaml,
    "csv": _print_csv,
}
