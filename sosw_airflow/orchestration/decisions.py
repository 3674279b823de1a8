"""What a turn does with the rows that it has read: pure functions of rows, policy and time.

A decision names the transition and its reason; `transitions` carries it out, each as one conditional request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.task_rows import TaskRow

__all__ = ["Decision", "Step", "for_invoked", "for_queued", "for_retries", "running_ids", "share_for_retries"]


class Step(str, Enum):
    """The transitions of one row."""

    CLAIM = "claim"  # queued -> invoked
    COMPLETE = "complete"  # completed -> closed
    RETRY = "retry"  # failed or expired -> retry table
    REQUEUE = "requeue"  # retry table -> queued
    FAIL = "fail"  # attempts used up, or a row that cannot be invoked -> closed as failed


@dataclass(frozen=True)
class Decision:
    """One transition of one row, with the reason for the log and, for `Step.FAIL`, for the closed row."""

    step: Step
    row: TaskRow
    reason: str = ""


def for_invoked(rows: Sequence[TaskRow], policy: LabourerPolicy, *, now: float, expiry: float) -> Iterator[Decision]:
    """Invoked rows that are over: completed, failed, expired. The others are at work and get no decision.

    :param now: seconds since 1970.
    :param expiry: seconds after which an invoked task counts as lost.
    """
    if policy.upstream_scavenger:
        return
    for row in rows:
        if row.completed:
            yield Decision(Step.COMPLETE, row)
        elif row.failed:
            yield _after_failure(row, policy, "its worker failed")
        elif row.invoked_at + expiry <= now:
            yield _after_failure(row, policy, f"no worker reported for {expiry:,.0f} s")


def running_ids(rows: Sequence[TaskRow], own_claims: Collection[str], *, now: float, expiry: float) -> list[str]:
    """Ids of the tasks at work: invoked rows that are not over, and own claims that the index does not show yet."""
    shown = {row.task_id for row in rows}
    active = [row.task_id for row in rows if not (row.completed or row.failed or row.invoked_at + expiry <= now)]
    return [*active, *(task_id for task_id in own_claims if task_id not in shown)]


def for_queued(
    rows: Sequence[TaskRow],
    policy: LabourerPolicy,
    *,
    free: int,
    own_claims: Collection[str],
    rooms: MutableMapping[str, int] | None = None,
) -> Iterator[Decision]:
    """Rows of the queue, in order. Rows whose job has reached its own limit wait, and others pass them.

    :param free: invocations that may be added now.
    :param own_claims: ids of tasks that this orchestrator has claimed; an index that lags shows them as queued.
    :param rooms: invocations that may be added of each job that has a limit of its own; counted down.
    """
    rooms = {} if rooms is None else rooms
    for row in rows:
        if row.task_id in own_claims:
            continue
        if row.completed:
            # A worker that was late: the task is done, and must not be invoked again (E9).
            if not policy.upstream_scavenger:
                yield Decision(Step.COMPLETE, row)
        elif row.fault:
            yield Decision(Step.FAIL, row, f"it cannot be invoked: {row.fault}")
        elif row.attempts >= policy.max_attempts:
            yield Decision(Step.FAIL, row, _used_up(row, policy))
        elif free > 0 and rooms.get(job_of(row.task_id), free) > 0:
            free -= 1
            if job_of(row.task_id) in rooms:
                rooms[job_of(row.task_id)] -= 1
            yield Decision(Step.CLAIM, row)


def share_for_retries(free: int) -> int:
    """Retries that may come back in one turn: a quarter of the free places, so that fresh tasks pass too (E15).

    >>> [share_for_retries(free) for free in (0, 1, 4, 100)]
    [0, 1, 1, 25]
    """
    return min(free, max(1, free // 4))


def for_retries(rows: Sequence[TaskRow], *, free: int) -> Iterator[Decision]:
    """Rows of the retry table that are due, the longest wait first."""
    places = share_for_retries(free)
    for row in rows:
        if row.completed:
            yield Decision(Step.COMPLETE, row)  # the assistant has met a late worker's report (E8)
        elif places > 0:
            places -= 1
            yield Decision(Step.REQUEUE, row)


def _after_failure(row: TaskRow, policy: LabourerPolicy, reason: str) -> Decision:
    if row.attempts >= policy.max_attempts:
        return Decision(Step.FAIL, row, f"{reason}; {_used_up(row, policy)}")
    return Decision(Step.RETRY, row, reason)


def _used_up(row: TaskRow, policy: LabourerPolicy) -> str:
    return f"{row.attempts} of {counted(policy.max_attempts, 'attempt is', 'attempts are')} used up"
