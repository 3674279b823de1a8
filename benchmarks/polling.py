"""What it costs to wait: requests, read units and time of a poll, for large jobs and for many jobs of one labourer.

DynamoDB is a stub on the wire. The jobs of a triggerer wait with the triggers that Airflow runs there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from typing import Any

from benchmarks.clients import stub_client
from benchmarks.closed_rows_stub import FAILED, close_up_to, closed_rows_stub, figures, job_id
from benchmarks.fresh_process import Figures, measured
from benchmarks.report import Goal, Report

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "waiting for the workers: requests, read units and time of a poll, and of the first one that catches up"

#: Seconds between two polls.
_INTERVAL = 60

#: The same in the measured triggerer, for how many intervals it is measured, and tasks closed a second there.
_SHORT, _INTERVALS, _RATE = 3.0, 8, 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    sizes = {"type": int, "nargs": "+", "default": [1_000, 30_000, 100_000, 1_000_000], "metavar": "N"}
    parser.add_argument("--closed", **sizes, help="tasks that are counted already (default: 1000 ... 1000000)")
    parser.add_argument("--rates", type=int, nargs="+", default=[5, 100], help="tasks closed a second (default: 5 100)")
    parser.add_argument("--polls", type=int, default=11, help="polls measured, for the median (default: 11)")
    parser.add_argument("--jobs", type=int, default=200, help="that wait in one triggerer, 0: not (default: 200)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each case in a process of its own."""
    report = Report(
        "polling",
        "Polls of jobs whose tasks are being closed",
        columns=(
            ("", "case"),
            ("tasks counted", "closed"),
            ("closed a second", "rate"),
            ("a poll: requests", "requests"),
            ("read units", "units"),
            ("beyond what closed meanwhile", "beyond"),
            ("ms of ours", "processor_milliseconds"),
            ("ms", "milliseconds"),
            ("catching up: requests", "first_requests"),
            ("read units", "first_units"),
            ("s", "first_seconds"),
            ("of one job", "ratio"),
        ),
        notes=(
            "Read units: half of one for each started 4 KB, from the sizes of what was read.",
            f"A poll each {_INTERVAL} s. 'catching up' is the first poll of a new process.",
            f"Medians of {arguments.polls}: with the first four, which read back three minutes whatever is closed.",
            f"In a triggerer: a poll each {_SHORT:g} s; requests and units of an interval, without the jobs' records.",
            "'of one job': as many times as one job reads there.",
        ),
    )
    for rate in arguments.rates:
        for closed in arguments.closed:
            sys.stderr.write(f"{closed:,} closed tasks, {rate} a second\n")
            found = measured("benchmarks.polling:polled", closed=closed, rate=rate, polls=arguments.polls)
            report.rows.append({"case": "one job", "closed": closed, "rate": rate, **found})
    if arguments.jobs:
        alone: Figures = {}
        for jobs in (1, arguments.jobs):
            sys.stderr.write(f"{jobs} jobs in one triggerer\n")
            found = measured("benchmarks.polling:in_a_triggerer", jobs=jobs, rate=_RATE)
            alone = alone or found
            more = {"ratio": found["units"] / alone["units"]}
            report.rows.append({"case": f"{jobs} in a triggerer", "rate": _RATE, **found, **more})
        most = report.rows[-1]["ratio"]
        what = f"{arguments.jobs} waiting jobs of one labourer, reads beside one job"
        report.goals.append(Goal(what, "≤ 1.2 x", f"{most:.2f} x", most <= 1.2))
    for rate in arguments.rates:
        large = [row["beyond"] for row in report.rows if row["rate"] == rate and row.get("closed", 0) >= 100_000]
        if large:
            what = f"a poll of 100,000 tasks and more, {rate} closed a second, beyond what closed meanwhile"
            report.goals.append(Goal(what, "≤ 20 units", f"{max(large):.1f} units", max(large) <= 20))
    return report


