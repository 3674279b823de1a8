"""Counts what fixed workloads cost, in numbers that are the same on every machine, and compares them with stored ones.

`python -m benchmarks.counters` compares, with ``--store`` it writes them down. Counted are requests to AWS, which have
to be the same, and calls of Python functions, botocore's included, which may differ by 5 %: they stand for processor
time. AWS is that of the tests, in memory, whose answers and threads come in the same order in every run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.jobs import JOBS, LABOURER, REFERENCE_DATE, SCHEMA
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.planning import plan_job
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients, LabourerOrchestration
from sosw_airflow.stores.ready_wire import use_ready_wire
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.progress import ProgressReader
from tests.support.deterministic_aws.clients import Edge, clients
from tests.support.explorer import scenarios
from tests.support.explorer.engine import alone_with
from tests.support.explorer.scenario import SCENARIOS, Scenario, request_for

__all__ = ["STORED", "counts", "differences", "versions"]

STORED = Path(__file__).with_name("counters.json")

#: By which part calls may differ.
TOLERANCE = 0.05

#: Never starts a thread: what is given to it is done at once.
_POOL = ThreadPoolExecutor(1)

assert scenarios.__all__  # noqa: S101 - their import has filled SCENARIOS

Counts = dict[str, dict[str, int]]


def counts() -> Counts:
    """Workload -> what is counted -> number."""
    return {name: workload() for name, workload in WORKLOADS.items()}


def differences(stored: dict[str, Any], found: Counts) -> Iterator[str]:
    """What is not as it was stored. Calls are those of the stored versions, and with others not compared."""
    same_versions = stored["versions"] == versions()
    for workload in sorted({*stored["counts"], *found}):
        before, now = stored["counts"].get(workload, {}), found.get(workload, {})
        for name in sorted({*before, *now}):
            then, current = before.get(name, 0), now.get(name, 0)
            if name == "calls" and not same_versions:
                continue
            allowed = TOLERANCE * then if name == "calls" else 0
            if abs(current - then) > allowed:
                change = f", {current / then - 1:+.1%}" if then else ""
                yield f"{workload}: {current:,} {name}, stored are {then:,}{change}"


def versions() -> str:
    """The versions on which the number of calls depends."""
    return f"Python {sys.version_info.major}.{sys.version_info.minor}, botocore {version('botocore')}"


def _calls(work: Callable[[], Any]) -> int:
    """The calls of Python functions in some work, after it was done once."""
    work()
    number = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal number
        number += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return number


def _expanded(job: str, tasks: int) -> Callable[[], dict[str, int]]:
    def expand() -> None:
        expansion = Expansion(JOBS[job](tasks), schema={"chunkable_attrs": SCHEMA}, reference_date=REFERENCE_DATE)
        for block in blocks_of(expansion, LineCodec(LABOURER)):
            block.text.encode("ascii")

    return lambda: {"calls": _calls(expand)}


def _planned() -> dict[str, int]:
    def plan() -> None:
        expansion = Expansion(JOBS["day"](2_000), schema={"chunkable_attrs": SCHEMA}, reference_date=REFERENCE_DATE)
        plan_job(expansion, labourer_id=LABOURER, reference_date=REFERENCE_DATE)

    return {"calls": _calls(plan)}


@contextmanager
def _requests(scenario: Scenario, edge: Edge) -> Iterator[Counter[str]]:
    """Inside, the requests to the scenario's AWS are counted by their operations."""
    sent: Counter[str] = Counter()
    aws = scenario.aws
    call, answer = _uncounted(aws.call), _uncounted(aws.answer)

    def count(request: Any) -> Any:
        sent[request.operation] += 1
        return call(request)

    with patch.object(aws, "call", count), patch.object(aws, "answer", answer), alone_with(aws, edge):
        yield sent


def _uncounted(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The work of AWS, which takes no processor time of ours."""

    def do(argument: Any) -> Any:
        profile = sys.getprofile()
        sys.setprofile(None)
        try:
            return work(argument)
        finally:
            sys.setprofile(profile)

    return do


def _empty() -> Scenario:
    """A deployment with tables and a bucket, and nothing in them."""
    return SCENARIOS["schedule-with-faults"].begin()


def _scheduled(tasks: int) -> dict[str, int]:
    """A job is put into the queue: the requests; and the calls, with botocore's, of a second one like it."""
    use_ready_wire(clients().dynamodb_once)
    words = [f"word {number}" for number in range(tasks)]
    scenario = _empty()
    with _requests(scenario, Edge.WIRE) as sent:
        scenario.scheduler().schedule(request_for(words))
        requests = dict(sent)
        numbers = iter("12")
        calls = _calls(lambda: scenario.scheduler().schedule(request_for(words, run_id=f"run {next(numbers)}")))
    return {**requests, "calls": calls}


def _processed() -> dict[str, int]:
    """A queue of 200 tasks is processed with a limit of 50: each turn finds those before completed."""
    scenario = _empty()
    with _requests(scenario, Edge.DIRECT) as sent:
        scenario.scheduler().schedule(request_for([f"word {number}" for number in range(200)]))
        sent.clear()
        ours = clients()
        policy = LabourerPolicy.of("worker", {"max_simultaneous_invocations": 50, "expiry": 600})
        orchestration = LabourerOrchestration(
            policy,
            Clients(ours.dynamodb, ours.dynamodb_once, ours.aws_lambda, ours.aws_lambda_once),
            TableNames(),
            "benchmark",
            _POOL,
            clock=scenario.aws.now,
            monotonic=scenario.aws.now,
        )
        while not orchestration.turn().idle:
            for row in scenario.aws.dynamodb.tables["sosw_tasks"].items.values():
                if "queued_as" in row:  # it was claimed
                    row.setdefault("completed_at", {"N": str(int(scenario.aws.clock))})
            scenario.aws.clock += 10
    return dict(sent)


def _polled() -> dict[str, int]:
    """A job of 200 open tasks is polled twice."""
    scenario = _empty()
    with _requests(scenario, Edge.DIRECT) as sent:
        header = scenario.scheduler().schedule(request_for([f"word {number}" for number in range(200)])).header
        sent.clear()
        reader = ProgressReader(clients().dynamodb, TableNames(), header.job_id)
        reader.read()
        reader.read()
    return dict(sent)


WORKLOADS: dict[str, Callable[[], dict[str, int]]] = {
    "expand days, 20,000 tasks": _expanded("days", 20_000),
    "expand day, 10,000 tasks": _expanded("day", 10_000),
    "expand batches, 100,000 numbers": _expanded("batches", 100_000),
    "plan day, 2,000 tasks": _planned,
    "schedule 1 task": lambda: _scheduled(1),
    "schedule 1,000 tasks": lambda: _scheduled(1_000),
    "process 200 tasks, limit 50": _processed,
    "poll 200 tasks twice": _polled,
}


def main() -> int:
    """Compare, or store."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counters", description="Costs that no machine changes.")
    parser.add_argument("--store", action="store_true", help="write the numbers down as those to compare with")
    arguments = parser.parse_args()
    found = counts()
    if arguments.store:
        STORED.write_text(json.dumps({"versions": versions(), "counts": found}, indent=2) + "\n")
    problems = list(differences(json.loads(STORED.read_text()), found))
    for name, numbers in found.items():
        sys.stdout.write(f"{name}: {', '.join(f'{number:,} {each}' for each, number in numbers.items())}\n")
    for problem in problems:
        sys.stderr.write(f"CHANGED {problem}\n")
    if problems:
        sys.stderr.write("If the change is meant: python -m benchmarks.counters --store\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
