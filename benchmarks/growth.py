"""Does a task cost the same in a small job and in a large one? Time per task and memory, from ten thousand tasks on."""

from __future__ import annotations

import argparse
import sys

from benchmarks.fresh_process import measured, medians, spread
from benchmarks.jobs import JOBS
from benchmarks.report import Report

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "time per task and memory of the expansion, from 10,000 tasks to a million (or ten)"

_USUAL = ["days", "day", "flat"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How far, how often, which jobs."""
    parser.add_argument("--ten-million", action="store_true", help="also ten million tasks")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each, for the median (default: 3)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=_USUAL, help=f"default: {' '.join(_USUAL)}")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each job in each size."""
    report = Report(
        name="growth",
        title=f"Growth: from jobs to the bytes of their queue files, medians of {arguments.repeat}",
        columns=[
            ("job", "job"),
            ("tasks", "tasks"),
            ("µs/task", "task_us"),
            ("of the smallest", "of_smallest"),
            ("spread, %", "spread"),
            ("peak MB", "peak_mb"),
        ],
        notes=(
            "of the smallest: the time of a task as a part of what it takes in the smallest job.",
            "spread: of µs/task among the repetitions, largest minus smallest, of the median.",
            "peak MB: how far the process grows beyond the job. Up to 16 MB of lines are kept from day to day.",
        ),
    )
    for job in arguments.jobs:
        smallest = None
        for tasks in (10_000, 100_000, 1_000_000, *([10_000_000] if arguments.ten_million else [])):
            sys.stderr.write(f"{job}: {tasks:,} tasks\n")
            function = "benchmarks.expansion:measure_ours"
            runs = [measured(function, job=job, tasks=tasks) for _ in range(arguments.repeat)]
            figures = medians(runs)
            task_us = figures["processor_seconds"] * 1e6 / figures["tasks"]
            smallest = smallest or task_us
            report.rows.append(
                {
                    "job": job,
                    "tasks": int(figures["tasks"]),
                    "task_us": task_us,
                    "of_smallest": task_us / smallest,
                    "spread": spread([each["processor_seconds"] for each in runs]),
                    "peak_mb": figures["peak_mb"],
                }
            )
    return report
