"""How long the event loop of a triggerer stands still while the first job of the process is polled."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import tempfile
import time
from contextlib import suppress
from typing import Any

from benchmarks.closed_rows_stub import close_up_to, closed_rows_stub, job_id
from benchmarks.fresh_process import Figures, measured, medians
from benchmarks.report import Report

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "the first poll in a triggerer: the longest pause of its event loop"

#: Seconds between two turns of the event loop that are waited for.
_TICK = 0.002


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--runs", type=int, default=5, help="processes, for the median (default: 5)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each case in processes of their own."""
    rows = []
    for case, collects in (("as it is", False), ("with collections of garbage", True)):
        runs = [measured("benchmarks.first_poll:first_poll", collects=collects) for _ in range(arguments.runs)]
        rows.append({"case": case, **medians(runs)})
    return Report(
        "first_poll",
        "The first poll in a triggerer",
        columns=(
            ("", "case"),
            ("longest pause, ms", "pause"),
            ("of which processor time, ms", "processor"),
            ("until it has polled, s", "seconds"),
        ),
        rows=rows,
        notes=(
            "The triggerer's modules are imported before, boto3 is not.",
            "A fifth of its objects is new since the last full collection of garbage.",
            "Processor time of the process: the pause on a machine on which nothing else runs.",
        ),
    )


def first_poll(*, collects: bool) -> Figures:
    """The longest pause until a trigger has polled.

    :param collects: the collector runs as it likes.
    """
    from contextlib import nullcontext
    from unittest.mock import patch

    with tempfile.TemporaryDirectory() as home, closed_rows_stub() as url:
        os.environ["AIRFLOW_HOME"] = home
        extra = {"queue_bucket": "b", "region_name": "us-west-2", "aws_conn_id": "", "endpoint_url": url}
        os.environ["AIRFLOW_CONN_SOSW_DEFAULT"] = json.dumps({"conn_type": "sosw", "extra": extra})
        os.environ |= {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "x"}
        import airflow.jobs.triggerer_job_runner  # noqa: F401

        from sosw_airflow.triggers import polling

        close_up_to(url, 100, 1)
        gc.collect()
        # As in a triggerer that has run for a while: a fifth of its objects is new; a quarter sets off a collection.
        kept = [[] for _ in range(len(gc.get_objects()) // 5)]
        with patch.object(polling, "without_collections", nullcontext) if collects else nullcontext():
            return {**asyncio.run(_pauses()), "kept": len(kept)}


async def _pauses() -> Figures:
    from sosw_airflow.triggers.polling import AsyncJobPoller

    longest = {"pause": 0.0, "processor": 0.0}

    async def tick() -> None:
        before, processor = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(_TICK)
            now, used = time.perf_counter(), time.process_time()
            longest["pause"] = max(longest["pause"], 1000 * (now - before - _TICK))
            longest["processor"] = max(longest["processor"], 1000 * (used - processor))
            before, processor = now, used

    ticks: asyncio.Future[Any] = asyncio.ensure_future(tick())
    begun = time.perf_counter()
    poller = AsyncJobPoller("sosw_default", job_id(0), None, must_exist=True)
    await poller.poll()
    seconds = time.perf_counter() - begun
    await asyncio.sleep(1)  # what the objects of that time set off afterwards counts, too
    ticks.cancel()
    with suppress(asyncio.CancelledError):
        await ticks
    return {**longest, "seconds": seconds}
