"""From a job to the bytes of its queue file: speed and memory, beside the real sosw and beside bare serialisation.

Every measurement has a fresh process. Memory counts from the moment at which the job exists, so the job itself is not
in it. What is compared is processor time, since all of it is work of one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from typing import Any

from benchmarks.fresh_process import Figures, measured, medians, peak_growth, repeated, spread
from benchmarks.jobs import JOBS, LABOURER, REFERENCE_DATE, SCHEMA
from benchmarks.report import Goal, Report
from benchmarks.upstream_expansion import upstream_lines, upstream_scheduler, upstream_tasks

__all__ = ["ABOUT", "JOBS", "MEMORY_LIMIT", "add_arguments", "measure_ours", "run"]

ABOUT = "expanding jobs into the lines of their queue files: ratios to sosw, to json.dumps and to orjson"

#: What the memory of one million tasks has to stay below, in MB.
MEMORY_LIMIT = 50

#: Processor seconds of one measurement of ours at the least.
_AT_LEAST = 0.5

#: Job -> times as fast as sosw, and part of json.dumps, that are wanted.
_WANTED = {"day": (25, 0.25), "batches": (25, None)}

#: The jobs of the table, and how many tasks (values, for batches) they have.
_USUAL = {"days": 100_000, "day": 100_000, "flat": 1_000_000, "words": 1_000_000, "batches": 1_000_000}
_USUAL["word_batches"] = 1_000_000


def measure_ours(job: str, tasks: int, file: bool = False) -> Figures:
    """One expansion by sosw_airflow, the checks of the job included, to bytes or into a file."""
    from sosw_airflow.jobs.blocks import blocks_of
    from sosw_airflow.jobs.expansion import Expansion
    from sosw_airflow.jobs.rows import LineCodec

    document = JOBS[job](tasks)

    def work() -> Figures:
        count = size = 0
        expansion = Expansion(document, schema={"chunkable_attrs": SCHEMA}, reference_date=REFERENCE_DATE)
        with tempfile.TemporaryFile() as queue_file:
            for block in blocks_of(expansion, LineCodec(LABOURER)):
                lines = block.text.encode("ascii")
                count += block.tasks
                size += len(lines) + 1
                if file:
                    queue_file.write(lines)
                    queue_file.write(b"\n")
        return {"tasks": count, "bytes": size}

    return peak_growth(lambda: repeated(work, _AT_LEAST))


def measure_upstream(job: str, tasks: int) -> Figures:
    """The same by sosw: its chunking, and its file."""
    scheduler = upstream_scheduler(SCHEMA, REFERENCE_DATE)
    document = JOBS[job](tasks)

    def work() -> Figures:
        rows = upstream_tasks(scheduler, document, LABOURER)
        with tempfile.TemporaryFile("w") as queue_file:
            for line in upstream_lines(rows):
                queue_file.write(f"{line}\n")
            return {"tasks": len(rows), "bytes": queue_file.tell()}

    return peak_growth(work)


def measure_floor(job: str, tasks: int, library: str) -> Figures:
    """Nothing but the serialisation of finished rows, by ``json`` or ``orjson``; no checks, no expansion, no file."""
    if library == "orjson":
        import orjson

        dumps: Callable[[Any], Any] = orjson.dumps
    else:
        dumps = json.dumps
    document = JOBS[job](tasks)

    def work() -> Figures:
        rows, seconds, count, times = _finished_rows(document), 0.0, 0, 1
        while True:
            part = list(islice(rows, 1000))  # a few at a time, so that they do not crowd the memory
            if not part:
                if seconds >= _AT_LEAST:
                    return {"tasks": count / times, "processor_seconds": seconds / times}
                rows, times = _finished_rows(document), times + 1
                continue
            count += len(part)
            begun = time.process_time()
            for row in part:
                dumps(row)
            seconds += time.process_time() - begun

    return peak_growth(work)


def _finished_rows(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    from sosw_airflow.jobs.expansion import Expansion

    expansion = Expansion(document, schema={"chunkable_attrs": SCHEMA}, reference_date=REFERENCE_DATE)
    return ({**task, "labourer_id": LABOURER} for task in expansion)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many tasks, how often, which jobs."""
    parser.add_argument("--tasks", type=int, help="tasks of every job, about (default: 100,000 or a million)")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each, for the median (default: 3)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(_USUAL), help=f"default: {' '.join(_USUAL)}")
    parser.add_argument("--without-upstream", action="store_true", help="not beside sosw: seconds, not minutes")


