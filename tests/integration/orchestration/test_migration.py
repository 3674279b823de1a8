"""From sosw 0.7.51 to Airflow and back, step by step, while tasks run (docs/guides/orchestration.md).

sosw's Orchestrator, Scavenger and WorkerAssistant are the real ones, started each "minute" of half a second; ours runs
beside them. Both invoke functions of the same Lambda, which reports to the assistant that is deployed at the moment.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sosw_airflow.orchestration import assistant, turn
from sosw_airflow.orchestration.background import Background
from sosw_airflow.orchestration.orchestrator import Orchestrator
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.stores.tables import TableNames, create_missing_tables
from tests.conftest import Aws
from tests.support.emulators.emulator import Emulator
from tests.support.lambda_edge import Chances, Fate, LambdaEdge, running_edge
from tests.support.upstream.components import EXPIRY, INVOCATION_DELTA, Upstream, upstream
from tests.support.upstream.cron import UpstreamCron

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LABOURER = "worker"


@dataclass(frozen=True)
class Step:
    """A state of the migration.

    :ivar limit: sosw's own, None: its Orchestrator is removed.  :ivar scavenger: sosw's is on.
    :ivar ours: settings of our orchestrator, None: it does not run.  :ivar assistant: ``sosw`` or ``airflow``.
    """

    limit: int | None
    scavenger: bool
    ours: Mapping[str, Any] | None
    assistant: str = "sosw"


MAX = "max_simultaneous_invocations"
STEPS = (
    Step(4, True, None),
    Step(4, True, {MAX: 2, "scavenger": "upstream"}),
    Step(0, True, {MAX: 6, "scavenger": "upstream"}),
    Step(0, False, {MAX: 6, "scavenger": "airflow"}),
    Step(0, False, {MAX: 6, "scavenger": "airflow"}, assistant="airflow"),
    Step(None, False, {MAX: 6, "scavenger": "airflow"}, assistant="airflow"),
)


class Sosw(Upstream):
    """sosw's components, whose Orchestrator invokes the functions of `LambdaEdge`."""

    edge: LambdaEdge

    def _record(self, *, FunctionName: str, InvocationType: str, Payload: str) -> dict[str, Any]:
        self.edge.answer("POST", f"/functions/{FunctionName}/invocations", Payload.encode())
        return super()._record(FunctionName=FunctionName, InvocationType=InvocationType, Payload=Payload)


