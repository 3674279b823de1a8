"""How long commands take that need neither AWS nor Airflow, beside `airflow version`: the time that you wait for them.

Every measurement is a process of its own, with its output on a terminal, as you would see it.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.report import Goal, Report

__all__ = ["ABOUT", "LIMIT_SECONDS", "add_arguments", "measured_command", "run"]

ABOUT = "start-up of `sosw-airflow --help` and `sosw-airflow plan`, beside `airflow version`"

#: What the commands may take.
LIMIT_SECONDS = {"sosw-airflow --help": 0.15, "sosw-airflow plan job.json": 0.25}

JOB = {"words": ["a", "b", "c"], "isolate_words": True, "period": "last_2_days", "isolate_days": True}
PLAN = ["sosw-airflow", "plan", "job.json", "--labourer", "w", "--schema", '{"chunkable_attrs": ["word"]}']
COMMANDS = {
    "python -c pass": ["python", "-c", "pass"],
    "sosw-airflow --help": ["sosw-airflow", "--help"],
    "sosw-airflow plan job.json": PLAN,
    "airflow version": ["airflow", "version"],
}


def measured_command(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of one run on a terminal, in this folder: by the clock, and of the processor.

    The programs are those of this environment. On a busy machine only the processor's time says something.

    :raises RuntimeError: it fails.
    """
    program = Path(sys.executable).with_name(command[0])
    start = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(program, [str(program), *command[1:]])  # noqa: S606 - a program of this environment
    with suppress(OSError):  # the other end of the terminal is closed
        while os.read(terminal, 1 << 16):
            pass
    os.close(terminal)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code:
        message = f"{' '.join(command)} ended with {code}"
        raise RuntimeError(message)
    return seconds, usage.ru_utime + usage.ru_stime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command line."""
    parser.add_argument("--runs", type=int, default=9, help="processes for each figure (default: %(default)s)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each command, in turns, so that a busy moment meets all of them."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "job.json").write_text(json.dumps(JOB))
        for _ in range(arguments.runs + 1):
            for name, command in COMMANDS.items():
                figures[name].append(measured_command(command, Path(folder)))
    rows = []
    for name, runs in figures.items():
        seconds, processor = zip(*runs[1:], strict=True)
        medians = {"median": statistics.median(seconds), "processor": statistics.median(processor)}
        rows.append({"command": name, **medians, "fastest": min(seconds)})
    return Report(
        name="start_up",
        title=f"Start-up of commands on a terminal: {arguments.runs} processes each, after one that warms the files",
        columns=[
            ("command", "command"),
            ("median s", "median"),
            ("fastest s", "fastest"),
            ("processor s", "processor"),
        ],
        rows=rows,
        goals=[
            Goal(f"`{row['command']}`", f"≤ {most} s", f"{row['median']:.3f} s", row["median"] <= most)
            for row in rows
            if (most := LIMIT_SECONDS.get(row["command"])) is not None
        ],
        notes=[f"`{command}` may take {limit} s." for command, limit in LIMIT_SECONDS.items()],
    )
