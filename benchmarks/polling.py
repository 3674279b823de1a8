"""What it costs to wait: requests, read units and time of a poll, as the tasks that are counted already grow."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from benchmarks.writer_ours import BUCKET, LABOURER, planned_job
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.stores.tables import SOSW_NAMES, create_missing_tables
from sosw_airflow.waiting.closings import OVERLAP
from sosw_airflow.waiting.progress import ProgressReader
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.faults.units import item_bytes

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "waiting for the workers: requests, read units and time of a poll, and of the first one that catches up"

#: One task in so many has failed.
_FAILED = 100

#: Bytes of one read unit; an eventually consistent read takes half of one.
_UNIT = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many tasks, how fast they are closed, how often it is looked."""
    sizes = {"type": int, "nargs": "+", "default": [1_000, 10_000, 30_000], "metavar": "N"}
    parser.add_argument("--closed", **sizes, help="tasks that are counted already (default: 1000 10000 30000)")
    parser.add_argument("--rate", type=float, default=5, help="tasks closed a second (default: 5)")
    # After eight polls without progress missing tasks are asked for by id, which would be counted, too.
    parser.add_argument("--polls", type=int, default=7, help="polls measured, for the median (default: 7)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each size on an emulator that has forgotten the others."""
    report = Report(
        "polling",
        f"Polls of a job whose tasks are closed at {arguments.rate:g} a second",
        columns=(
            ("tasks counted", "closed"),
            ("poll: requests", "requests"),
            ("read units", "units"),
            ("ms of ours", "processor_milliseconds"),
            ("ms", "milliseconds"),
            ("catching up: requests", "first_requests"),
            ("read units", "first_units"),
            ("s", "first_seconds"),
            ("read units per 1,000 tasks", "units_per_thousand"),
        ),
        notes=(
            "Read units are worked out from the sizes of what was read: half of one for each started 4 KB.",
            "The emulator goes through the whole table for each query, so 'ms' grows there, with it and not with us.",
            f"Each poll reads the last {OVERLAP} s again: closing rate times {OVERLAP} is what it reads at least.",
            "'catching up' is the first poll of a new process; 'per 1,000 tasks' is what that takes for each.",
        ),
    )
    with tempfile.TemporaryDirectory() as scratch, ministack_server(Path(scratch, "ministack.log")) as emulator:
        for closed in arguments.closed:
            sys.stderr.write(f"{closed:,} closed tasks\n")
            emulator.reset()
            create_missing_tables(emulator.client("dynamodb"))
            emulator.create_bucket(BUCKET)
            report.rows.append(_measure(emulator, closed, arguments.rate, arguments.polls))
    return report


def _measure(emulator: Emulator, closed: int, rate: float, polls: int) -> dict[str, Any]:
    header = planned_job(emulator.endpoint_url, closed + 1)
    dynamodb = emulator.client("dynamodb")
    entry = _close(dynamodb, header.job_id, closed, since=header.created_at, rate=rate)
    reads = _Reads(dynamodb, entry)
    reader = ProgressReader(dynamodb, SOSW_NAMES, header.job_id)
    first_seconds, _ = _timed(reader)
    first_requests, first_units = reads.forget()
    seconds, processor_seconds = zip(*(_timed(reader) for _ in range(polls)), strict=True)
    requests, units = reads.forget()
    found = reader.read()
    if (found.closed, found.failed) != (closed, len(range(0, closed, _FAILED))):
        raise AssertionError(f"{found}: what was measured has not done its work")
    return {
        "closed": closed,
        "entry_bytes": entry,
        "requests": requests / polls,
        "units": units / polls,
        "processor_milliseconds": 1000 * statistics.median(processor_seconds),
        "milliseconds": 1000 * statistics.median(seconds),
        "first_requests": first_requests,
        "first_units": first_units,
        "first_seconds": first_seconds,
        "units_per_thousand": first_units / closed * 1000,
    }


def _timed(reader: ProgressReader) -> tuple[float, float]:
    """Seconds that a poll takes, and seconds of the processor that it takes on our side."""
    begun, processor = time.perf_counter(), time.thread_time()
    reader.read()
    return time.perf_counter() - begun, time.thread_time() - processor


class _Reads:
    """Counts what a client reads.

    :param entry: bytes of an entry of the index of closed tasks.
    """

    def __init__(self, dynamodb: Any, entry: int) -> None:
        self._entry = entry
        self._requests, self._units = 0, 0.0
        dynamodb.meta.events.register("after-call.dynamodb", self._count)

    def _count(self, parsed: dict[str, Any], **_: Any) -> None:
        size = len(parsed["Items"]) * self._entry if "Items" in parsed else item_bytes(parsed.get("Item", {}))
        self._requests += 1
        self._units += max(1, -(-size // _UNIT)) / 2

    def forget(self) -> tuple[int, float]:
        """Requests and read units since the last time."""
        counted = self._requests, self._units
        self._requests, self._units = 0, 0.0
        return counted


def _close(dynamodb: Any, job_id: str, tasks: int, *, since: int, rate: float) -> int:
    """Write the rows of closed tasks. Returns how many bytes an entry of their index has."""
    rows = _rows(job_id, tasks, since, rate)
    size = 0
    while batch := list(islice(rows, 25)):
        size = item_bytes(batch[0])
        requests = [{"PutRequest": {"Item": row}} for row in batch]
        dynamodb.batch_write_item(RequestItems={SOSW_NAMES.closed_tasks_table: requests})
    return size


def _rows(job_id: str, tasks: int, since: int, rate: float) -> Iterator[dict[str, Any]]:
    """With the attributes that the index has; the others are not read."""
    for index in range(tasks):
        completed = bool(index % _FAILED)
        yield {
            "task_id": {"S": task_id(job_id, index)},
            "labourer_id_task_status": {"S": f"{LABOURER}_{int(completed)}"},
            "closed_at": {"N": str(since + int(index / rate))},
            "greenfield": {"N": str(since + 31_557_600)},
            "attempts": {"N": "1" if completed else "3"},
            **({"completed_at": {"N": str(since + int(index / rate))}} if completed else {}),
        }
