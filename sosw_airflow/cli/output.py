"""The formats of `--output`, which are those of `airflow`: table, json, yaml, plain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sosw_airflow.cli.terminal import Column, plain_rows
from sosw_airflow.cli.usage import Arguments

__all__ = ["FORMATS", "add_output", "print_document", "print_record"]

FORMATS = ("table", "json", "yaml", "plain")


def add_output(parser: Arguments, more: tuple[str, ...] = ()) -> None:
    """Declare `--output`.

    :param more: formats of this command alone.
    """
    others = f"; also {', '.join(more)}" if more else ""
    parser.add_argument(
        "-o",
        "--output",
        choices=(*FORMATS, *more),
        default="table",
        metavar="FORMAT",
        help=f"table (for people), json, yaml, or plain (one line a row, never wrapped){others}; default: table",
    )


def print_document(document: Any, output: str) -> None:
    """Print the document as JSON or YAML.

    :param output: ``json`` or ``yaml``.
    """
    if output == "json":
        print(json.dumps(document, indent=2))
        return
    import yaml

    # Through JSON: tuples become lists, and a text that is also a Python class stays a text.
    print(yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, width=1 << 20), end="")


def print_record(record: Mapping[str, Any], output: str) -> None:
    """Print one record as JSON, YAML, or plain: a header and a row of its values that are no lists or objects."""
    if output != "plain":
        print_document(record, output)
        return
    flat = {name: value for name, value in record.items() if not isinstance(value, (Mapping, list, tuple))}
    print_rows([flat])


def print_rows(records: Sequence[Mapping[str, Any]]) -> None:
    """Print the records plain; the columns are those of the first one."""
    names = list(records[0]) if records else []
    columns = [Column(name) for name in names]
    plain_rows(columns, [["" if record[name] is None else str(record[name]) for name in names] for record in records])
