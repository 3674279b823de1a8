"""A job of 10⁸ tasks: by arithmetic, and by the writer's own pace against a simulated partition, in virtual time.

What AWS allows sets the time of such a job, not this program: one partition of the index, which is one labourer, takes
1,000 write units a second.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count

from benchmarks.report import Report
from sosw_airflow.exceptions import QueueFull
from sosw_airflow.jobs.blocks import Block
from sosw_airflow.jobs.greenfield import place_at_back
from sosw_airflow.jobs.pages import MAX_PAGE_ROWS, Page, PageCutter, PageLimits
from sosw_airflow.scheduling.pace import PagePace
from sosw_airflow.stores.task_queue import Capacity

__all__ = ["ABOUT", "Scale", "Simulated", "add_arguments", "by_arithmetic", "pages_of", "run", "simulate"]

ABOUT = "a job of 10^8 tasks: arithmetic, and the writer's pace in a simulation (seconds)"

#: Write units a second of one partition.
PARTITION = 1000

#: Seconds of unused write units that DynamoDB lets one use later.
_RESERVE = 300

_NOW = int(datetime(2026, 11, 23, 12, tzinfo=timezone.utc).timestamp())


@dataclass(frozen=True)
class Scale:
    """What a job needs, for one labourer, by arithmetic.

    :ivar hours: of writing, at 1,000 tasks a second.
    :ivar step: between two tasks in an empty queue; None where they do not fit.
    :ivar queue_file_gb: the queue file, which may have 160 GB; ``parts`` of it in the upload, which may be 10,000.
    :ivar marker_queries: requests that a resumption needs to read all markers.
    """

    tasks: int
    pages: int
    hours: float
    step: int | None
    queue_file_gb: float
    parts: int
    marker_queries: int
    write_units: int


def by_arithmetic(tasks: int, line_bytes: int = 150) -> Scale:
    """For tasks whose rows have up to 1 KB."""
    pages = -(-tasks // MAX_PAGE_ROWS)
    size = tasks * (line_bytes + 1)
    try:
        step = place_at_back(None, tasks, now=_NOW, labourer_id="worker").step
    except QueueFull:
        step = None
    return Scale(
        tasks=tasks,
        pages=pages,
        hours=tasks / PARTITION / 3600,
        step=step,
        queue_file_gb=size / 1e9,
        parts=-(-size // (16 * 1024 * 1024)),
        marker_queries=-(-pages * 100 // 1_000_000),
        write_units=3 * tasks + 2 * pages,
    )


def pages_of(tasks: int) -> int:
    """The pages that the planner's cutter makes of so many tasks."""
    lines = 10_000
    block = Block("\n".join(["x" * 150] * lines), lines, 150)
    cutter = PageCutter(PageLimits())
    for _ in range(tasks // lines):
        cutter.take(block)
    return cutter.pages


@dataclass(frozen=True)
class Simulated:
    """:ivar rate: tasks a second that were written.  :ivar throttled: part of the requests that were throttled."""

    seconds: float
    rate: float
    throttled: float


class _Partition:
    """A token bucket: what DynamoDB gives to one partition, with the reserve of the last five minutes."""

    def __init__(self, units: float) -> None:
        self._units = units
        self._left = units * _RESERVE
        self._at = 0.0

    def takes(self, amount: float, now: float) -> bool:
        self._left = min(self._left + (now - self._at) * self._units, self._units * _RESERVE)
        self._at = now
        if self._left < amount:
            return False
        self._left -= amount
        return True


def simulate(
    seconds: float, *, units: float = PARTITION, latency: float = 0.02, in_flight: int = 8, seed: int = 1
) -> Simulated:
    """Write for so long, as `PageWriter` does: its pace, its pauses, so many pages in flight; nobody sleeps.

    The first five minutes use up the reserve and are not counted.
    """
    rng = random.Random(seed)  # noqa: S311 - a simulation
    now = 0.0
    pace = PagePace(Capacity(), Capacity(), rows_per_second=None, clock=lambda: now)
    partition = _Partition(units)
    page = Page(0, 0, units=MAX_PAGE_ROWS, lines=["x"] * MAX_PAGE_ROWS)
    order = count()
    events = [(latency * number, next(order), 0.05) for number in range(in_flight)]
    rows = requests = refused = 0
    while True:
        now, _, pause = heapq.heappop(events)
        if now > _RESERVE + seconds:
            break
        if wait := pace.claim(page):
            heapq.heappush(events, (now + min(wait, 0.5), next(order), pause))
            continue
        counted = now > _RESERVE
        requests += counted
        if partition.takes(page.units, now):
            pace.written(page)
            rows += MAX_PAGE_ROWS * counted
            heapq.heappush(events, (now + latency, next(order), 0.05))
        else:
            pace.slow_down()
            refused += counted
            again = now + latency + pause * rng.uniform(0.5, 1.0)
            heapq.heappush(events, (again, next(order), min(2 * pause, 10.0)))
    return Simulated(seconds, rows / seconds, refused / max(requests, 1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How large, how long."""
    parser.add_argument("--tasks", type=int, nargs="+", default=[10**6, 10**7, 10**8], help="default: 10^6 10^7 10^8")
    parser.add_argument("--seconds", type=float, default=3600, help="simulated, beside the first 300 (default: 3600)")


def run(arguments: argparse.Namespace) -> Report:
    """Calculate, and simulate once."""
    simulated = simulate(arguments.seconds)
    return Report(
        name="provider_scale",
        title="Jobs of provider scale, for one labourer",
        columns=[
            ("tasks", "tasks"),
            ("pages", "pages"),
            ("hours at 1,000/s", "hours"),
            ("hours simulated", "hours_simulated"),
            ("step", "step"),
            ("queue file GB", "queue_file_gb"),
            ("parts", "parts"),
            ("queries to resume", "marker_queries"),
            ("write units", "write_units"),
        ],
        rows=list(_rows(arguments.tasks, simulated)),
        notes=(
            f"Simulated: {simulated.rate:,.0f} tasks/s, {100 * simulated.throttled:.0f} % of the requests throttled.",
            "step: the distance of two tasks in an empty queue, 1,000 where there is room.",
        ),
    )


def _rows(tasks: list[int], simulated: Simulated) -> Iterator[dict[str, object]]:
    for each in tasks:
        scale = by_arithmetic(each)
        yield {**vars(scale), "hours_simulated": each / simulated.rate / 3600}
