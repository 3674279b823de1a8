"""Planning: expansion, cutting into pages, and the upload of the queue file, beside the bare upload of ready bytes.

The S3 is a process beside that counts what it gets and keeps nothing, so that what is measured is the planner.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks.fresh_process import Figures, measured, medians, peak_growth, spread
from benchmarks.jobs import JOBS, LABOURER, REFERENCE_DATE, SCHEMA
from benchmarks.report import Goal, Report
from benchmarks.s3_sink import counted, s3_sink

__all__ = ["ABOUT", "add_arguments", "client_of", "run"]

ABOUT = "planning a job into S3: time per task, memory, ratio to the bare upload"


#: Job -> seconds that ten million of its tasks may take.
_WANTED = {"days": 30, "flat": 10}


def measure_plan(endpoint_url: str, job: str, tasks: int) -> Figures:
    """What the scheduler does before the header: check, expand, cut, upload."""
    from sosw_airflow.jobs.blocks import blocks_of
    from sosw_airflow.jobs.expansion import Expansion
    from sosw_airflow.jobs.pages import PageCutter, PageLimits
    from sosw_airflow.jobs.rows import LineCodec
    from sosw_airflow.stores.queue_file import QueueFile

    document = JOBS[job](tasks)
    client = client_of(endpoint_url)

    def work() -> Figures:
        expansion = Expansion(document, schema={"chunkable_attrs": SCHEMA}, reference_date=REFERENCE_DATE)
        cutter = PageCutter(PageLimits())
        count = 0
        with QueueFile(client, "bucket", "key").writer() as plan:
            for block in blocks_of(expansion, LineCodec(LABOURER)):
                plan.write(block.text)
                cutter.take(block)
                count += block.tasks
            return {"bytes": plan.complete(), "tasks": count, "pages": cutter.pages}

    return peak_growth(work)


def measure_upload(endpoint_url: str, size: int) -> Figures:
    """The same bytes ready-made, in the same parts."""
    from sosw_airflow.stores.queue_file import PART_BYTES, QueueFile

    client = client_of(endpoint_url)
    part = "x" * (PART_BYTES - 1)

    def work() -> Figures:
        with QueueFile(client, "bucket", "key").writer() as plan:
            while plan.size < size:
                plan.write(part[: size - plan.size])
            return {"bytes": plan.complete()}

    return peak_growth(work)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many tasks, how often, which jobs."""
    parser.add_argument("--tasks", type=int, nargs="+", default=[1_000_000, 10_000_000], help="default: 10^6 10^7")
    parser.add_argument("--repeat", type=int, default=1, help="measurements of each, for the median (default: 1)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=["days", "flat"], help="default: days flat")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each job in each size, and the upload of as many bytes."""
    report = Report(
        name="plan",
        title=f"Planning jobs into a local S3, medians of {arguments.repeat}",
        columns=[
            ("job", "job"),
            ("tasks", "tasks"),
            ("pages", "pages"),
            ("MB", "megabytes"),
            ("seconds", "seconds"),
            ("µs/task", "task_us"),
            ("own µs/task", "processor_us"),
            ("x bare upload", "times_upload"),
            ("spread, %", "spread"),
            ("peak MB", "peak_mb"),
        ],
        notes=(
            "From the job's document to the complete queue file. own µs/task: processor time of the planner's process.",
            "x bare upload: our time as a multiple of what the upload of as many ready bytes takes by the same client.",
            "spread: of the seconds among the repetitions, largest minus smallest, of the median.",
            "peak MB: how far the process grows beyond the job; a part of 6 MB is sent while the next one is filled.",
        ),
    )
    with s3_sink() as url:
        for job in arguments.jobs:
            for tasks in arguments.tasks:
                report.rows.append(_row(url, job, tasks, arguments.repeat))
    for row in report.rows:
        if row["tasks"] == 10_000_000 and row["job"] in _WANTED:
            most, seconds, memory = _WANTED[row["job"]], row["seconds"], row["peak_mb"]
            what = f"planning 10⁷ tasks of `{row['job']}` into S3"
            report.goals.append(Goal(what, f"≤ {most} s", f"{seconds:.1f} s", seconds <= most))
            report.goals.append(Goal(f"{what}, memory", "≤ 40 MB", f"{memory:.0f} MB", memory <= 40))
    return report


def _row(url: str, job: str, tasks: int, repeat: int) -> dict[str, Any]:
    plans, uploads = [], []
    for _ in range(repeat):
        sys.stderr.write(f"{job}: {tasks:,} tasks\n")
        figures = measured("benchmarks.plan:measure_plan", endpoint_url=url, job=job, tasks=tasks)
        arrived = counted(url)
        if arrived != {"bytes": figures["bytes"], "lines": figures["tasks"]}:
            raise AssertionError(f"{job}: {arrived} arrived, not {figures}")
        plans.append(figures)
        uploads.append(measured("benchmarks.plan:measure_upload", endpoint_url=url, size=int(figures["bytes"])))
        counted(url)
    plan, upload = medians(plans), medians(uploads)
    return {
        "job": job,
        "tasks": int(plan["tasks"]),
        "pages": int(plan["pages"]),
        "megabytes": plan["bytes"] / 1e6,
        "seconds": plan["seconds"],
        "spread": spread([each["seconds"] for each in plans]),
        "task_us": plan["seconds"] * 1e6 / plan["tasks"],
        "times_upload": plan["seconds"] / upload["seconds"],
        "peak_mb": plan["peak_mb"],
        "processor_us": plan["processor_seconds"] * 1e6 / plan["tasks"],
    }


def client_of(endpoint_url: str) -> Any:
    """A boto3 S3 client of the sink."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106 - the sink asks for none
        config=Config(s3={"addressing_style": "path"}),
    )