@dataclass
class Site:
    """A deployment with sosw's tables, on an emulator.

    :ivar sent: ids of the tasks that were queued.  :ivar by_sosw: invocations of sosw's Orchestrator.
    """

    aws: Aws
    emulator: Emulator
    edge: LambdaEdge
    sosw: Upstream
    assistant: str = "sosw"
    sent: list[str] = field(default_factory=list)
    by_sosw: int = 0

    def queue(self, number: int) -> None:
        """More tasks."""
        for index in range(len(self.sent), len(self.sent) + number):
            item = {
                "task_id": {"S": f"{index:032x}"},
                "labourer_id": {"S": LABOURER},
                "payload": {"S": json.dumps({"number": index})},
                "created_at": {"N": "1795431000.5"},
                "greenfield": {"N": str(1000 * index + 10_000)},
                "attempts": {"N": "0"},
            }
            self.aws.dynamodb.put_item(TableName="sosw_tasks", Item=item)
            self.sent.append(item["task_id"]["S"])

    def closed(self) -> dict[str, str]:
        """Id of each closed task, and 1 if it completed, 0 if it failed."""
        rows = self.aws.rows("sosw_closed_tasks")
        return {row["task_id"]["S"]: row["labourer_id_task_status"]["S"][-1] for row in rows}

    def wait_until_closed(self, number: int) -> None:
        """As many tasks as this are closed; meanwhile the minutes of sosw's expiry and delays are cut short."""
        deadline = time.monotonic() + 120
        while (closed := len(self.closed())) < number:
            assert time.monotonic() < deadline, f"{closed} of {number} closed; left: {self.left()}"
            self.expire()
            self.end_delays()
            time.sleep(0.1)

    def left(self) -> list[str]:
        """Ids in the tables of tasks and retries."""
        return [row["task_id"]["S"] for table in ("sosw_tasks", "sosw_retry_tasks") for row in self.aws.rows(table)]

    def expire(self) -> None:
        """Make the rows old whose worker has ended without success."""
        for row in self.aws.rows():
            attempt = int(row["attempts"]["N"])
            if "completed_at" in row or int(row["greenfield"]["N"]) < INVOCATION_DELTA:
                continue
            executed = [each for each in self.edge.executed(row["task_id"]["S"]) if each.attempt == attempt]
            if executed and all(each.ended and each.fate is not Fate.COMPLETED for each in executed):
                with suppress(self.aws.dynamodb.exceptions.ConditionalCheckFailedException):
                    self.aws.dynamodb.update_item(
                        TableName="sosw_tasks",
                        Key={"task_id": row["task_id"]},
                        UpdateExpression="SET greenfield = :expired",
                        ConditionExpression="greenfield = :read",
                        ExpressionAttributeValues={
                            ":expired": {"N": str(int(time.time()) + INVOCATION_DELTA - EXPIRY - 100)},
                            ":read": row["greenfield"],
                        },
                    )

    def end_delays(self) -> None:
        """Let each retry be due."""
        for row in self.aws.rows("sosw_retry_tasks"):
            if int(row["desired_launch_time"]["N"]) > time.time():
                with suppress(self.aws.dynamodb.exceptions.ConditionalCheckFailedException):
                    self.sosw.end_delay(LABOURER, row["task_id"]["S"])

    @contextmanager
    def at(
        self, step: Step, minute: float = 0.5, *, alone: AbstractContextManager[object] | None = None
    ) -> Iterator[UpstreamCron]:
        """The deployment as a step has it. ``alone``: held during each run of sosw's programs."""
        self.assistant = step.assistant
        labourers = {LABOURER: {**self.sosw.labourers[LABOURER], MAX: step.limit}}
        sosw = Sosw(self.aws, labourers, self.sosw.chunkable_attrs)
        sosw.edge = self.edge
        cron = UpstreamCron(sosw, minute, orchestrator=step.limit is not None, scavenger=step.scavenger)
        cron.alone = alone or cron.alone
        with ExitStack() as stack:
            if step.ours is not None:
                stack.enter_context(self._ours(step.ours))
            stack.enter_context(cron)
            yield cron
        self.by_sosw += len(sosw.invocations)

    @contextmanager
    def _ours(self, settings: Mapping[str, Any]) -> Iterator[None]:
        dynamodb = self.emulator.client("dynamodb", retries=True, max_pool_connections=20)
        once = self.emulator.client("dynamodb", max_pool_connections=20)
        functions = self.emulator.client("lambda", endpoint_url=self.edge.url, max_pool_connections=20)
        policy = LabourerPolicy.of(LABOURER, {"max_attempts": 20, "expiry": EXPIRY, "retry_delay": 1, **settings})
        orchestrator = Orchestrator(
            [policy], Clients(dynamodb, once, functions, functions), TableNames(), concurrency=4, poll_interval=0.2
        )
        background = Background(orchestrator)
        background.start()
        try:
            yield
        finally:
            background.stop()
            background.join(30)
            background.check()


