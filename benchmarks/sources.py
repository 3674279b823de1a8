"""Planning a job whose values are in a source: the reading, the expansion, and the upload of the queue file.

The S3 is a process beside that makes the list as it is read and keeps nothing of the plan, so that what is measured is
the planner. The same list in the job is measured beside it.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks.fresh_process import Figures, measured, medians, peak_growth
from benchmarks.jobs import LABOURER, REFERENCE_DATE
from benchmarks.plan import client_of
from benchmarks.report import Report
from benchmarks.s3_sink import counted, s3_sink

__all__ = ["ABOUT", "MEMORY_LIMIT", "add_arguments", "run"]

ABOUT = "planning a job whose values are in a file in S3: time per value, memory, beside the same list in the job"

#: Megabytes that the planning of ten million lines may need.
MEMORY_LIMIT = 100.0

_SCHEMA = {"chunkable_attrs": ["word"]}


class _Access:
    """Hands out the client of the sink."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def s3(self, aws_conn_id: str | None) -> Any:
        del aws_conn_id
        return self._s3

    def sql(self, conn_id: str) -> Any:
        raise NotImplementedError(conn_id)


def measure_source(endpoint_url: str, lines: int, form: str, size: int) -> Figures:
    """What the scheduler does before the header: read, check, expand, cut, upload.

    :param form: ``csv`` or ``jsonl``; ``job`` for the same values in the job itself, whose memory is that of the list.
    :param size: values of a task.
    """
    from sosw_airflow import source
    from sosw_airflow.jobs.blocks import blocks_of
    from sosw_airflow.jobs.expansion import Expansion
    from sosw_airflow.jobs.pages import PageCutter, PageLimits
    from sosw_airflow.jobs.rows import LineCodec
    from sosw_airflow.jobs.sources import SourcedJob
    from sosw_airflow.sources.job_sources import read_sources
    from sosw_airflow.stores.queue_file import QueueFile

    client = client_of(endpoint_url)
    flags = {"max_words_per_batch": size}

    def plan(job: dict[str, Any]) -> Figures:
        expansion = Expansion(job, schema=_SCHEMA, reference_date=REFERENCE_DATE)
        cutter, count = PageCutter(PageLimits()), 0
        with QueueFile(client, "bucket", "key").writer() as plan:
            for block in blocks_of(expansion, LineCodec(LABOURER)):
                plan.write(block.text)
                cutter.take(block)
                count += block.tasks
            return {"bytes": plan.complete(), "tasks": count}

    def work() -> Figures:
        if form == "job":
            return plan({"words": [f"word-{number:08d}" for number in range(lines)], **flags})
        job = {"words": source.s3(f"s3://lists/words-{lines}.{form}", column="word"), **flags}
        with read_sources(SourcedJob.of(job, _SCHEMA), _Access(client)) as read:
            return plan(read.job)

    return peak_growth(work)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many lines, how often."""
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000], help="default: 10^6 10^7")
    parser.add_argument("--repeat", type=int, default=1, help="measurements of each, for the median (default: 1)")
    parser.add_argument("--size", type=int, default=1, help="values of a task (default: 1)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each length and format."""
    report = Report(
        name="sources",
        title=f"Planning jobs whose values are in a source, medians of {arguments.repeat}",
        columns=[
            ("values in", "form"),
            ("lines", "lines"),
            ("tasks", "tasks"),
            ("seconds", "seconds"),
            ("µs/line", "line_us"),
            ("own µs/line", "processor_us"),
            ("peak MB", "peak_mb"),
        ],
        notes=(
            "From the job's document to the complete queue file. own µs/line: processor time of the planner's process.",
            "peak MB: how far the process grows; most of it is a part of the queue file while it is sent.",
            "It stops if a source of ten million lines needs more than 100 MB, or not exactly all tasks arrive.",
        ),
    )
    with s3_sink() as url:
        for lines in arguments.lines:
            for form in ("csv", "jsonl", "job"):
                report.rows.append(_row(url, lines, form, arguments))
    return report


def _row(url: str, lines: int, form: str, arguments: argparse.Namespace) -> dict[str, Any]:
    runs = []
    for _ in range(arguments.repeat):
        sys.stderr.write(f"{form}: {lines:,} lines\n")
        given = {"endpoint_url": url, "lines": lines, "form": form, "size": arguments.size}
        figures = measured("benchmarks.sources:measure_source", **given)
        arrived = counted(url)
        if arrived != {"bytes": figures["bytes"], "lines": figures["tasks"]}:
            raise AssertionError(f"{form}: {arrived} arrived, not {figures}")
        if form != "job" and figures["peak_mb"] > MEMORY_LIMIT:
            raise AssertionError(f"{form}: {figures['peak_mb']:.0f} MB for {lines:,} lines")
        runs.append(figures)
    found = medians(runs)
    return {
        "form": {"job": "the job itself", "csv": "CSV", "jsonl": "JSON lines"}[form],
        "lines": lines,
        "tasks": int(found["tasks"]),
        "seconds": found["seconds"],
        "line_us": found["seconds"] * 1e6 / lines,
        "processor_us": found["processor_seconds"] * 1e6 / lines,
        "peak_mb": found["peak_mb"],
    }
