"""Writing jobs into sosw's queue: speed, requests, write units, memory, beside the real sosw and beside a bare loop.

Everything happens in one run on one ministack, which forgets all before each measurement. What is compared is measured
in turns, each time in a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fresh_process import Figures, measured, medians, spread
from benchmarks.report import Goal, Report
from sosw_airflow.stores.tables import SOSW_NAMES, TableNames, create_missing_tables
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.request import DYNAMODB

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "writing jobs into the queue: ratio to sosw and to a bare loop, requests, write units, memory, resuming"

Row = dict[str, Any]

#: What the memory of one million tasks has to stay below, in MB.
MEMORY_LIMIT = 150

_META_TABLE = "sosw_tasks_meta"


@dataclass(frozen=True)
class Side:
    """Something that writes a job: its line in the table, and the function that measures it."""

    name: str
    function: str
    settings: dict[str, Any]


OURS = Side("sosw_airflow", "benchmarks.writer_ours:measure_schedule", {})
COLD = Side(OURS.name, OURS.function, {"warm": False})
PAGES = Side("sosw_airflow, pages alone", "benchmarks.writer_ours:measure_pages", {})
READY = Side("bare loop of our pages, ready-made", "benchmarks.writer_ours:measure_ready", {})
BARE = Side("bare loop of ready-made requests", "benchmarks.writer_ours:measure_bare", {})
SOSW = Side("sosw's process_file", "benchmarks.writer_upstream:measure_upstream", {"limit": False})
SOSW_LIMIT = Side("sosw's, with Limit=1", "benchmarks.writer_upstream:measure_upstream", {"limit": True})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which parts, how large, how often."""
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each, for the median (default: 3)")
    parser.add_argument(
        "--latency", type=float, nargs="+", default=[0, 10], metavar="MS", help="of each request (default: 0 10)"
    )
    parser.add_argument(
        "--sosw-tasks", type=int, nargs="+", default=[1, 500, 1000, 2000], metavar="N", help="default: 1 500 1000 2000"
    )
    parser.add_argument(
        "--floor-tasks", type=int, default=20_000, metavar="N", help="beside the bare loop (default: 20000)"
    )
    parser.add_argument(
        "--tasks",
        type=int,
        nargs="+",
        default=[10_000, 100_000, 1_000_000],
        metavar="N",
        help="for memory and growth, each once (default: 10000 100000 1000000)",
    )
    parser.add_argument("--resume-tasks", type=int, default=100_000, metavar="N", help="once (default: 100000)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure the parts that are asked for."""
    report = Report(
        name="writer",
        title=f"Writing jobs into ministack, medians of {arguments.repeat}",
        columns=[
            ("what", "what"),
            ("tasks", "tasks"),
            ("latency ms", "latency_ms"),
            ("tasks/s", "rate"),
            ("seconds", "seconds"),
            ("µs/task", "task_us"),
            ("own µs/task", "processor_us"),
            ("x", "times"),
            ("spread, %", "spread"),
            ("requests", "requests"),
            ("in sequence", "round_trips"),
            ("write units", "units_per_1000"),
            ("peak MB", "peak_mb"),
        ],
        notes=(
            "sosw_airflow: from the job's document to the last row and the finished record. sosw: process_file alone.",
            "x: how many times as fast as this line the nearest line of sosw_airflow above it is.",
            "spread: of x among the repetitions, largest minus smallest, of the median.",
            "own µs/task: processor time of the measured process alone, without the emulator's.",
            "Our pages, ready-made: sent by our client. Ready-made requests: sent by a plain boto3 client.",
            "requests: to S3 and DynamoDB. in sequence: how many of them one after the other, none beside another.",
            "Without a latency (costs): requests to DynamoDB and write units for 1,000 tasks, as it counts them.",
            "peak MB: how far the process grows above its modules and clients, the job's document included.",
            f"For a million tasks the limit is {MEMORY_LIMIT} MB.",
        ),
    )
    with tempfile.TemporaryDirectory() as folder, ministack_server(Path(folder, "ministack.log")) as emulator:
        for part in arguments.parts:
            report.rows.extend(PARTS[part](emulator, arguments))
    report.goals.extend(_goals(report.rows))
    return report


def _goals(rows: list[Row]) -> Iterator[Goal]:
    by_place = {(row["what"], row["tasks"], row["latency_ms"]): row for row in rows if "latency_ms" in row}
    for (what, tasks, latency), row in by_place.items():
        bare = by_place.get((BARE.name, tasks, latency))
        if what == PAGES.name and latency == 0 and bare is not None:
            own, times = row["processor_us"], bare["processor_us"] / row["processor_us"]
            yield Goal("writer, own processor time a task", "≤ 30 µs", f"{own:.1f} µs", own <= 30)
            yield Goal("writer, beside a bare boto3 loop", "≥ 5 x less", f"{times:.1f} x less", times >= 5)
        if what == SOSW_LIMIT.name and (tasks, latency) == (1000, 10):
            found = row["times"]
            yield Goal("1,000 tasks at 10 ms, beside sosw's with `Limit=1`", "≥ 200 x", f"{found:.0f} x", found >= 200)
        if what == OURS.name and (tasks, latency) == (1, 10):
            trips, milliseconds = row["round_trips"], row["seconds"] * 1000
            yield Goal("1 task at 10 ms, round trips one after another", "≤ 6", f"{trips:.0f}", trips <= 6)
            yield Goal("1 task at 10 ms", "≤ 80 ms", f"{milliseconds:.0f} ms", milliseconds <= 80)


def _beside_sosw(emulator: Emulator, arguments: argparse.Namespace) -> Iterator[Row]:
    for latency in arguments.latency:
        for tasks in arguments.sosw_tasks:
            yield from _compared(emulator, [OURS, SOSW_LIMIT, SOSW], tasks, latency, arguments.repeat)


def _beside_the_floor(emulator: Emulator, arguments: argparse.Namespace) -> Iterator[Row]:
    for latency in arguments.latency:
        yield from _compared(emulator, [PAGES, READY, BARE], arguments.floor_tasks, latency, arguments.repeat)


def _growth(emulator: Emulator, arguments: argparse.Namespace) -> Iterator[Row]:
    for tasks in arguments.tasks:
        figures = _measured(emulator, OURS, tasks, 0)
        yield {**_row("sosw_airflow", tasks, 0, figures), "peak_mb": figures["peak_mb"]}


def _resume(emulator: Emulator, arguments: argparse.Namespace) -> Iterator[Row]:
    tasks = arguments.resume_tasks
    side = Side("", "benchmarks.writer_ours:measure_resume", {})
    figures = _measured(emulator, side, tasks, 0)
    yield {**_row("sosw_airflow, a retry for one page", tasks, 0, figures), "peak_mb": figures["peak_mb"]}
    writing = {"rows": tasks, "seconds": figures["writing_seconds"]}
    times = writing["seconds"] / figures["seconds"]
    yield {**_row("writing all other pages", tasks, 0, writing), "times": times}


def _costs(emulator: Emulator, arguments: argparse.Namespace) -> Iterator[Row]:
    """Requests and write units, counted by a proxy; nothing is timed."""
    largest = max(arguments.sosw_tasks)
    for side, tasks, meta in (
        (COLD, largest, False),
        (COLD, arguments.floor_tasks, False),
        (SOSW, largest, False),
        (COLD, largest, True),
        (SOSW, largest, True),
    ):
        _forget(emulator, meta=meta)
        with FaultProxy(emulator.endpoint_url) as proxy:
            _tell(side, tasks, 0)
            settings = {**side.settings, "meta": meta}
            _check(emulator, measured(side.function, endpoint_url=proxy.url, tasks=tasks, latency=0, **settings))
            operations = Counter(each.operation for each in proxy.journal.entries if each.service == DYNAMODB)
            units = proxy.journal.units()
        yield {
            "what": side.name + (", with the meta table" if meta else ""),
            "tasks": tasks,
            "requests": operations.total() * 1000 / tasks,
            "units_per_1000": sum(units.values()) * 1000 / tasks,
            "operations": operations,
            "units": units,
        }


PARTS = {
    "sosw": _beside_sosw,
    "floor": _beside_the_floor,
    "costs": _costs,
    "growth": _growth,
    "resume": _resume,
}


def _compared(emulator: Emulator, sides: list[Side], tasks: int, latency: float, repeat: int) -> Iterator[Row]:
    runs: dict[str, list[Figures]] = {side.name: [] for side in sides}
    for _ in range(repeat):
        for side in sides:
            runs[side.name].append(_measured(emulator, side, tasks, latency))
    for side in sides:
        figures = medians(runs[side.name])
        row = {**_row(side.name, tasks, latency, figures), "all_seconds": [run["seconds"] for run in runs[side.name]]}
        if side is not sides[0]:
            beside = zip(runs[side.name], runs[sides[0].name], strict=True)
            ratios = [theirs["seconds"] / own["seconds"] for theirs, own in beside]
            row |= {"times": statistics.median(ratios), "spread": spread(ratios)}
        yield row


def _row(what: str, tasks: int, latency: float, figures: Figures) -> Row:
    seconds, processor = figures["seconds"], figures.get("processor_seconds")
    return {
        "what": what,
        "tasks": tasks,
        "latency_ms": latency,
        "rate": tasks / seconds,
        "task_us": seconds * 1e6 / tasks,
        "processor_us": None if processor is None else processor * 1e6 / tasks,
        **{name: value for name, value in figures.items() if name not in ("tasks", "rows", "peak_mb")},
    }


def _measured(emulator: Emulator, side: Side, tasks: int, latency: float) -> Figures:
    _forget(emulator)
    _tell(side, tasks, latency)
    figures = measured(
        side.function, endpoint_url=emulator.endpoint_url, tasks=tasks, latency=latency / 1000, **side.settings
    )
    _check(emulator, figures)
    return figures


def _check(emulator: Emulator, figures: Figures) -> None:
    table = emulator.client("dynamodb").describe_table(TableName=SOSW_NAMES.tasks_table)["Table"]
    if table["ItemCount"] != figures["rows"]:
        raise AssertionError(f"{table['ItemCount']} rows were written, not {figures['rows']}")


def _forget(emulator: Emulator, *, meta: bool = False) -> None:
    from benchmarks.writer_ours import BUCKET

    emulator.reset()
    names = TableNames(meta_table=_META_TABLE if meta else None)
    create_missing_tables(emulator.client("dynamodb"), names=names)
    emulator.create_bucket(BUCKET)


def _tell(side: Side, tasks: int, latency: float) -> None:
    sys.stderr.write(f"{side.name or 'resume'}: {tasks:,} tasks, {latency:g} ms\n")
