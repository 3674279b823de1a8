"""Two orchestrators of one labourer, killed and paused at chosen requests, under faults of DynamoDB, Lambda, workers.

In CI a small number; `make test-kills` (SOSW_TEST_KILLS=200) is the large run, and prints what happened.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from sosw_airflow.orchestration import assistant
from sosw_airflow.stores.lease_item import read_lease
from sosw_airflow.stores.tables import create_missing_tables
from tests.integration.crashes.orchestrating import EXPIRY, LABOURER, LEASE, LIMIT, THREADS, Orchestrating
from tests.integration.crashes.worker import Worker
from tests.support.emulators.emulator import Emulator
from tests.support.faults.faults import Fault, Kill, LoseRequest, LoseResponse, Verdict, server_error, throttle
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.request import Request, Response
from tests.support.faults.rules import Match, chance, dynamodb, nth, on
from tests.support.lambda_edge import Cause, Chances, Execution, Fate, LambdaEdge, running_edge

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("SOSW_TEST_KILLS", "5"))
TASKS = 150 if KILLS >= 50 else 30
INVOKE = f"POST /2015-03-31/functions/{LABOURER}/invocations"

#: The boundaries: operation and table. Those of the lease are writes to `sosw_jobs`.
BOUNDARIES: dict[str, Match] = {
    "the lease is read": on("GetItem", table="sosw_jobs"),
    "the lease is taken, or its holder beats": on("UpdateItem", table="sosw_jobs"),
    "a reading of the queue": on("Query", table="sosw_tasks"),
    "a reading of the retries": on("Query", table="sosw_retry_tasks"),
    "a claim, or its return": on("UpdateItem", table="sosw_tasks"),
    "an invocation": on(INVOKE),
    "a retry, or its return to the queue": on("TransactWriteItems"),
    "completed tasks are closed": on("BatchWriteItem", table="sosw_closed_tasks"),
    "completed tasks leave the queue": on("BatchWriteItem", table="sosw_tasks"),
}


#: Seconds that storing an answer may take: botocore waits between its repeats of a request that fails.
STORING = 4.0


class Pause(Fault):
    """SIGSTOP a process at a request, which then passes."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    async def before(self, request: Request, random: random.Random) -> Verdict:
        """Stop it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)
        return None


@dataclass
class LostAnswers(LoseResponse):
    """Answers to an invocation that are lost, and of which tasks they were."""

    task_ids: set[str] = field(default_factory=set)

    async def after(self, request: Request, response: Response, random: random.Random) -> Verdict:
        """Lose it."""
        self.task_ids.add(json.loads(request.body)["task_id"])
        return await super().after(request, response, random)


@dataclass
class Stored(Fault):
    """Answers that an orchestrator has stored: task and attempt, and when. The requests pass."""

    at: dict[tuple[str, int], float] = field(default_factory=dict)

    async def after(self, request: Request, response: Response, random: random.Random) -> Verdict:
        """Note it."""
        document = json.loads(request.body)
        if response.status == 200 and "completed_at" in document.get("ExpressionAttributeNames", {}).values():
            attempt = int(document["ExpressionAttributeValues"][":attempt"]["N"])
            self.at.setdefault((document["Key"]["task_id"]["S"], attempt), time.monotonic())
        return None


@dataclass
class Chaos:
    """One queue, two orchestrators, an emulator and a Lambda behind fault proxies."""

    emulator: Emulator
    chance: random.Random
    tables: FaultProxy
    lambdas: FaultProxy
    edge: LambdaEdge
    orchestrators: list[Worker] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    paused: list[tuple[float, float]] = field(default_factory=list)
    silenced: list[tuple[float, float]] = field(default_factory=list)
    lost: LostAnswers = field(default_factory=LostAnswers)
    stored: Stored = field(default_factory=Stored)
    late: set[tuple[str, int]] = field(default_factory=set)
    invocation: str = "event"

    def __post_init__(self) -> None:
        self.dynamodb = self.emulator.client("dynamodb", retries=True)
        self.attempt = Orchestrating(self.tables.url, TASKS, lambda_url=self.lambdas.url, invocation=self.invocation)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All items of a table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def closed(self) -> int:
        """How many tasks are closed."""
        return int(self.dynamodb.scan(TableName="sosw_closed_tasks", Select="COUNT", ConsistentRead=True)["Count"])

    def holder(self) -> Worker:
        """The orchestrator that holds the lease, if one that lives does; otherwise one of them."""
        owner = read_lease(self.dynamodb, "sosw_jobs", LABOURER).get("owner", {}).get("S", "//")
        pid = owner.split("/")[1]
        others = [each for each in self.orchestrators if str(each.pid) == pid]
        return (others or self.orchestrators)[0]

    def start(self) -> None:
        """Two orchestrators live."""
        while len(self.orchestrators) < 2:
            self.orchestrators.append(Worker(self.attempt))

    def strike(self) -> None:
        """Kill or pause the holder, or kill the other, at a boundary; or at an instant if it does not come there."""
        victim = self.holder()
        name, match = self.chance.choice(list(BOUNDARIES.items()))
        applied, pause = self.chance.random() < 0.5, self.chance.random() < 0.2
        proxy = self.lambdas if name == "an invocation" else self.tables
        fault = Pause(victim.pid) if pause else Kill(victim.pid, applied)
        rules, when = proxy.rules, nth(self.chance.randint(1, 3))
        rule = proxy.add(match, fault, when=when)
        deadline = time.monotonic() + self.chance.uniform(2.0, 4.0)
        while not rule.struck and time.monotonic() < deadline and victim.process.is_alive():
            time.sleep(0.005)
        proxy.rules = [each for each in proxy.rules if each is not rule] or rules
        if pause:
            self._pause(victim, name if rule.struck else "at an instant")
            return
        self.silenced.append((time.monotonic(), time.monotonic()))
        victim.kill()
        self.orchestrators.remove(victim)
        self.struck[f"killed {'after' if applied else 'before'} {name}" if rule.struck else "killed at an instant"] += 1
        self.start()

    def unheard(self, execution: Execution) -> bool:
        """Whether its orchestrator could not store its answer: it was killed, paused, throttled, or the answer lost.

        Or it stored it so late that the task had expired: repeats of a faulty request, on a machine that is busy.
        """
        if self.invocation == "event":
            return False
        ended = execution.ended or float("inf")
        silenced = any(execution.began <= end and begin <= ended + STORING for begin, end in self.silenced)
        if silenced or execution.task_id in self.lost.task_ids:
            return True
        attempt = (execution.task_id, execution.attempt)
        if self.stored.at.get(attempt, float("inf")) < execution.began + EXPIRY - 1.0:
            return False
        self.late.add(attempt)
        return True

    def throttle_writes(self, seconds: float) -> None:
        """No write to any table succeeds for a while."""
        begun = time.monotonic()
        throttled = self.tables.add(on("UpdateItem", "TransactWriteItems", "BatchWriteItem"), throttle())
        time.sleep(seconds)
        self.tables.rules = [each for each in self.tables.rules if each is not throttled]
        self.silenced.append((begun, time.monotonic()))
        self.struck["all writes throttled for a while"] += 1

    def _pause(self, victim: Worker, name: str) -> None:
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGSTOP)
            begun = time.monotonic()
            time.sleep(LEASE * self.chance.uniform(1.3, 2.5))
            os.kill(victim.pid, signal.SIGCONT)
            self.paused.append((begun, time.monotonic() + 0.5))
            self.silenced.append(self.paused[-1])
        self.struck[f"paused, {name}"] += 1

    def end(self) -> None:
        """Let both end in order."""
        for each in self.orchestrators:
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGTERM)
        for each in self.orchestrators:
            assert isinstance(each.outcome(60.0), dict)
        self.orchestrators.clear()

    def kill_all(self) -> None:
        """None outlives the test."""
        for each in self.orchestrators:
            each.kill()


@pytest.fixture(params=["event", "request"])
def chaos(request: pytest.FixtureRequest, ministack_emulator: Emulator) -> Iterator[Chaos]:
    """With rare faults of everything, all the time."""
    client = ministack_emulator.client("dynamodb", retries=True, max_pool_connections=20)

    def report(event: dict[str, Any], ok: bool) -> bool:
        envelope = {
            "requestContext": {"condition": "Success" if ok else "RetriesExhausted"},
            "requestPayload": event,
            "responsePayload": {"number": event["number"]},
        }
        found = assistant.report_of(envelope)
        assert found is not None
        names = {"tasks_table": "sosw_tasks", "retry_tasks_table": "sosw_retry_tasks"}
        return assistant.mark(client, found, now=int(time.time()), **names)

    edge = LambdaEdge(report, expiry=EXPIRY)
    with ExitStack() as stack:
        stack.enter_context(running_edge(edge))
        tables = stack.enter_context(FaultProxy(ministack_emulator.endpoint_url, seed=1, keep_entries=False))
        lambdas = stack.enter_context(FaultProxy(edge.url, seed=2, keep_entries=False))
        chaos = Chaos(ministack_emulator, random.Random(2026), tables, lambdas, edge, invocation=request.param)
        stack.callback(chaos.kill_all)
        yield chaos


def queue(chaos: Chaos, number: int) -> list[str]:
    """Tasks of the labourer. Returns their ids."""
    task_ids = [f"{number:020x}{index:012x}" for index in range(TASKS)]
    for index, task_id in enumerate(task_ids):
        item = {
            "task_id": {"S": task_id},
            "labourer_id": {"S": LABOURER},
            "payload": {"S": json.dumps({"number": index})},
            "created_at": {"N": "1795431000.5"},
            "greenfield": {"N": str(1000 * index + 2000)},
            "attempts": {"N": "0"},
        }
        chaos.dynamodb.put_item(TableName="sosw_tasks", Item=item)
    return task_ids


def faults(chaos: Chaos) -> None:
    """What goes wrong with single requests, workers and Lambda."""
    chaos.edge.chances = Chances(0.04, 0.02, 0.01, 0.02, failed=0.05, silent=0.02, late=0.02, twice=0.1)
    for fault, probability in (
        (throttle(), 0.01),
        (LoseResponse(), 0.01),
        (LoseRequest(), 0.005),
        (server_error(), 0.005),
        (server_error(applied=True), 0.005),
    ):
        chaos.tables.add(dynamodb(), fault, when=chance(probability))
    chaos.tables.add(on("UpdateItem", table="sosw_tasks"), chaos.stored)
    chaos.lambdas.add(on(INVOKE), chaos.lost, when=chance(0.015))
    chaos.lambdas.add(on(INVOKE), LoseRequest(), when=chance(0.01))


def unexplained(executions: list[Execution], unheard: Callable[[Execution], bool]) -> list[str]:
    """What no failure, lateness, lost answer or repetition by Lambda explains in the executions of one task.

    :param unheard: whether the end of an execution could not be stored.
    """
    found = []
    by_attempt: dict[int, list[Execution]] = {}
    for each in executions:
        by_attempt.setdefault(each.attempt, []).append(each)
    for attempt, same in sorted(by_attempt.items()):
        accepted = [each for each in same if each.cause is Cause.ACCEPTED]
        if len(accepted) > 1:
            found.append(f"attempt {attempt} was invoked {len(accepted)} times: {same}")
        # A later attempt of a task whose former worker has reported in time that it completed.
        in_time = [
            each
            for each in same
            if each.fate is Fate.COMPLETED and each.cause is not Cause.REFUSED and not unheard(each)
        ]
        if in_time and any(later > attempt for later in by_attempt):
            found.append(f"attempt {attempt} completed, and was invoked again: {executions}")
    return found


def assert_promise(chaos: Chaos, task_ids: list[str]) -> None:
    """No row is lost or in two tables, no ghost is left, each task was completed once, the limit was held."""
    closed = {row["task_id"]["S"]: row for row in chaos.rows("sosw_closed_tasks")}
    left = chaos.rows("sosw_tasks") + chaos.rows("sosw_retry_tasks")
    assert (sorted(closed), left) == (task_ids, [])
    assert {row["labourer_id_task_status"]["S"] for row in closed.values()} == {f"{LABOURER}_1"}
    strange = []
    for task_id in task_ids:
        executed = chaos.edge.executed(task_id)
        completions = sum(each.marked.count(True) for each in executed if each.fate is not Fate.FAILED)
        # A synchronous answer is stored by its orchestrator: then the one closed row is all that is seen of it.
        if completions != 1 and chaos.invocation == "event":
            strange.append(f"{task_id} was completed {completions} times: {executed}")
        strange += unexplained(executed, chaos.unheard)
    assert strange == []
    assert len(chaos.late) <= TASKS / 10, chaos.late
    for at, active in chaos.edge.at_once:
        paused = any(begun <= at <= ended for begun, ended in chaos.paused)
        assert active <= LIMIT + (THREADS if paused else 0), f"{active} at once at a limit of {LIMIT}"


def test_killed_and_paused_at_the_boundaries(chaos: Chaos) -> None:
    """Each task is executed, and completed once; what is executed twice is explained; the limit holds."""
    strikes = rounds = 0
    causes: Counter[str] = Counter()
    while strikes < KILLS:
        rounds += 1
        chaos.emulator.reset()
        create_missing_tables(chaos.dynamodb)
        chaos.edge.executions.clear()
        chaos.edge.at_once.clear()
        chaos.late.clear()
        task_ids = queue(chaos, rounds)
        faults(chaos)
        chaos.start()
        while strikes < KILLS and chaos.closed() < TASKS - 10:
            if chaos.chance.random() < 0.05:
                chaos.throttle_writes(1.5)
            chaos.strike()
            strikes += 1
        deadline = time.monotonic() + 120
        while chaos.closed() < TASKS and time.monotonic() < deadline:
            time.sleep(0.1)
        chaos.edge.wait()
        chaos.tables.clear()
        chaos.lambdas.clear()
        chaos.end()
        assert chaos.edge.failures == []
        assert_promise(chaos, task_ids)
        causes.update(f"{each.cause.value}, {each.fate.value}" for each in chaos.edge.executions)
    print(f"\n{strikes} strikes in {rounds} queues of {TASKS} tasks, {causes.total()} executions: {dict(causes)}")
    print(f"{chaos.edge.most_at_once} at once at most, of {LIMIT}")
    for name, count in sorted(chaos.struck.items()):
        print(f"{count:4} {name}")
