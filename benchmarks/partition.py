"""The partition of the queue's index, played by a proxy: how fast a job is written for one labourer, and for several.

Between each writer and ministack stands a proxy that gives the index so many write units a second, as DynamoDB gives
them to one partition, and refuses what goes beyond. Each labourer has a proxy of its own, since it has a partition of
its own; all of them share the tables. The units are fewer than DynamoDB's 1,000, so that the emulator is not the limit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.fresh_process import Figures, measured, spread
from benchmarks.report import Report
from benchmarks.writer_ours import BUCKET
from sosw_airflow.stores.tables import SOSW_NAMES, create_missing_tables
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.units import index_resource

__all__ = ["ABOUT", "add_arguments", "run", "write_for"]

ABOUT = "writing into index partitions of little capacity, which a proxy plays: one labourer, and several at once"

_INDEX = index_resource(SOSW_NAMES.tasks_table, SOSW_NAMES.index_greenfield)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How large, how many labourers."""
    parser.add_argument("--labourers", type=int, nargs="+", default=[1, 2, 4], help="at once (default: 1 2 4)")
    parser.add_argument("--units", type=float, default=200, help="of a partition, a second (default: 200)")
    parser.add_argument("--tasks", type=int, default=1_200, help="of each labourer's job (default: 1200)")
    parser.add_argument("--repeat", type=int, default=3, help="for the median (default: 3)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each number of labourers."""
    report = Report(
        name="partition",
        title=f"Jobs of {arguments.tasks:,} tasks, partitions of {arguments.units:g} write units a second",
        columns=[
            ("labourers at once", "labourers"),
            ("tasks/s", "rate"),
            ("tasks/s of a labourer", "each"),
            ("of the partition's units, %", "share"),
            ("refused pages, %", "refused"),
            ("spread, %", "spread"),
        ],
        notes=(
            f"Medians of {arguments.repeat}. From the job's document to the finished record.",
            "More than 100 %: a second's worth of units fills up before the first page.",
            "spread: of tasks/s, largest minus smallest, of the median.",
        ),
    )
    with tempfile.TemporaryDirectory() as folder, ministack_server(Path(folder, "ministack.log")) as emulator:
        for labourers in arguments.labourers:
            runs = []
            for _ in range(arguments.repeat):
                sys.stderr.write(f"{labourers} labourers\n")
                runs.append(write_for(emulator, labourers, units=arguments.units, tasks=arguments.tasks))
            rates = [each["rate"] for each in runs]
            row = {name: statistics.median(each[name] for each in runs) for name in runs[0]}
            report.rows.append({"labourers": labourers, **row, "spread": spread(rates)})
    return report


def write_for(emulator: Emulator, labourers: int, *, units: float, tasks: int) -> Figures:
    """Write a job for each of so many labourers at the same time.

    :param units: of the partition of each, a second.
    :param tasks: of each job.
    """
    emulator.reset()
    create_missing_tables(emulator.client("dynamodb"))
    emulator.create_bucket(BUCKET)
    with ExitStack() as stack, ThreadPoolExecutor(labourers) as pool:
        proxies = [stack.enter_context(FaultProxy(emulator.endpoint_url)) for _ in range(labourers)]
        tables = [_provision(proxy, units) for proxy in proxies]
        begun = time.monotonic()
        done = list(pool.map(lambda place: _write(proxies[place].url, f"worker-{place}", tasks), range(labourers)))
        seconds = time.monotonic() - begun
        buckets = [table.buckets[_INDEX] for table in tables]
        pages = sum(1 for proxy in proxies for _ in proxy.journal.of("TransactWriteItems"))
    writing = statistics.median(each["seconds"] for each in done)
    if any(bucket.consumed != tasks for bucket in buckets):
        raise AssertionError(f"{[bucket.consumed for bucket in buckets]} units were used, not {tasks} each")
    return {
        "rate": labourers * tasks / max(each["seconds"] for each in done),
        "each": tasks / writing,
        "share": 100 * statistics.median(bucket.used_share() for bucket in buckets),
        "refused": 100 * sum(table.refused for table in tables) / pages,
        "wall_seconds": seconds,
    }


def _provision(proxy: FaultProxy, units: float) -> Any:
    # A page takes 99 units at once, so a second's worth must be there; DynamoDB has up to 300 seconds' worth.
    return proxy.provision(
        SOSW_NAMES.tasks_table,
        1e6,
        indexes={SOSW_NAMES.index_greenfield: units},
        burst_seconds=1,
        initial_seconds=0,
        on_demand=True,
    )


def _write(url: str, labourer: str, tasks: int) -> Figures:
    arguments = {"endpoint_url": url, "labourer": labourer, "tasks": tasks, "latency": 0, "warm": False}
    return measured("benchmarks.writer_ours:measure_schedule", **arguments)
