"""Two orchestrators of one labourer, ours or upstream's: nothing is invoked twice, by lease or without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from sosw_airflow.orchestration.readings import LabourerRows
from sosw_airflow.orchestration.transitions import Transitions
from sosw_airflow.stores.tables import TableNames
from tests.conftest import Aws
from tests.integration.orchestration.conftest import LABOURER, NOW, Labourer
from tests.support.upstream.components import Upstream, upstream


def test_the_second_waits_and_takes_over_at_once_after_an_orderly_end(labourer: Labourer) -> None:
    """A queue with a living waiter is not without a holder for longer than a poll."""
    labourer.queue(*"ab")
    here, there = (labourer.orchestration(name, max_simultaneous_invocations=1) for name in ("here", "there"))
    assert ("a", "here") == ((here.turn(), labourer.words())[1], there.turn().holder)
    here.release()
    labourer.report(labourer.function.events[0])
    there.turn()
    assert "ab" == labourer.words()


def test_the_next_holder_resumes_what_a_crash_has_left(labourer: Labourer) -> None:
    """The rows say everything: running ones count, completed ones are closed, the queue continues."""
    labourer.queue(*"abc")
    labourer.orchestration("crashed", max_simultaneous_invocations=2).turn()
    labourer.report(labourer.function.events[0])
    there = labourer.orchestration("there", max_simultaneous_invocations=2)
    there.turn()
    labourer.pass_time(60)
    report = there.turn()
    assert (1, 1, 2, "abc") == (report.completed, report.invoked, report.running, labourer.words())


def test_a_claim_excludes_another_of_the_same_row(labourer: Labourer) -> None:
    """By its condition alone, in the very same second."""
    labourer.queue("a")
    (row,) = LabourerRows(labourer.aws.dynamodb, TableNames(), LABOURER).head(now=int(NOW), rows=1)
    here, there = (Transitions(labourer.aws.dynamodb, TableNames(), name) for name in ("here", "there"))
    assert here.claim(row, now=int(NOW)) is not None
    assert there.claim(row, now=int(NOW)) is None


@pytest.mark.parametrize("applied", [True, False])
def test_a_claim_whose_answer_is_lost(labourer: Labourer, applied: bool) -> None:
    """The row says whether it happened, and whose it is."""
    labourer.queue("a")
    (row,) = LabourerRows(labourer.aws.dynamodb, TableNames(), LABOURER).head(now=int(NOW), rows=1)

    class Lossy:
        def __getattr__(self, name: str) -> Any:
            return getattr(labourer.clients.dynamodb, name)

        def update_item(self, **arguments: Any) -> Any:
            if applied:
                labourer.clients.dynamodb.update_item(**arguments)
            raise ReadTimeoutError(endpoint_url="x")

    here = Transitions(Lossy(), TableNames(), "here")
    if applied:
        assert here.claim(row, now=int(NOW)) is not None
    else:
        with pytest.raises(Exception, match="UpdateItem"):
            here.claim(row, now=int(NOW))


@pytest.fixture
def sosw(aws: Aws) -> Iterator[Upstream]:
    """The real Orchestrator, Scavenger and WorkerAssistant of sosw 0.7.51 beside ours."""
    with upstream(aws, labourers={LABOURER: {"max_simultaneous_invocations": 3}}) as running:
        yield running


def test_upstreams_orchestrator_beside_ours(labourer: Labourer, sosw: Upstream) -> None:
    """Their claims exclude each other; together they stay at the larger limit."""
    labourer.now = time.time()
    labourer.queue(*"abcdefgh")
    ours = labourer.orchestration(max_simultaneous_invocations=5, scavenger="upstream")
    sosw.orchestrator({})
    assert 2 == ours.turn().invoked
    theirs = [payload["word"] for _, payload in sosw.invocations]
    assert list("abcde") == sorted([*theirs, *labourer.words()])


def test_upstreams_scavenger_archives_what_ours_has_invoked(labourer: Labourer, sosw: Upstream) -> None:
    """With ``scavenger: upstream`` ours leaves closing to it, and its worker assistant marks our rows."""
    labourer.now = time.time()
    labourer.queue(*"ab")
    ours = labourer.orchestration(max_simultaneous_invocations=5, scavenger="upstream")
    ours.turn()
    for event in labourer.function.events:
        sosw.worker_assistant({"action": "mark_task_as_completed", "task_id": event["task_id"]})
    assert 0 == ours.turn().completed
    sosw.scavenger({})
    assert ({"a": "1", "b": "1"}, {"tasks": [], "retries": []}) == (labourer.closed(), labourer.left())


def test_ours_closes_what_upstream_has_invoked(labourer: Labourer, sosw: Upstream) -> None:
    """After its Scavenger is switched off."""
    labourer.now = time.time()
    labourer.queue(*"ab")
    sosw.orchestrator({})
    for _, payload in sosw.invocations:
        sosw.worker_assistant({"action": "mark_task_as_completed", "task_id": payload["task_id"]})
    ours = labourer.orchestration()
    assert 2 == ours.turn().completed
    assert ({"a": "1", "b": "1"}, {"tasks": [], "retries": []}) == (labourer.closed(), labourer.left())
