"""The defects of sosw 0.7.51's Scavenger and retries, each on the real thing and not in ours (ORCHESTRATION.md 12)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sosw_airflow.orchestration.decisions import share_for_retries
from sosw_airflow.orchestration.expiry import FunctionFacts, expiry_seconds
from tests.conftest import Aws
from tests.integration.orchestration.conftest import LABOURER, Labourer, MakeSosw
from tests.support.upstream.components import Upstream

# isort: split
from sosw.components.sns import SnsManager

if TYPE_CHECKING:
    import pytest

LETTERS = "abcdefghijklmnopqrstuvwxy"


def expired(labourer: Labourer, theirs: Upstream, *words: str) -> None:
    """Tasks that upstream has invoked and whose time is over."""
    labourer.queue(*words)
    theirs.orchestrator({})
    for word in words:
        theirs.expire(word * 32)


def invoked(theirs: Upstream) -> str:
    """The words of upstream's invocations, in order."""
    return "".join(payload["word"] for _, payload in theirs.invocations)


def test_e11_a_second_scavenger_with_an_old_reading(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream's takes away the row that the first has brought back and that runs, and the task runs a third time.

    Here the transition is refused, since the row's place and attempts are others than those that were read.
    """
    with sosw() as theirs:
        expired(labourer, theirs, "a")
        second = Upstream(theirs.aws, theirs.labourers, theirs.chunkable_attrs)
        (worker,) = second.scavenger.task_client.register_labourers()
        (old,) = second.scavenger.task_client.get_expired_tasks_for_labourer(worker)
        theirs.scavenger({})
        theirs.end_delay(LABOURER, "a" * 32)
        theirs.scavenger({})
        theirs.orchestrator({})
        second.scavenger.process_expired_task(worker, old)
        assert ("aa", {"tasks": [], "retries": ["a"]}) == (invoked(theirs), labourer.left())
        theirs.end_delay(LABOURER, "a" * 32)
        theirs.scavenger({})
        theirs.orchestrator({})
        assert ("aaa", ["2"]) == (invoked(theirs), [row["attempts"]["N"] for row in labourer.aws.rows()])

    labourer.queue("b")
    here, there = (labourer.orchestration(name, retry_delay=1) for name in ("here", "there"))
    here.turn()
    (was,) = [row for row in there._rows.invoked(now=int(labourer.now)) if row.task_id == "b" * 32]
    for seconds in (3600, 60, 60):
        labourer.pass_time(seconds)
        here.turn()
    assert 2 == labourer.words().count("b")
    assert not there._transitions.retry(was, launch_at=0)
    assert "b" in labourer.left()["tasks"]


def test_e13_messages_about_dead_tasks(
    aws: Aws, labourer: Labourer, sosw: MakeSosw, caplog: pytest.LogCaptureFixture
) -> None:
    """Upstream keeps them in memory until its object dies; here log and closed row have the reason at once."""
    published: list[Any] = []
    with sosw(max_attempts=1) as theirs:
        messages = SnsManager(config={"recipient": "arn:aws:sns:us-west-2:123456789012:sosw_info", "subject": "sosw"})
        messages.client = type("Sns", (), {"publish": lambda self, **message: published.append(message)})()
        theirs.scavenger.sns_client = messages
        for word in "abc":
            expired(labourer, theirs, word)
            theirs.scavenger({})
        assert ([], 3) == (published, len(messages.queue))
        messages.queue.clear()
    labourer.queue("d")
    ours = labourer.orchestration(max_attempts=1)
    ours.turn()
    labourer.pass_time(3600)
    with caplog.at_level(logging.WARNING):
        ours.turn()
    (row,) = [row for row in aws.rows("sosw_closed_tasks") if row["task_id"]["S"] == "d" * 32]
    assert "no worker reported for 125 s; 1 of 1 attempt is used up" == row["closed_reason"]["S"]
    assert any("d" * 32 in each.getMessage() for each in caplog.records)


def test_e15_retries_before_fresh_tasks(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream fills all places with tasks that have failed; here a fresh one is invoked beside."""
    with sosw(max_simultaneous_invocations=2) as theirs:
        expired(labourer, theirs, *"ab")
        labourer.queue(*"cd", first=5)
        theirs.scavenger({})
        for word in "ab":
            theirs.end_delay(LABOURER, word * 32)
        theirs.scavenger({})
        theirs.orchestrator({})
        assert ["a", "a", "b", "b"] == sorted(invoked(theirs))
        for word in "ab":
            theirs.expire(word * 32)
        theirs.scavenger({})
        for word in "ab":
            theirs.end_delay(LABOURER, word * 32)
    labourer.orchestration(max_simultaneous_invocations=2).turn()
    assert ("c", True) == (labourer.words()[1], labourer.words()[0] in "ab")


def test_e16_a_burst_of_retries(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream brings back 20 a minute; here a quarter of the free places, each turn: 25 of 100 in the first second."""
    with sosw(max_simultaneous_invocations=25) as theirs:
        expired(labourer, theirs, *LETTERS)
        theirs.scavenger({})
        for word in LETTERS:
            theirs.end_delay(LABOURER, word * 32)
        theirs.scavenger({})
        assert 20 == len(labourer.left()["tasks"])
        assert 5 == len(labourer.left()["retries"])
    ours = labourer.orchestration(max_simultaneous_invocations=100)
    assert (5, 25) == ((report := ours.turn()).requeued, report.invoked)
    assert 25 == share_for_retries(100)


def test_e19_the_expiry_covers_what_lambda_may_still_do(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream gives up after 20 minutes, although Lambda may still start the task for six hours.

    That Lambda keeps an event so long when it throttles is AWS's documentation; no emulator does it.
    """
    with sosw() as theirs:
        expired(labourer, theirs, "a")
        theirs.scavenger({})
        assert {"tasks": [], "retries": ["a"]} == labourer.left()
    assert expiry_seconds(FunctionFacts(timeout=30), asynchronous=True) > 21_600


def test_e22_a_row_that_is_completed_after_it_was_read(labourer: Labourer) -> None:
    """Upstream closes by another reading, which may be stale; that could not be provoked on an emulator.

    Here a row is closed as it was read, and only if no worker has reported since.
    """
    labourer.queue("a")
    ours = labourer.orchestration(max_attempts=1)
    ours.turn()
    (stale,) = ours._rows.invoked(now=int(labourer.now))
    labourer.report(labourer.function.events[0])
    assert not ours._transitions.fail(stale, now=int(labourer.now), reason="no worker reported")
    ours.turn()
    assert ({"a": "1"}, {"tasks": [], "retries": []}) == (labourer.closed(), labourer.left())
