"""Where new tasks stand in the queue (sosw rule 9)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import QueueFull
from sosw_airflow.jobs.greenfield import STEP, Placement, place_at_back, place_at_front

NOW = 1_795_431_627
MARGIN = 86_400


def back(newest: int | None, tasks: int, now: int = NOW) -> Placement:
    """A placement behind what waits."""
    return place_at_back(newest, tasks, now=now, labourer_id="puller")


def front(oldest: int | None, tasks: int, now: int = NOW) -> Placement:
    """A placement before what waits."""
    return place_at_front(oldest, tasks, now=now, labourer_id="puller")


def test_an_empty_queue_begins_at_2000() -> None:
    """As upstream's: 1000 after a newest of 1000."""
    assert [2000, 3000, 4000] == [back(None, 3).of(index) for index in range(3)]


def test_new_tasks_stand_behind_the_newest_a_step_apart() -> None:
    """1000, like upstream's `greenfield_task_step`."""
    assert [8000, 9000] == [back(7000, 2).of(index) for index in range(2)]


@given(
    newest=st.none() | st.integers(-(10**9), NOW),
    tasks=st.integers(1, 10**10),
    now=st.integers(1_500_000_000, 4_000_000_000),
)
def test_a_job_stands_behind_the_newest_and_below_now_or_is_refused(newest: int | None, tasks: int, now: int) -> None:
    """Ascending, a day's room to the present; refused exactly if not even steps of 1 would fit."""
    base = 1000 if newest is None else newest
    fits = tasks <= now - MARGIN - base
    if not fits:
        with pytest.raises(QueueFull) as full:
            back(newest, tasks, now)
        assert (tasks, max(now - MARGIN - base, 0)) == (full.value.tasks, full.value.room)
        return
    placement = back(newest, tasks, now)
    assert base < placement.of(0)
    assert placement.of(tasks - 1) <= now - MARGIN
    assert 1 <= placement.step <= STEP


@given(st.integers(-(10**9), NOW), st.integers(1, 10**6), st.integers(0, 10**6 - 2))
def test_greenfields_ascend_strictly(newest: int, tasks: int, index: int) -> None:
    """Each task stands behind the one before it."""
    try:
        placement = back(newest, tasks)
    except QueueFull:
        return
    assert placement.of(index) < placement.of(index + 1)


def test_the_step_shrinks_for_a_large_job() -> None:
    """Two million tasks on an empty queue: upstream would run past the present."""
    placement = back(None, 2_000_000)
    assert 897 == placement.step
    assert placement.of(1_999_999) <= NOW - MARGIN


def test_jobs_one_after_the_other_keep_their_order() -> None:
    """The second begins where the first ended, until no room is left."""
    first = back(None, 1_000_000)
    second = back(first.of(999_999), 1_000_000)
    assert first.of(999_999) < second.of(0) < second.of(999_999) <= NOW - MARGIN


def test_a_queue_too_full_says_how_much_fits() -> None:
    """And what to do about it."""
    with pytest.raises(QueueFull) as refused:
        back(NOW - MARGIN - 10, 11)
    assert (
        f"The queue of the labourer 'puller' has room for 10 of the job's 11 tasks. Nothing was written. (Its "
        f"newest greenfield is {NOW - MARGIN - 10}; rows above the present, {NOW}, count as invoked.) "
        f"Fix: let the queue run empty and retry, or split the job."
    ) == str(refused.value)


def test_a_full_queue_may_be_tried_again() -> None:
    """The Orchestrator empties it in the meantime."""
    assert QueueFull.retryable


@given(oldest=st.integers(-(10**15), NOW), tasks=st.integers(1, 10**9))
def test_the_front_is_before_everything_that_waits(oldest: int, tasks: int) -> None:
    """The last task stands one step before the oldest one, the first task of the job at the head."""
    placement = front(oldest, tasks)
    assert (oldest - STEP, STEP) == (placement.of(tasks - 1), placement.step)
    assert placement.of(0) <= placement.of(tasks - 1) < oldest


@pytest.mark.parametrize("tasks", [1, 5_000_000])
def test_front_and_back_of_an_empty_queue_are_the_same(tasks: int) -> None:
    """Nothing waits there."""
    assert back(None, tasks) == front(None, tasks)


def test_greenfields_may_be_negative() -> None:
    """A large job before a young queue: sosw sorts numbers, and there is no lowest one."""
    assert -999_997_000 == front(3000, 1_000_000).of(0)


def placement_cases() -> Any:
    """Bases and steps as a header may hold them."""
    return st.builds(Placement, base=st.integers(-(10**12), 10**12), step=st.integers(1, STEP))


@given(placement_cases(), st.integers(0, 10**9))
def test_a_placement_needs_no_list(placement: Placement, index: int) -> None:
    """Any task's greenfield follows from its index."""
    assert placement.base + placement.step * (index + 1) == placement.of(index)