@pytest.fixture
def site(ministack_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A deployment of sosw's, which Airflow may be added to."""
    for name, seconds in (
        ("_BUSY", 0.1),
        ("_LONGEST", 0.3),
        ("_QUIET", 0.2),
        ("_BESIDE", 0.2),
        ("_RETRIES_EVERY", 0.5),
    ):
        monkeypatch.setattr(turn, name, seconds)
    for name, value in ministack_emulator.environment().items():
        monkeypatch.setenv(name, value)
    dynamodb = ministack_emulator.client("dynamodb", retries=True, max_pool_connections=20)
    aws = Aws(dynamodb=dynamodb, s3=None)
    create_missing_tables(dynamodb, names=aws.names)
    one_at_a_time = threading.Lock()

    def report(event: dict[str, Any], ok: bool) -> bool:
        if not ok:
            return False  # sosw's workers that raise report nothing
        message = {
            "action": "mark_task_as_completed",
            "task_id": event["task_id"],
            "result": {"number": event["number"]},
        }
        with one_at_a_time:
            if site.assistant == "sosw":
                theirs.worker_assistant(message)
                return True
            found = assistant.report_of(message)
            assert found is not None
            tables = {"tasks_table": "sosw_tasks", "retry_tasks_table": "sosw_retry_tasks"}
            return assistant.mark(dynamodb, found, now=int(time.time()), **tables)

    edge = LambdaEdge(report, seconds=(0.05, 0.3))
    with running_edge(edge), upstream(aws, labourers={LABOURER: {MAX: 4, "max_attempts": 20}}) as theirs:
        site = Site(aws, ministack_emulator, edge, theirs)
        yield site


def assert_done(site: Site) -> None:
    """Each task was completed; none was invoked twice in one attempt, or again after it completed; nothing is left."""
    site.edge.wait()
    assert ([], dict.fromkeys(site.sent, "1"), []) == (site.edge.failures, site.closed(), site.left())
    for task_id in site.sent:
        executed = site.edge.executed(task_id)
        attempts = [each.attempt for each in executed]
        assert sorted(set(attempts)) == attempts
        assert [Fate.COMPLETED] == [each.fate for each in executed if each.fate is Fate.COMPLETED], executed
        assert executed[-1].fate is Fate.COMPLETED


def test_up_and_down_the_steps(site: Site) -> None:
    """Each step is taken and undone while tasks are queued, running and to be retried; sosw's programs never fail."""
    site.edge.chances = Chances(failed=0.1, silent=0.05)
    walked = [*range(len(STEPS)), *reversed(range(len(STEPS) - 1))]
    for number in walked:
        site.queue(20)
        before = site.by_sosw
        with site.at(STEPS[number]) as cron:
            site.wait_until_closed(len(site.sent) - 10)
        assert [] == cron.failures
        assert (number < 2) == (site.by_sosw > before), f"step {number}"
    with site.at(STEPS[0]) as cron:
        site.wait_until_closed(len(site.sent))
    assert [] == cron.failures
    assert_done(site)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_step_alone(site: Site, number: int) -> None:
    """A deployment that stays at one step processes its queue, retries included."""
    site.edge.chances = Chances(failed=0.2, silent=0.1)
    site.queue(20)
    with site.at(STEPS[number]) as cron:
        site.wait_until_closed(20)
    assert [] == cron.failures
    assert_done(site)


def test_three_hundred_tasks_beside_a_living_sosw(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """At different limits: none is invoked twice, and together they stay below the larger limit and two.

    Here a run of sosw's and a turn of ours follow each other. Two that count at the same instant can reach the sum.
    """
    alone, take_turn = threading.Lock(), turn.LabourerOrchestration.turn

    def turn_alone(labourer: turn.LabourerOrchestration) -> TurnReport:
        with alone:
            return take_turn(labourer)

    monkeypatch.setattr(turn.LabourerOrchestration, "turn", turn_alone)
    counts = []
    for theirs, ours in ((3, 8), (8, 3), (6, 6)):
        site.queue(100)
        site.edge.most_at_once = 0
        begun = site.by_sosw
        with site.at(replace(STEPS[1], limit=theirs, ours={MAX: ours, "scavenger": "upstream"}), alone=alone) as cron:
            site.wait_until_closed(len(site.sent))
        assert [] == cron.failures
        assert site.edge.most_at_once <= max(theirs, ours) + 2
        counts.append((theirs, ours, site.edge.most_at_once, site.by_sosw - begun))
    print("\nlimit of sosw, of ours, at once at most, invoked by sosw:", *counts)
    assert 0 < sum(by_sosw for *_, by_sosw in counts) < 300
    assert_done(site)
