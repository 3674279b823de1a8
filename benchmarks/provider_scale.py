"""A job of 10⁸ tasks: by arithmetic, and by the writer's own pace against a simulated partition, in virtual time.

What AWS allows sets the time of such a job, not this program: one partition of the index, which is one labourer, takes
1,000 write units a second. The same partition, when the tasks are processed meanwhile, is in `benchmarks.scale`.
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
from sosw_airflow.stores.queue_file import PART_BYTES
from sosw_airflow.stores.task_queue import Capacity

__all__ = [
    "ABOUT",
    "PARTITION",
    "UNITS_TO_CLAIM",
    "UNITS_TO_CLOSE",
    "UNITS_TO_WRITE",
    "Scale",
    "Simulated",
    "add_arguments",
    "by_arithmetic",
    "pages_of",
    "run",
    "simulate",
]

ABOUT = "a job of 10^8 tasks: arithmetic, and the writer's pace in a simulation (seconds)"

#: Write units a second of one partition.
PARTITION = 1000

#: Seconds of unused write units that DynamoDB lets one use later.
_RESERVE = 300

#: Units of the queue's index that a task of up to 1 KB takes when it is written; when it is claimed (its entry is
#: removed at one place and put at another); when its end is reported, and it is removed. `benchmarks.cost` counts them.
UNITS_TO_WRITE, UNITS_TO_CLAIM, UNITS_TO_CLOSE = 1, 2, 2

_NOW = int(datetime(2026, 11, 23, 12, tzinfo=timezone.utc).timestamp())


@dataclass(frozen=True)
class Scale:
    """What a job needs, for one labourer, by arithmetic.

    :ivar hours: of writing, at 1,000 tasks a second.
    :ivar step: between two tasks in an empty queue; None where they do not fit.
    :ivar queue_file_gb: the queue file, which may have 330 GB; ``parts`` of it in the upload, which may be 10,000.
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
        parts=_parts_of(size),
        marker_queries=-(-pages * 100 // 1_000_000),
        write_units=3 * tasks + 2 * pages,
    )


def _parts_of(size: int) -> int:
    """The parts of the upload: after a thousand each is larger by as much again (`stores.queue_file`)."""
    parts = 0
    while size > 0:
        size -= PART_BYTES * (1 + parts // 1000)
        parts += 1
    return parts


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
    """What a partition has let through.

    :ivar rate: tasks a second that were written.
    :ivar throttled: part of the writer's requests that were throttled.
    :ivar done: tasks a second that an orchestrator has claimed and closed meanwhile.
    """

    seconds: float
    rate: float
    throttled: float
    done: float = 0.0


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
    seconds: float,
    *,
    units: float = PARTITION,
    latency: float = 0.02,
    in_flight: int = 8,
    seed: int = 1,
    most_per_second: float | None = None,
    claimers: int = 0,
) -> Simulated:
    """Write for so long, as `PageWriter` does: its pace, its pauses, so many pages in flight; nobody sleeps.

    The first five minutes use up the reserve and are not counted.

    :param most_per_second: the Connection's ``max_rows_per_second``.
    :param claimers: requests at the same time of an orchestrator that processes the queue. A task takes
        `UNITS_TO_CLAIM` of the partition, then `UNITS_TO_CLOSE`, and no time.
    """
    rng = random.Random(seed)  # noqa: S311 - a simulation
    now = 0.0
    pace = PagePace(Capacity(), Capacity(), rows_per_second=most_per_second, clock=lambda: now)
    partition = _Partition(units)
    page = Page(0, 0, units=MAX_PAGE_ROWS, lines=["x"] * MAX_PAGE_ROWS)
    order = count()
    events = [(latency * number, next(order), 0.05) for number in range(in_flight)]
    events += [(latency * number / max(claimers, 1), next(order), -0.05) for number in range(claimers)]
    heapq.heapify(events)
    rows = requests = refused = done = queued = 0
    claimed: dict[int, bool] = {}
    while True:
        now, actor, pause = heapq.heappop(events)
        if now > _RESERVE + seconds:
            break
        if pause < 0:  # one of the orchestrator's
            again = now + latency
            closes = claimed.get(actor, False)
            if not closes and not queued:
                again = now + 1
            elif partition.takes(UNITS_TO_CLOSE if closes else UNITS_TO_CLAIM, now):
                queued -= not closes
                done += closes and now > _RESERVE
                claimed[actor] = not closes
                pause = -0.05
            else:
                again += -pause * rng.uniform(0.5, 1.0)
                pause = max(2 * pause, -10.0)
            heapq.heappush(events, (again, actor, pause))
            continue
        if wait := pace.claim(page):
            heapq.heappush(events, (now + min(wait, 0.5), next(order), pause))
            continue
        counted = now > _RESERVE
        requests += counted
        if partition.takes(page.units, now):
            pace.written(page)
            rows += MAX_PAGE_ROWS * counted
            queued += MAX_PAGE_ROWS
            heapq.heappush(events, (now + latency, next(order), 0.05))
        else:
            pace.slow_down()
            refused += counted
            again = now + latency + pause * rng.uniform(0.5, 1.0)
            heapq.heappush(events, (again, next(order), min(2 * pause, 10.0)))
    return Simulated(seconds, rows / seconds, refused / max(requests, 1), done / seconds)


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
