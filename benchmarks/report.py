"""What a benchmark found, as a table for people and as JSON for comparisons."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

import sosw_airflow

__all__ = ["Report", "write_json", "write_markdown", "write_table"]


@dataclass
class Report:
    """The figures of one run.

    :ivar columns: header of each column and name of its figure in a row; only these are printed.
    :ivar rows: figures by name. Numbers are rounded for the table alone.
    :ivar notes: lines below the table: units, and what the figures are to be compared with.
    """

    name: str
    title: str
    columns: Sequence[tuple[str, str]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: Sequence[str] = ()


def write_table(report: Report, out: TextIO) -> None:
    """The table, the machine, the notes."""
    cells = [[header for header, _ in report.columns]]
    cells += [[_cell(row.get(name)) for _, name in report.columns] for row in report.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    out.write(f"{report.title}\n{_machine_line()}\n\n")
    for line in cells:
        first, *others = (
            cell.ljust(width) if not position else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        out.write("  ".join([first, *others]).rstrip() + "\n")
    out.write("\n")
    out.writelines(f"{note}\n" for note in report.notes)


def write_markdown(report: Report, out: TextIO) -> None:
    """The same for a document."""
    out.write(f"**{report.title}** ({_machine_line()})\n\n")
    out.write(f"| {' | '.join(header for header, _ in report.columns)} |\n")
    out.write(f"| --- |{' ---: |' * (len(report.columns) - 1)}\n")
    out.writelines(f"| {' | '.join(_cell(row.get(name)) for _, name in report.columns)} |\n" for row in report.rows)
    out.write("\n")
    out.writelines(f"- {note}\n" for note in report.notes)
    out.write("\n")


def write_json(report: Report, path: Path) -> None:
    """Everything that was measured, with the machine, the versions and the time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "benchmark": report.name,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": _machine(),
        "rows": report.rows,
        "notes": list(report.notes),
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 1 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "sosw_airflow": sosw_airflow.__version__,
        "sosw": _version("sosw"),
    }


def _machine_line() -> str:
    machine = _machine()
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {machine['cores']} cores ({machine['architecture']}), "
        f"Python {machine['python']}, sosw_airflow {machine['sosw_airflow']}, sosw {machine['sosw']}"
    )


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
