"""What a turn decides for the rows that it has read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.orchestration.decisions import (
    Step,
    for_invoked,
    for_queued,
    for_retries,
    running_ids,
    share_for_retries,
)
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.task_rows import INVOCATION_DELTA, TaskRow, event_of, row_of

NOW = 1_795_431_627
POLICY = LabourerPolicy.of("worker", {"max_attempts": 3})


def row(task_id: str = "a" * 32, *, ago: int | None = None, attempts: int = 1, **more: Any) -> TaskRow:
    """A row that was invoked so many seconds ago; without them one that is queued."""
    item = {
        "task_id": {"S": task_id},
        "labourer_id": {"S": "worker"},
        "payload": {"S": '{"words": ["x"]}'},
        "created_at": {"N": "1795431627.651599"},
        "greenfield": {"N": str(2000 if ago is None else NOW - ago + INVOCATION_DELTA)},
        "attempts": {"N": str(attempts)},
        **more,
    }
    return row_of({name: value for name, value in item.items() if value is not None})


def steps(rows: list[TaskRow], policy: LabourerPolicy = POLICY) -> list[Step]:
    """The transitions of invoked rows at an expiry of 100 s."""
    return [each.step for each in for_invoked(rows, policy, now=NOW, expiry=100)]


DONE = {"completed_at": {"N": str(NOW - 1)}}
FAILED = {"failed_attempt": {"N": "1"}}


@pytest.mark.parametrize(
    ("invoked", "wanted"),
    [
        (row(ago=10), []),
        (row(ago=10, **DONE), [Step.COMPLETE]),
        (row(ago=1000, **DONE), [Step.COMPLETE]),
        (row(ago=99), []),
        (row(ago=100), [Step.RETRY]),
        (row(ago=100, attempts=3), [Step.FAIL]),
        (row(ago=10, **FAILED), [Step.RETRY]),
        (row(ago=10, attempts=2, **FAILED), []),
        (row(ago=10, attempts=3, failed_attempt={"N": "3"}), [Step.FAIL]),
    ],
    ids=[
        "at work",
        "completed",
        "completed, then its time ran out",
        "just in time",
        "expired",
        "expired for the last time",
        "its worker failed",
        "the worker of an earlier attempt failed",
        "its worker failed for the last time",
    ],
)
def test_invoked_rows(invoked: TaskRow, wanted: list[Step]) -> None:
    """A row that is over gets its transition; one that is at work gets none."""
    assert wanted == steps([invoked])


def test_upstreams_scavenger_keeps_its_work() -> None:
    """Beside a living Scavenger the orchestrator only claims: that one crashes on rows that others archive (E12)."""
    policy = LabourerPolicy.of("worker", {"scavenger": "upstream"})
    assert [] == steps([row(ago=10, **DONE), row(ago=1000)], policy)


def test_queued_rows_are_claimed_in_order_up_to_the_free_places() -> None:
    """The head of the queue comes first; own claims that the index still shows as queued are passed over."""
    rows = [row(task_id=name * 32, attempts=0) for name in "abcd"]
    decisions = list(for_queued(rows, POLICY, free=2, own_claims={"a" * 32}))
    assert [(Step.CLAIM, "b"), (Step.CLAIM, "c")] == [(each.step, each.row.task_id[0]) for each in decisions]


@pytest.mark.parametrize(
    ("queued", "wanted", "reason"),
    [
        (row(**DONE), Step.COMPLETE, ""),
        (row(attempts=3), Step.FAIL, "3 of 3 attempts"),
        (row(payload={"M": {}}), Step.FAIL, "payload is not a text"),
        (row(payload={"S": "[1]"}), Step.FAIL, "payload is not a JSON object"),
        (row(payload={"S": "{"}), Step.FAIL, "payload is not valid JSON"),
        (row(payload=None), Step.FAIL, "payload is not a text"),
        (row(created_at=None), Step.FAIL, "created_at is not a number"),
        (row(created_at={"S": "x"}), Step.FAIL, "created_at is not a number"),
    ],
)
def test_a_row_that_must_not_be_invoked(queued: TaskRow, wanted: Step, reason: str) -> None:
    """It is closed with its reason and takes no place; the rows behind it continue (E9, E20)."""
    decisions = list(for_queued([queued, row("b" * 32, attempts=0)], POLICY, free=1, own_claims=()))
    assert [wanted, Step.CLAIM] == [each.step for each in decisions]
    assert reason in decisions[0].reason


def test_attempts_of_a_wrong_type() -> None:
    """Upstream stops for every labourer at such a row (E20)."""
    faulty = row_of({**row().item, "attempts": {"S": "0"}})
    (decision,) = for_queued([faulty], POLICY, free=1, own_claims=())
    assert (Step.FAIL, "it cannot be invoked: attempts is not a whole number") == (decision.step, decision.reason)


def test_own_claims_count_as_running_until_the_index_shows_them() -> None:
    """An index that lags must not let the limit be passed."""
    shown = [row("a" * 32, ago=1), row("b" * 32, ago=1, **DONE)]
    assert ["a" * 32, "c" * 32] == running_ids(shown, {"a" * 32, "c" * 32}, now=NOW, expiry=100)


def test_retries_take_a_quarter_of_the_free_places() -> None:
    """Fresh tasks pass too (E15); a retry that was completed late is closed and takes none."""
    rows = [row(name * 32, ago=None, **({} if name != "a" else DONE)) for name in "abcd"]
    assert [Step.COMPLETE, Step.REQUEUE, Step.REQUEUE] == [each.step for each in for_retries(rows, free=8)]


@given(st.integers(0, 10_000))
def test_the_share_for_retries_is_never_nothing(free: int) -> None:
    """A labourer of limit 1 retries too."""
    share = share_for_retries(free)
    assert min(free, 1) <= share <= max(1, free // 4)


def test_the_event_is_upstreams() -> None:
    """The payload with the row's attributes beside it; `attempts` as before the invocation (ORCHESTRATION.md 5.2)."""
    wanted = {
        "words": ["x"],
        "task_id": "a" * 32,
        "labourer_id": "worker",
        "created_at": 1795431627.651599,
        "greenfield": 2000,
        "attempts": 0,
    }
    assert wanted == json.loads(json.dumps(event_of(row(attempts=0))))
