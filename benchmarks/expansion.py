"""From a job to the lines of its queue file: speed and memory, beside the real sosw in the same run.

Every measurement has a fresh process. Memory counts from the moment at which the job exists, so the job itself is not
in it. ``expand`` are the tasks alone, ``lines`` the tasks with their lines of the queue file.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from typing import Any

from benchmarks.fresh_process import Figures, measured, medians, peak_growth
from benchmarks.report import Report
from benchmarks.upstream_expansion import upstream_lines, upstream_scheduler, upstream_tasks

__all__ = ["ABOUT", "JOBS", "add_arguments", "run"]

ABOUT = "expanding a job of a million tasks: memory, tasks a second, ratio to sosw"

LABOURER = "worker"
REFERENCE_DATE = date(2026, 11, 23)
SCHEMA = ("section", "store", "product")

#: What the memory of one million tasks has to stay below, in MB.
MEMORY_LIMIT = 50


def flat(tasks: int) -> dict[str, Any]:
    """One long list, each of its values a task."""
    return {"isolate_sections": True, "sections": list(range(tasks))}


def nested(tasks: int) -> dict[str, Any]:
    """Three levels, as wide as each other; each product of each store a task."""
    side = max(round(tasks ** (1 / 3)), 1)
    return {"isolate_products": True, "sections": _shops(side, side, side)}


def days(tasks: int) -> dict[str, Any]:
    """Ten days of sections, stores and products: the usual job."""
    rest = max(round((tasks / 1000) ** 0.5), 1)
    return {
        "period": "last_10_days",
        "isolate_days": True,
        "isolate_products": True,
        "sections": _shops(rest, 10, rest * 10),
    }


def batches(tasks: int) -> dict[str, Any]:
    """One long list, a hundred of its values a task: as many values as the other jobs have tasks."""
    return {"max_sections_per_batch": 100, "sections": list(range(tasks))}


JOBS = {"flat": flat, "nested": nested, "days": days, "batches": batches}


def _shops(sections: int, stores: int, products: int) -> dict[str, Any]:
    return {
        f"section_{section}": {
            "stores": {f"store_{store}": {"products": list(range(products))} for store in range(stores)}
        }
        for section in range(sections)
    }


def measure_ours(job: str, tasks: int, lines: bool) -> Figures:
    """One expansion by sosw_airflow. Runs in a process of its own."""
    from sosw_airflow.jobs import Expansion
    from sosw_airflow.jobs.rows import LineCodec

    document = JOBS[job](tasks)

    def work() -> Figures:
        count = size = 0
        expansion = Expansion(document, schema={"chunkable_attrs": SCHEMA}, reference_date=REFERENCE_DATE)
        if lines:
            codec = LineCodec(LABOURER)
            for count, task in enumerate(expansion, 1):
                size += len(codec.line(task, count)) + 1
        else:
            for count, _ in enumerate(expansion, 1):  # noqa: B007 - counted
                pass
        return {"tasks": count, "bytes": size}

    return peak_growth(work)


def measure_upstream(job: str, tasks: int, lines: bool) -> Figures:
    """The same by sosw. Runs in a process of its own."""
    scheduler = upstream_scheduler(SCHEMA, REFERENCE_DATE)
    document = JOBS[job](tasks)

    def work() -> Figures:
        rows = upstream_tasks(scheduler, document, LABOURER)
        size = sum(len(line) + 1 for line in upstream_lines(rows)) if lines else 0
        return {"tasks": len(rows), "bytes": size}

    return peak_growth(work)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many tasks, how often, which jobs."""
    parser.add_argument("--tasks", type=int, default=1_000_000, help="tasks of a job, about (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each, for the median (default: 3)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="default: all")
    parser.add_argument("--without-upstream", action="store_true", help="only sosw_airflow: seconds, not minutes")


def run(arguments: argparse.Namespace) -> Report:
    """Measure every job, ours and upstream's in turns."""
    report = Report(
        name="expansion",
        title=f"Expansion of jobs, medians of {arguments.repeat}",
        columns=[
            ("job", "job"),
            ("tasks", "tasks"),
            ("peak MB", "lines_peak_mb"),
            ("expand tasks/s", "expand_rate"),
            ("x sosw", "expand_ratio"),
            ("lines tasks/s", "lines_rate"),
            ("x sosw", "lines_ratio"),
            ("sosw's peak MB", "upstream_lines_peak_mb"),
        ],
        notes=(
            f"peak MB: how far the process grows beyond the job while lines are made; the limit is {MEMORY_LIMIT} MB.",
            "expand: tasks alone; lines: tasks and their lines of the queue file. Checking the job is part of both.",
            "x sosw: how many times as fast as construct_job_data of sosw, for lines with its json.dumps.",
        ),
    )
    for job in arguments.jobs:
        report.rows.append(_row(job, arguments))
    return report


def _row(job: str, arguments: argparse.Namespace) -> dict[str, Any]:
    sides = ["ours"] if arguments.without_upstream else ["ours", "upstream"]
    row: dict[str, Any] = {"job": job}
    for kind in ("expand", "lines"):
        runs: dict[str, list[Figures]] = {side: [] for side in sides}
        for number in range(arguments.repeat):
            for side in sides:
                sys.stderr.write(f"{job}, {kind}, {side}, {number + 1} of {arguments.repeat}\n")
                figures = measured(
                    f"benchmarks.expansion:measure_{side}", job=job, tasks=arguments.tasks, lines=kind == "lines"
                )
                runs[side].append(figures)
        ours = medians(runs["ours"])
        row["tasks"] = int(ours["tasks"])
        row[f"{kind}_seconds"] = ours["seconds"]
        row[f"{kind}_rate"] = ours["tasks"] / ours["seconds"]
        row[f"{kind}_peak_mb"] = ours["peak_mb"]
        if "upstream" in runs:
            upstream = medians(runs["upstream"])
            if (upstream["tasks"], upstream["bytes"]) != (ours["tasks"], ours["bytes"]):
                raise AssertionError(f"{job}: sosw and sosw_airflow do not make the same: {upstream} and {ours}")
            row[f"upstream_{kind}_seconds"] = upstream["seconds"]
            row[f"upstream_{kind}_peak_mb"] = upstream["peak_mb"]
            row[f"{kind}_ratio"] = upstream["seconds"] / ours["seconds"]
    return row