def run(arguments: argparse.Namespace) -> Report:
    """Measure every job, all sides in turns."""
    with_orjson = find_spec("orjson") is not None
    report = Report(
        name="expansion",
        title=f"From jobs to the bytes of their queue files, medians of {arguments.repeat}",
        columns=[
            ("job", "job"),
            ("tasks", "tasks"),
            ("tasks/s", "rate"),
            ("µs/task", "task_us"),
            ("x sosw", "times_sosw"),
            ("of json.dumps", "of_json"),
            ("of orjson", "of_orjson"),
            ("spread, %", "spread"),
            ("peak MB", "peak_mb"),
            ("sosw's peak MB", "upstream_peak_mb"),
        ],
        notes=(
            "Checking the job is part of the figures. Processor time.",
            "x sosw: how many times as fast as sosw's construct_job_data with its json.dumps, both into a file.",
            "of json.dumps, of orjson: our time as a part of what that library takes to serialise finished rows.",
            "spread: of the ratios to sosw and to json.dumps, the larger one: largest minus smallest, of the median.",
            *(() if with_orjson else ("orjson is not installed: `make bench` installs it.",)),
            f"peak MB: how far the process grows beyond the job; the limit is {MEMORY_LIMIT} MB for a million tasks.",
        ),
    )
    for job in arguments.jobs:
        report.rows.append(_row(job, arguments, with_orjson=with_orjson))
        report.goals.extend(_goals(report.rows[-1]))
    return report


def _goals(row: dict[str, Any]) -> Iterator[Goal]:
    times, part = _WANTED.get(row["job"], (None, None))
    if times is not None and "times_sosw" in row:
        found = row["times_sosw"]
        yield Goal(f"expansion of `{row['job']}`, beside sosw", f"≥ {times} x", f"{found:.1f} x", found >= times)
    if part is not None:
        found = row["of_json"]
        yield Goal(f"expansion of `{row['job']}`, of `json.dumps`", f"≤ {part}", f"{found:.3f}", found <= part)


def _row(job: str, arguments: argparse.Namespace, *, with_orjson: bool) -> dict[str, Any]:
    tasks = arguments.tasks or _USUAL.get(job, 1_000_000)
    sides: dict[str, tuple[str, dict[str, Any]]] = {
        "ours": ("measure_ours", {}),
        "json": ("measure_floor", {"library": "json"}),
    }
    if with_orjson:
        sides["orjson"] = ("measure_floor", {"library": "orjson"})
    if not arguments.without_upstream:
        sides["ours_file"] = ("measure_ours", {"file": True})
        sides["upstream"] = ("measure_upstream", {})
    runs: dict[str, list[Figures]] = {side: [] for side in sides}
    for number in range(arguments.repeat):
        for side, (function, settings) in sides.items():
            sys.stderr.write(f"{job}, {side}, {number + 1} of {arguments.repeat}\n")
            runs[side].append(measured(f"benchmarks.expansion:{function}", job=job, tasks=tasks, **settings))
    found = {side: medians(each) for side, each in runs.items()}
    ours = found["ours"]
    seconds = ours["processor_seconds"]
    row: dict[str, Any] = {
        "job": job,
        "tasks": int(ours["tasks"]),
        "rate": ours["tasks"] / seconds,
        "task_us": seconds * 1e6 / ours["tasks"],
        "of_json": statistics.median(_ratios(runs, "ours", "json")),
        "of_orjson": seconds / found["orjson"]["processor_seconds"] if with_orjson else None,
        "peak_mb": ours["peak_mb"],
        "runs": runs,
    }
    if "upstream" in found:
        upstream, file = found["upstream"], found["ours_file"]
        if (upstream["tasks"], upstream["bytes"]) != (file["tasks"], file["bytes"]):
            raise AssertionError(f"{job}: sosw and sosw_airflow do not make the same: {upstream} and {file}")
        row["times_sosw"] = statistics.median(_ratios(runs, "upstream", "ours_file"))
        row["upstream_peak_mb"] = upstream["peak_mb"]
    pairs = [("ours", "json"), *([("upstream", "ours_file")] if "upstream" in runs else [])]
    row["spread"] = max(spread(_ratios(runs, one, other)) for one, other in pairs)
    return row


def _ratios(runs: dict[str, list[Figures]], one: str, other: str) -> list[float]:
    return [
        each["processor_seconds"] / beside["processor_seconds"]
        for each, beside in zip(runs[one], runs[other], strict=True)
    ]
