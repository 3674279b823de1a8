"""A pause that a person has ordered: nothing is claimed, what runs is closed, and no request is added."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.orchestration.labourer_pause import LabourerPause, pause_labourer, resume_labourer
from sosw_airflow.stores.lease_item import read_lease
from tests.integration.orchestration.conftest import LABOURER, Labourer

PAUSE = LabourerPause("alice", 1_795_431_000, "the shop is closed")


def pause(labourer: Labourer) -> LabourerPause | None:
    """Alice pauses the labourer."""
    return pause_labourer(labourer.aws.dynamodb, "sosw_jobs", LABOURER, PAUSE)


def resume(labourer: Labourer) -> LabourerPause | None:
    """The pause ends."""
    return resume_labourer(labourer.aws.dynamodb, "sosw_jobs", LABOURER)


def test_a_paused_labourer_claims_nothing(labourer: Labourer) -> None:
    """Though no orchestrator was there when it was paused; the report says who, since when and why."""
    labourer.queue("a", "b")
    pause(labourer)
    report = labourer.orchestration().turn()
    assert (labourer.function.events, report.limit, report.lasting) == ([], 0, True)
    assert report.paused == (
        "alice has paused it on 2026-11-23 10:50 UTC: the shop is closed. Fix: sosw-airflow resume worker"
    )


def test_a_holder_follows_with_its_next_beat(labourer: Labourer) -> None:
    """Within a quarter of the lease's length, both when it is paused and when it continues."""
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    labourer.queue("a", "b", "c")
    orchestration.turn()
    pause(labourer)
    labourer.report(labourer.function.events[0])
    labourer.pass_time(16)
    closed = orchestration.turn()
    assert (closed.completed, closed.invoked, closed.running) == (1, 0, 0)
    resume(labourer)
    labourer.pass_time(16)
    assert orchestration.turn().invoked == 1


def test_what_runs_is_awaited(labourer: Labourer) -> None:
    """Whoever orchestrates until the queue is idle ends when the tasks that were invoked before are closed."""
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    labourer.queue("a", "b")
    orchestration.turn()
    pause(labourer)
    labourer.pass_time(16)
    assert not orchestration.turn().lasting
    labourer.report(labourer.function.events[0])
    orchestration.turn()
    labourer.pass_time(11)
    assert orchestration.turn().lasting


def test_a_paused_labourer_without_a_task_is_idle(labourer: Labourer) -> None:
    """Nothing is left that its pause could hold back."""
    pause(labourer)
    report = labourer.orchestration().turn()
    assert (report.idle, report.paused) == (True, "")


def test_no_request_is_added(labourer: Labourer) -> None:
    """Neither to a turn, nor to a beat: the pause comes with what is read and written anyway."""
    requests: list[str] = []
    labourer.aws.dynamodb.meta.events.register("before-send.dynamodb", lambda request, **_: requests.append("one"))
    labourer.queue("a", "b")
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    orchestration.turn()
    labourer.pass_time(16)
    orchestration.turn()
    before = len(requests)
    pause(labourer)
    labourer.pass_time(16)
    orchestration.turn()
    free = len(requests) - before - 1
    requests.clear()
    resume(labourer)
    labourer.pass_time(16)
    orchestration.turn()
    assert free <= len(requests) - 1


def test_a_pause_and_its_end_say_what_was_before(labourer: Labourer) -> None:
    """A second pause takes the place of the first; the end of none is none."""
    assert (pause(labourer), pause(labourer)) == (None, PAUSE)
    assert (resume(labourer), resume(labourer)) == (PAUSE, None)
    item: dict[str, Any] = read_lease(labourer.aws.dynamodb, "sosw_jobs", LABOURER)
    assert item.keys() == {"job_id", "record", "fence", "beat"}


def test_a_long_reason_is_cut(labourer: Labourer) -> None:
    """The item stays small, so that a beat costs one write unit."""
    pause_labourer(labourer.aws.dynamodb, "sosw_jobs", LABOURER, LabourerPause("a" * 500, 1, "b" * 5000))
    former = resume(labourer)
    assert former == LabourerPause("a" * 60, 1, "b" * 200)


@pytest.mark.parametrize("at", ["NaN", "1e400", "-5", "99999999999999"])
def test_a_damaged_pause_is_a_pause(labourer: Labourer, at: str) -> None:
    """Whatever its time is."""
    found = LabourerPause.of_lease({"paused_at": {"N": at}})
    assert found is not None
    assert "UTC" in str(found)