def polled(closed: int, rate: int, polls: int) -> Figures:
    """Polls of one job, of which so many tasks are closed before."""
    from sosw_airflow.stores.tables import TableNames
    from sosw_airflow.waiting.progress import ProgressReader

    with closed_rows_stub(rate) as url:
        reader = ProgressReader(stub_client("dynamodb", url, ready=True), TableNames(), job_id(0))

        def poll(number: int) -> tuple[float, float, float, float]:
            """Seconds, processor seconds, requests and read units."""
            close_up_to(url, number, 1)
            before, begun, processor = figures(url), time.perf_counter(), time.thread_time()
            found = reader.read()
            seconds, ours = time.perf_counter() - begun, time.thread_time() - processor
            if (found.closed, found.failed) != (number, len(range(0, number, FAILED))):
                raise SystemExit(f"{found}: not exactly the {number} closed tasks were counted")
            after = figures(url)
            requests = sum(after.get(name, 0) - before.get(name, 0) for name in ("GetItem", "Query"))
            units = sum(after.get(f"{name} units", 0) - before.get(f"{name} units", 0) for name in ("GetItem", "Query"))
            return seconds, ours, requests, units

        first = poll(closed)
        new = rate * _INTERVAL
        rounds = [poll(closed + new * number) for number in range(1, polls + 1)]
        seconds, ours, requests, units = (statistics.median(each) for each in zip(*rounds, strict=True))
        return {
            "requests": requests,
            "units": units,
            "beyond": units - new * first[3] / closed,
            "processor_milliseconds": 1000 * ours,
            "milliseconds": 1000 * seconds,
            "first_requests": first[2],
            "first_units": first[3],
            "first_seconds": first[0],
        }


def in_a_triggerer(jobs: int, rate: int) -> Figures:
    """So many triggers of one labourer in one event loop, while tasks of all of them are closed."""
    with closed_rows_stub(rate) as url:
        extra = {"queue_bucket": "b", "region_name": "us-west-2", "aws_conn_id": "", "endpoint_url": url}
        os.environ["AIRFLOW_CONN_SOSW_DEFAULT"] = json.dumps({"conn_type": "sosw", "extra": extra})
        os.environ |= {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "x"}
        closed = 200 * rate
        close_up_to(url, closed, jobs)
        return asyncio.run(_wait(url, jobs, closed, rate))


async def _wait(url: str, jobs: int, closed: int, rate: int) -> Figures:
    from sosw_airflow.triggers import polling
    from sosw_airflow.triggers.sosw import SoswJobTrigger

    async def wait(number: int) -> Any:
        async for event in SoswJobTrigger(job_id=job_id(number), poll_interval=_SHORT, must_exist=True).run():
            raise SystemExit(f"no job is over, but: {event.payload}")

    waits = [asyncio.ensure_future(wait(number)) for number in range(jobs)]
    begun, since, before, processor = time.perf_counter(), 0.0, {}, 0.0
    while not since or time.perf_counter() - since < _SHORT * _INTERVALS:
        await asyncio.to_thread(close_up_to, url, closed + int((time.perf_counter() - begun) * rate), jobs)
        now = await asyncio.to_thread(figures, url)
        if not since and now.get("GetItem", 0) > 3 * jobs:  # all of them have caught up
            before, processor, since = now, time.process_time(), time.perf_counter()
        await asyncio.sleep(0.1)
    after = await asyncio.to_thread(figures, url)
    intervals, processor = (time.perf_counter() - since) / _SHORT, time.process_time() - processor
    for each in waits:
        if each.done():
            each.result()
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await asyncio.to_thread(polling._THREADS.shutdown)  # noqa: SLF001 - the stub is there until the last poll has ended
    return {
        "requests": (after["Query"] - before["Query"]) / intervals,
        "units": (after["Query units"] - before["Query units"]) / intervals,
        "processor_milliseconds": 1000 * processor / intervals / jobs,
    }
