"""Invoking beside the real sosw (0.7.51): one run of its Orchestrator, one turn of ours, on queues of the same length.

DynamoDB is ministack; Lambda is a stub on the wire that takes every event. Both get the same latency.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.fresh_process import Figures, measured, medians, spread
from benchmarks.labourer_stub import figures, labourer_stub
from benchmarks.report import Report
from benchmarks.sosw_process import emulator_session, function_arn, prepare_sosw
from sosw_airflow.stores.tables import SOSW_NAMES, create_missing_tables
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "invoking tasks beside sosw's Orchestrator: invocations per second for short and long queues"

LABOURER = "worker"

#: Invocations at once: a run of sosw's Orchestrator makes so many.
LIMIT = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--queues", type=int, nargs="+", default=[1_000, 10_000], metavar="N", help="tasks queued")
    parser.add_argument("--latency", type=float, default=0.01, help="seconds that each request takes more")
    parser.add_argument("--pairs", type=int, default=3, help="of measurements, for the median")


def run(arguments: argparse.Namespace) -> Report:
    """Measure both in turn, each in a process of its own."""
    report = Report(
        "invoking",
        f"{LIMIT} tasks invoked, {1000 * arguments.latency:g} ms added to each request",
        columns=(
            ("tasks queued", "queue"),
            ("sosw: invocations/s", "upstream"),
            ("ours: invocations/s", "ours"),
            ("times", "times"),
            ("smallest of the pairs", "least"),
            ("spread, %", "spread"),
            ("sosw: own CPU each, ms", "upstream_cpu"),
            ("ours: own CPU each, ms", "ours_cpu"),
        ),
        notes=(
            f"Medians of {arguments.pairs} pairs; spread: of times among them, largest minus smallest, of the median.",
            "The emulator answers one request after the other, so its speed limits ours and not sosw's.",
        ),
    )
    with tempfile.TemporaryDirectory() as scratch, ministack_server(Path(scratch, "ministack.log")) as emulator:
        for queue in arguments.queues:
            sys.stderr.write(f"{queue:,} tasks queued\n")
            pairs = [_pair(emulator, queue, arguments.latency) for _ in range(arguments.pairs)]
            row = medians(pairs)
            times = [each["times"] for each in pairs]
            report.rows.append({"queue": queue, **row, "least": min(times), "spread": spread(times)})
    return report


def _pair(emulator: Emulator, queue: int, latency: float) -> Figures:
    found: Figures = {}
    for name in ("upstream", "ours"):
        emulator.reset()
        fill(emulator, queue)
        with labourer_stub(tasks=queue, latency=latency, duration=3600) as functions:
            arguments = {"endpoint_url": emulator.endpoint_url, "functions": functions, "latency": latency}
            one = measured(f"benchmarks.invoking:invoked_by_{name}", **arguments)
            invoked = figures(functions)["requests"]["Invoke"]
        if invoked != LIMIT:
            raise SystemExit(f"{name} invoked {invoked} of {LIMIT} tasks")
        found |= {name: LIMIT / one["seconds"], f"{name}_cpu": 1000 * one["cpu"] / LIMIT}
    return {**found, "times": found["ours"] / found["upstream"]}


def fill(emulator: Emulator, queue: int) -> None:
    """Put so many rows into the queue; the stub knows them by the same ids."""
    dynamodb = emulator.client("dynamodb")
    create_missing_tables(dynamodb)
    rows = [
        {
            "PutRequest": {
                "Item": {
                    "task_id": {"S": f"{number:032x}"},
                    "labourer_id": {"S": LABOURER},
                    "payload": {"S": f'{{"words": ["word-{number}"], "section": "{"a" * 200}"}}'},
                    "created_at": {"N": "1795431000.5"},
                    "greenfield": {"N": str(1000 + number)},
                    "attempts": {"N": "0"},
                }
            }
        }
        for number in range(queue)
    ]
    with ThreadPoolExecutor(4) as pool:
        batches = [rows[start : start + 25] for start in range(0, queue, 25)]
        list(pool.map(lambda batch: dynamodb.batch_write_item(RequestItems={SOSW_NAMES.tasks_table: batch}), batches))


def invoked_by_upstream(endpoint_url: str, functions: str, latency: float) -> Figures:
    """One run of sosw's Orchestrator."""
    session = _session(endpoint_url, latency)
    prepare_sosw("sosw_orchestrator")
    from sosw.orchestrator import Orchestrator

    labourers = {LABOURER: {"arn": function_arn(LABOURER), "max_simultaneous_invocations": LIMIT}}
    config = {"task_config": {"labourers": labourers}, "meta_handler_config": {"write_meta_to_ddb": False}}
    orchestrator = Orchestrator(custom_config=config)
    orchestrator.task_client.lambda_client = session.client("lambda", endpoint_url=functions)
    return _timed(lambda: orchestrator({}))


def invoked_by_ours(endpoint_url: str, functions: str, latency: float) -> Figures:
    """One turn of ours, the reading of the function's settings included."""
    from botocore.config import Config

    from sosw_airflow.orchestration.orchestrator import Orchestrator
    from sosw_airflow.orchestration.policy import LabourerPolicy
    from sosw_airflow.orchestration.turn import Clients

    session = _session(endpoint_url, latency)
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=40)
    dynamodb = session.client("dynamodb", config=config)
    aws_lambda = session.client("lambda", config=config, endpoint_url=functions)
    policy = LabourerPolicy.of(LABOURER, {"max_simultaneous_invocations": LIMIT})
    orchestrator = Orchestrator([policy], Clients(dynamodb, dynamodb, aws_lambda, aws_lambda), SOSW_NAMES)
    return _timed(lambda: orchestrator.run(once=True))


def _session(endpoint_url: str, latency: float) -> Any:
    session = emulator_session(endpoint_url)

    def wait(request: Any, **_: Any) -> None:
        if request.url.startswith(endpoint_url):  # the stub waits by itself
            time.sleep(latency)

    session.events.register("before-send", wait)
    return session


def _timed(work: Any) -> Figures:
    begun, processor = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - processor}
