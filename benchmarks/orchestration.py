"""How fast and at what cost an orchestrator processes a queue, against a stub on the wire."""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.clients import stub_client
from benchmarks.fresh_process import Figures, measured, medians, spread
from benchmarks.labourer_stub import figures, labourer_stub, replay
from benchmarks.report import Goal, Report

if TYPE_CHECKING:
    from sosw_airflow.orchestration.orchestrator import Orchestrator

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "processing a queue: tasks per second, slots busy, requests and own processor time per task"

#: Tasks, limit, seconds of a task, seconds of latency of each answer.
_CASES = {
    "100 tasks of 5 s, limit 10": (100, 10, 5.0, 0.0),
    "1,000 tasks of 5 s, limit 100": (1_000, 100, 5.0, 0.0),
    "1,000 short tasks, 10 ms an answer": (1_000, 1_000, 0.0, 0.01),
    "100,000 queued, 10,000 of them processed": (100_000, 1_000, 0.0, 0.01),
}

_CASE_OF_GOAL = "1,000 short tasks, 10 ms an answer"

#: Seconds of a pause between two calls that is kept when they are made again.
_PAUSE = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--idle-minutes", type=int, default=2, help="for which an idle labourer is watched, 0: not")
    parser.add_argument(
        "--repeat", type=int, default=5, help="of the cases with short tasks, for the median (default: 5)"
    )
    parser.add_argument("--cases", nargs="+", choices=list(_CASES), default=list(_CASES), metavar="CASE")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each case in a process of its own."""
    rows = []
    minutes = arguments.idle_minutes
    idle_notes = []
    if minutes:
        without_tasks = measured("benchmarks.orchestration:idle", minutes=minutes)["requests"]
        idle_notes = [
            f"A labourer without tasks takes {without_tasks:.1f} requests a minute, once its function was read."
        ]
    for name in arguments.cases:
        tasks, limit, duration, latency = _CASES[name]
        given = {"tasks": tasks, "limit": limit, "duration": duration, "latency": latency}
        times = 1 if duration else arguments.repeat
        runs = [measured("benchmarks.orchestration:processed", **given) for _ in range(times)]
        ratios = [each["cpu"] / each["bare"] for each in runs]
        row = {"case": name, **medians(runs), "ratio": statistics.median(ratios)}
        rows.append(row if duration else {**row, "spread": spread(ratios)})
    return Report(
        name="orchestration",
        title="Processing a queue",
        columns=[
            ("", "case"),
            ("seconds", "seconds"),
            ("tasks/s", "rate"),
            ("slots busy, %", "busy"),
            ("requests a task", "requests"),
            ("own CPU a task, ms", "cpu"),
            ("bare boto3, ms", "bare"),
            ("own / bare", "ratio"),
            ("spread, %", "spread"),
        ],
        rows=rows,
        goals=[
            Goal("orchestrator, own processor time beside bare boto3 calls", "≤ 0.7 x", f"{each:.2f} x", each <= 0.7)
            for each in [row["ratio"] for row in rows if row["case"] == _CASE_OF_GOAL]
        ],
        notes=[
            "Requests a task: claim, invoke, closing, readings, lease; the assistant's one comes on top.",
            *idle_notes,
            f"Where tasks are short: medians of {arguments.repeat}; spread: of own / bare, largest minus smallest.",
            "Bare boto3: the processor time of the same calls with the same answers and pauses, in 16 threads.",
        ],
    )


def processed(tasks: int, limit: int, duration: float, latency: float) -> Figures:
    """Process one queue and return its figures. Of a queue over 10,000 only the first 10,000 are processed."""
    wanted = min(tasks, 10_000)
    with labourer_stub(tasks=tasks, latency=latency, duration=duration) as url:
        recorded = _Recorded(url)
        orchestrator = _orchestrator(recorded.dynamodb, recorded.aws_lambda, limit)

        def stop_after_all(_: object) -> None:
            if orchestrator.totals["worker"]["completed"] >= wanted:
                orchestrator.stop.set()

        orchestrator.on_turn = stop_after_all
        begun, processor = time.perf_counter(), time.process_time()
        orchestrator.run(until_idle=True)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - processor
        found = figures(url)
        if found["closed"] < wanted or found["twice"] or found["most"] > limit:
            raise SystemExit(f"not exactly all tasks were processed: {found}")
        done = found["closed"]
        replay(url)
        return {
            "seconds": seconds,
            "rate": done / seconds,
            "busy": 100 * found["busy"] / (seconds * limit),
            "requests": sum(found["requests"].values()) / done,
            "cpu": 1000 * cpu / done,
            "bare": 1000 * recorded.bare() / done,
        }


def _orchestrator(dynamodb: Any, aws_lambda: Any, limit: int) -> Orchestrator:
    from sosw_airflow.orchestration.orchestrator import Orchestrator
    from sosw_airflow.orchestration.policy import LabourerPolicy
    from sosw_airflow.orchestration.turn import Clients
    from sosw_airflow.stores.tables import TableNames

    policy = LabourerPolicy.of("worker", {"max_simultaneous_invocations": limit})
    return Orchestrator([policy], Clients(dynamodb, dynamodb, aws_lambda, aws_lambda), TableNames())


def idle(minutes: int) -> Figures:
    """Requests a minute of an orchestrator whose labourer has no task, after its first turn."""
    with labourer_stub(tasks=0, latency=0, duration=0) as url:
        dynamodb, aws_lambda = (stub_client(each, url, ready=False) for each in ("dynamodb", "lambda"))
        orchestrator = _orchestrator(dynamodb, aws_lambda, limit=10)
        thread = threading.Thread(target=orchestrator.run, daemon=True)
        thread.start()
        time.sleep(5)
        before = sum(figures(url)["requests"].values())
        time.sleep(60 * minutes)
        after = sum(figures(url)["requests"].values())
        orchestrator.stop.set()
        thread.join(30)
    return {"requests": (after - before) / minutes}


class _Recorded:
    """The calls of an orchestrator's clients, to make the same ones again without anything around them."""

    def __init__(self, url: str) -> None:
        self.dynamodb, self.aws_lambda = (stub_client(each, url, ready=True) for each in ("dynamodb", "lambda"))
        self.calls: list[tuple[float, Any, dict[str, Any]]] = []
        for service, client in (("dynamodb", self.dynamodb), ("lambda", self.aws_lambda)):
            plain = stub_client(service, url, ready=False)
            for name in ("query", "update_item", "get_item", "put_item", "batch_write_item", "invoke"):
                if hasattr(client, name):
                    setattr(client, name, self._recording(getattr(client, name), getattr(plain, name)))

    def _recording(self, call: Any, plain: Any) -> Any:
        def recorded(**parameters: Any) -> Any:
            self.calls.append((time.perf_counter(), plain, parameters))
            return call(**parameters)

        return recorded

    def bare(self) -> float:
        """Seconds of processor time of the same calls with the same answers, in 16 threads.

        Pauses between calls are kept, up to a tenth of a second: after a pause a processor is slower for a while.
        """
        from botocore.exceptions import ClientError

        from sosw_airflow.orchestration.side_by_side import SideBySide

        def make(each: tuple[float, Any, dict[str, Any]]) -> None:
            _, call, parameters = each
            with suppress(ClientError):
                reply = call(**parameters)
                if "Payload" in reply:
                    reply["Payload"].read()

        with ThreadPoolExecutor(16) as pool:
            side_by_side = SideBySide(pool, 16)  # as ours: to hand over each call takes processor time, too
            begun = time.process_time()
            for number, calls in enumerate(self._without_pauses()):
                if number:
                    time.sleep(_PAUSE)
                deque(side_by_side(make, calls), maxlen=0)
            return time.process_time() - begun

    def _without_pauses(self) -> Iterator[list[tuple[float, Any, dict[str, Any]]]]:
        """The calls that follow each other within `_PAUSE`."""
        pauses = [at for at in range(1, len(self.calls)) if self.calls[at][0] - self.calls[at - 1][0] > _PAUSE]
        for begin, end in pairwise([0, *pauses, len(self.calls)]):
            yield self.calls[begin:end]
