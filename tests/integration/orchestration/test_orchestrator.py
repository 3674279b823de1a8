"""Many labourers side by side: until nothing is left, once, until it is stopped."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow.jobs.metrics import Kind, Metric
from sosw_airflow.orchestration import turn as module
from sosw_airflow.orchestration.orchestrator import Orchestrator
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.stores.tables import TableNames
from tests.integration.orchestration.conftest import Labourer, Reply

MakeOrchestrator = Callable[..., Orchestrator]


@pytest.fixture
def make(labourer: Labourer, monkeypatch: pytest.MonkeyPatch) -> MakeOrchestrator:
    """An orchestrator of the labourer `worker` and of others, whose turns follow each other at once."""
    for name in ("_BUSY", "_QUIET", "_BESIDE"):
        monkeypatch.setattr(module, name, 0.01)

    def build(*others: str, **settings: Any) -> Orchestrator:
        policies = [LabourerPolicy.of(name, {"invocation": "request", **settings}) for name in ("worker", *others)]
        return Orchestrator(policies, labourer.clients, TableNames(), concurrency=1, poll_interval=0.05)

    return build


@pytest.fixture
def answering(labourer: Labourer) -> None:
    """The function ends well at once."""
    labourer.function.reply = lambda event: (200, "", b'"done"')


def queue_of(labourer: Labourer, name: str, *words: str) -> None:
    """Tasks of another labourer."""
    labourer.queue(*words, labourer_id={"S": name})


def test_until_nothing_is_left(labourer: Labourer, make: MakeOrchestrator, answering: None) -> None:
    """All tasks of all labourers are closed."""
    labourer.queue(*"abcde")
    queue_of(labourer, "other", *"vwxyz")
    reports = make("other", max_simultaneous_invocations=2).run(until_idle=True)
    assert dict.fromkeys("abcdevwxyz", "1") == labourer.closed()
    assert [True, True] == [each.idle for each in reports]


def test_several_labourers_of_one_function(labourer: Labourer, make: MakeOrchestrator, answering: None) -> None:
    """Each has its queue and its limit, which are partitions of their own in DynamoDB; the function works on all."""
    arn = "arn:aws:lambda:us-west-2:123456789012:function:worker"
    labourer.queue(*"abc")
    queue_of(labourer, "worker-2", *"xyz")
    orchestrator = make("worker-2", arn=arn, max_simultaneous_invocations=2)
    orchestrator.run(until_idle=True)
    assert dict.fromkeys("abcxyz", "1") == labourer.closed()
    assert {policy.function for policy in orchestrator.policies} == {arn}
    assert [orchestrator.totals[name]["completed"] for name in ("worker", "worker-2")] == [3, 3]


def test_once(labourer: Labourer, make: MakeOrchestrator, answering: None) -> None:
    """One turn of each labourer; its synchronous invocations end before it returns."""
    labourer.queue(*"abc")
    make(max_simultaneous_invocations=2).run(once=True)
    assert "ab" == labourer.words()
    assert ["completed_at" in row for row in labourer.aws.rows()].count(True) == 2


def test_a_stop_ends_it_and_releases_the_lease(labourer: Labourer, make: MakeOrchestrator, answering: None) -> None:
    """The next orchestrator need not wait for the lease to run out."""
    orchestrator = make()
    running = threading.Thread(target=orchestrator.run)
    labourer.queue("a")
    running.start()
    deadline = time.monotonic() + 20
    while not labourer.closed() and time.monotonic() < deadline:
        time.sleep(0.02)
    orchestrator.stop.set()
    running.join(10)
    assert (False, {"a": "1"}) == (running.is_alive(), labourer.closed())
    labourer.queue("b")
    assert not labourer.orchestration("next", invocation="request").turn().holder


def test_a_deadline_ends_it(make: MakeOrchestrator) -> None:
    """With an empty queue too."""
    begun = time.monotonic()
    make().run(deadline=begun + 0.3)
    assert time.monotonic() - begun < 5


def test_a_labourer_with_a_fault_does_not_hold_up_the_others(labourer: Labourer, make: MakeOrchestrator) -> None:
    """It pauses alone (E2)."""

    def reply(event: dict[str, Any]) -> Reply:
        if event["labourer_id"] == "worker":
            return 404, "ResourceNotFoundException", b"{}"
        return 200, "", b"1"

    labourer.function.reply = reply
    labourer.queue("a")
    queue_of(labourer, "other", "x")
    reports = make("other").run(deadline=time.monotonic() + 2)
    assert {"x": "1"} == labourer.closed()
    assert {"tasks": ["a"], "retries": []} == labourer.left()
    assert {"worker", "other"} == {each.labourer_id for each in reports}


@pytest.mark.parametrize(("due", "least"), [({}, 0.9), ({"worker": 3600.0}, 0.9), ({"worker": 0.5}, 0.4)])
def test_a_loop_without_a_turn_to_do_waits(due: dict[str, float], least: float) -> None:
    """Until the next turn, a second at most: it would take a whole processor otherwise."""
    now = time.monotonic()
    wait = Orchestrator._patience({name: now + seconds for name, seconds in due.items()}, None)
    assert least < wait <= 1.0


def test_turns_are_metrics(labourer: Labourer, make: MakeOrchestrator) -> None:
    """One task fails twice: two invocations, a retry, a failure for good; no value is reported that is zero."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (200, "Handled", b'{"errorType": "E"}')
    values: Counter[str] = Counter()

    def report(metric: Metric, value: float, labourer_id: str) -> None:
        assert labourer_id == "worker"
        values[metric.name] += int(value) if metric.kind is Kind.COUNTER else 1

    orchestrator = make(max_attempts=2, retry_delay=0)
    orchestrator.metrics = report
    orchestrator.run(until_idle=True)
    counted = {name: count for name, count in values.items() if not name.startswith("sosw.queue.")}
    assert counted == {
        "sosw.tasks.invoked": 2,
        "sosw.tasks.retried": 1,
        "sosw.tasks.failed": 1,
        "sosw.invoke.latency": 2,
    }
