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

__all__ = ["Goal", "Report", "write_goals", "write_json", "write_markdown", "write_table"]


@dataclass(frozen=True)
class Goal:
    """What a benchmark is to reach.

    :ivar what: is measured.
    :ivar wanted: with its unit, as ``measured``.
    :ivar reached: None if this run has not measured it.
    """

    what: str
    wanted: str
    measured: str = "not in this run"
    reached: bool | None = None


@dataclass
class Report:
    """The figures of one run.

    :ivar columns: header of each column and name of its figure in a row; only these are printed.
    :ivar rows: figures by name. Numbers are rounded for the table alone.
    :ivar notes: lines below the table: units, and what the figures are to be compared with.
    :ivar goals: what is wanted of these figures.
    :ivar seconds: that the run took.
    :ivar load: of the machine in the minute before the run, and in its last one.
    """

    name: str
    title: str
    columns: Sequence[tuple[str, str]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: Sequence[str] = ()
    goals: list[Goal] = field(default_factory=list)
    seconds: float = 0.0
    load: tuple[float, float] = (0.0, 0.0)


def write_table(report: Report, out: TextIO) -> None:
    """The table, the machine, the notes."""
    cells = [[header for header, _ in report.columns]]
    cells += [[_cell(row.get(name)) for _, name in report.columns] for row in report.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    out.write(f"{report.title}\n{_machine_line()}; {_load(report)}\n\n")
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
    out.write(f"**{report.title}** ({_machine_line()}; {_load(report)})\n\n")
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
        "goals": [vars(goal) for goal in report.goals],
        "seconds": round(report.seconds, 1),
        "load": report.load,
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def write_goals(reports: Sequence[Report], out: TextIO) -> None:
    """One table of all goals, for a terminal and for a document; then how long the run took."""
    out.write("| what | wanted | measured | reached | command |\n| --- | --- | --- | --- | --- |\n")
    for report in reports:
        for goal in report.goals:
            reached = {True: "yes", False: "no", None: ""}[goal.reached]
            command = f'`make bench BENCH="{report.name}"`'
            out.write(f"| {goal.what} | {goal.wanted} | {goal.measured} | {reached} | {command} |\n")
    seconds = sum(report.seconds for report in reports)
    longest = max(reports, key=lambda report: report.seconds)
    out.write(
        f"\nOne run of {seconds / 60:.1f} minutes, of which {longest.name} took {longest.seconds / 60:.1f}; "
        f"{_machine_line()}; load {reports[0].load[0]:.1f} at its start, {reports[-1].load[1]:.1f} at its end.\n\n"
    )


def _load(report: Report) -> str:
    before, after = report.load
    return f"load {before:.1f} before, {after:.1f} at the end of {report.seconds:.0f} s"


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
