"""The promises of docs/guides/exactly-once.md, checked on the journal of everything that has changed.

Each is a function from what happened to the broken cases; `broken_promises` asks all of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.exceptions import AwsFault, SoswError
from sosw_airflow.jobs.identity import job_of, task_index
from sosw_airflow.scheduling.cancel import CancelResult
from sosw_airflow.scheduling.scheduler import ScheduleResult
from tests.support.deterministic_aws.aws import Change

__all__ = ["Attempt", "Promise", "broken_promises"]

Broken = Iterator[tuple[str, str]]

_TASK_TABLES = ("sosw_tasks", "other_tasks")


@dataclass(frozen=True)
class Promise:
    """That a number of tasks come into the queue, each once.

    :ivar name: attempts that have this word in their names try to keep it.
    :ivar job_ids: of our jobs whose tasks these are.
    :ivar payloads: of the tasks, as JSON with sorted keys.
    :ivar must_cancel: the job was killed with ``cancel_on_kill``.
    """

    name: str
    job_ids: frozenset[str]
    payloads: tuple[str, ...]
    must_cancel: bool = False


@dataclass(frozen=True)
class Attempt:
    """A call of an entry point that has come to its end.

    :ivar begun: and ``ended``: positions in the journal.
    """

    actor: str
    name: str
    begun: int
    ended: int
    value: Any = None
    error: BaseException | None = None

    def of(self, promise: Promise) -> bool:
        """It tried to keep this promise."""
        return promise.name in self.name.split()


@dataclass(frozen=True)
class _Row:
    """A row that has come into a table of tasks."""

    table: str
    task_id: str
    payload: str
    at: int

    @property
    def is_ours(self) -> bool:
        """The provider has written it, not sosw's Scheduler."""
        return not self.task_id.startswith("sosw")


@dataclass
class _History:
    """What the journal says of the tables of tasks."""

    journal: Sequence[Change]
    rows: list[_Row] = field(default_factory=list)
    started: list[tuple[str, int]] = field(default_factory=list)  # id of a task, and when it was invoked

    def __post_init__(self) -> None:
        waiting: set[Any] = set()  # in the retry table: a row that comes back from there is not a new one
        for at, change in enumerate(self.journal):
            if change.place == "sosw_retry_tasks":
                task = (change.after or change.before)["task_id"]["S"]
                (waiting.discard if change.after is None else waiting.add)(task)
            if change.place not in _TASK_TABLES or change.after is None:
                continue
            task = change.after["task_id"]["S"]
            if change.before is None and task in waiting:
                continue
            if change.before is None:
                self.rows.append(_Row(change.place, task, change.after.get("payload", {"S": "null"})["S"], at))
            elif _attempts(change.after) > _attempts(change.before):
                self.started.append((task, at))
            elif _attempts(change.after) < _attempts(change.before):  # the invocation was refused: it has not started
                self.started.remove(next(each for each in reversed(self.started) if each[0] == task))

    def of(self, promise: Promise) -> list[tuple[_Row, str]]:
        """The rows that a promise is about, with their payloads in one spelling."""
        found = []
        for row in self.rows:
            payload = _canonical(row.payload)
            ours = job_of(row.task_id) in promise.job_ids
            if payload in promise.payloads and (ours or not row.is_ours):
                found.append((row, payload))
        return found

    def of_jobs(self, promise: Promise) -> list[_Row]:
        """All rows of the jobs that try to keep a promise, also those of an edited job."""
        return [row for row in self.rows if job_of(row.task_id) in promise.job_ids]


def broken_promises(
    journal: Sequence[Change],
    promises: Iterable[Promise],
    attempts: Sequence[Attempt],
    accepted: frozenset[str],
    *,
    aws_fails: bool = False,
) -> Broken:
    """All that is broken, as a kind and a text.

    :param accepted: names of errors that may be the outcome of the last attempt.
    :param aws_fails: AWS may refuse a request, or people remove objects.
    """
    history = _History(journal)
    for promise in promises:
        own = [attempt for attempt in attempts if attempt.of(promise)]
        yield from _each_task_once(history, promise, own)
        yield from _nothing_starts_after_cancel(history, promise, own)
        yield from _counts_of_cancel_are_true(history, promise, own)
        yield from _cancelled_stays_cancelled(history, promise, own)
        yield from _last_attempt_ends_well(promise, own, accepted)
    yield from _one_plan_for_each_job(history)
    yield from _rows_can_be_read(history)
    yield from _invoked_tasks_are_not_removed(history)
    yield from _errors_are_ours(attempts, aws_fails=aws_fails)


def _each_task_once(history: _History, promise: Promise, attempts: Sequence[Attempt]) -> Broken:
    counts = Counter(payload for _, payload in history.of(promise))
    twice = sorted(payload for payload, number in counts.items() if number > promise.payloads.count(payload))
    if twice:
        total = sum(counts.values())
        yield "twice", f"{total} rows of {len(promise.payloads)} tasks of {promise.name}, such as {twice[0]}"
    cancelled = any(_is_cancelled(attempt) for attempt in attempts)
    success = next((attempt for attempt in attempts if isinstance(attempt.value, ScheduleResult)), None)
    missing = [payload for payload in promise.payloads if payload not in counts]
    if success is not None and missing and not cancelled:
        state = success.value.header.state.value
        yield (
            "never",
            (
                f"{len(missing)} of {len(promise.payloads)} tasks of {promise.name} never came into the queue, though "
                f"{success.name} by {success.actor} says {state!r}"
            ),
        )
    tables = {row.table for row, _ in history.of(promise)}
    if len(tables) > 1:
        yield "split", f"the tasks of {promise.name} are in {' and '.join(sorted(tables))}"


def _nothing_starts_after_cancel(history: _History, promise: Promise, attempts: Sequence[Attempt]) -> Broken:
    done = next((attempt for attempt in attempts if _is_cancelled(attempt)), None)
    if done is None:
        if promise.must_cancel:
            yield "not-cancelled", f"{promise.name} was killed with cancel_on_kill, and is not cancelled"
        return
    # What sosw's own Scheduler had taken cannot be withdrawn: its rows are no longer ours.
    ids = {row.task_id for row, _ in history.of(promise) if row.is_ours or row.at >= done.ended}
    came = [row.task_id for row, _ in history.of(promise) if row.at >= done.ended]
    before = {task for task, at in history.started if at < done.ended}  # it has kept these, and their retries follow
    started = [task for task, at in history.started if at >= done.ended and task in ids - before]
    if came or started:
        yield (
            "after-cancel",
            (
                f"{len(came)} tasks of {promise.name} came into the queue and {len(started)} were started after the "
                f"cancelling had said that it was done"
            ),
        )


def _counts_of_cancel_are_true(history: _History, promise: Promise, attempts: Sequence[Attempt]) -> Broken:
    for attempt in attempts:
        said = attempt.value
        if not isinstance(said, CancelResult) or said.kept is None or said.never_written is None:
            continue
        rows = [row for row, _ in history.of(promise)] + history.of_jobs(promise)
        came = {row.task_id for row in rows if row.at < attempt.ended}
        removed = {
            change.before["task_id"]["S"]
            for change in history.journal[attempt.begun : attempt.ended]
            if change.place in _TASK_TABLES and change.after is None and change.by == attempt.actor
        }
        kept = len(came - removed)
        if said.kept != kept or said.never_written < 0 or (came and said.removed != len(removed)):
            yield (
                "untrue",
                (
                    f"cancelling {promise.name} reports removed={said.removed} kept={said.kept} "
                    f"never_written={said.never_written}; {len(came)} tasks had come into the queue, {len(removed)} "
                    f"of them were removed by it"
                ),
            )


def _cancelled_stays_cancelled(history: _History, promise: Promise, attempts: Sequence[Attempt]) -> Broken:
    done = next((attempt for attempt in attempts if _is_cancelled(attempt)), None)
    later = [
        attempt
        for attempt in attempts
        if done and isinstance(attempt.value, ScheduleResult) and attempt.begun >= done.ended
    ]
    for attempt in later:
        yield "revived", f"{attempt.name} says {attempt.value.header.state.value!r} after the job was cancelled"
    for change in history.journal:
        if change.place == "sosw_jobs" and change.before is not None and change.after is not None:
            before, after = (item.get("state", {}).get("S") for item in (change.before, change.after))
            if before == "cancelled" and after != before and change.after["job_id"]["S"] in promise.job_ids:
                yield "revived", f"the cancelled {promise.name} is {after!r} again"


def _last_attempt_ends_well(promise: Promise, attempts: Sequence[Attempt], accepted: frozenset[str]) -> Broken:
    last = attempts[-1] if attempts else None
    if last is None or last.actor != "-" or last.error is None:
        return
    if type(last.error).__name__ not in accepted:
        text = " ".join(str(last.error).split())
        yield "dead-end", f"{last.name}, undisturbed, ends with {type(last.error).__name__}: {text}"


def _one_plan_for_each_job(history: _History) -> Broken:
    plans: dict[str, list[str]] = {}
    objects: dict[str, Any] = {}
    for change in history.journal:
        if change.place == "s3":
            objects[change.key] = change.after
        elif change.place == "sosw_jobs" and change.before is None and change.after.get("record") == {"S": "header"}:
            header = change.after
            plan = objects.get(header["queue_key"]["S"])
            if plan is not None and plan.metadata.get("sosw-job-fingerprint") == header["fingerprint"]["S"]:
                plans[header["job_id"]["S"]] = plan.body.decode().splitlines()
    for row in history.rows:
        lines = plans.get(job_of(row.task_id))
        if lines is None:
            continue
        index = task_index(row.task_id)
        planned = json.loads(lines[index]) if index < len(lines) else {}
        planned.pop("labourer_id", None)
        if _canonical(row.payload) != json.dumps(planned, sort_keys=True):
            yield "mixed", f"task {index} of the job {job_of(row.task_id)} was planned as {planned}, is {row.payload}"


def _rows_can_be_read(history: _History) -> Broken:
    for row in history.rows:
        fault = _json_fault(row.payload)
        if fault:
            yield "unreadable", f"the payload of {row.task_id} is no JSON for a worker: {fault}"


def _invoked_tasks_are_not_removed(history: _History) -> Broken:
    archived: set[str] = set()
    for change in history.journal:
        if change.place in ("sosw_closed_tasks", "sosw_retry_tasks") and change.after is not None:
            archived.add(change.after["task_id"]["S"])
        elif change.place in _TASK_TABLES and change.after is None and _attempts(change.before) > 0:
            task = change.before["task_id"]["S"]
            if task not in archived:
                yield "invoked-removed", f"{change.by} has removed the task {task}, which a worker had got"


def _errors_are_ours(attempts: Iterable[Attempt], *, aws_fails: bool) -> Broken:
    for attempt in attempts:
        error = attempt.error
        if error is not None and not isinstance(error, SoswError):
            yield "raw-error", f"{attempt.name} by {attempt.actor} ends with {type(error).__name__}: {error}"
        if isinstance(error, AwsFault) and not (aws_fails and error.retryable):
            yield "blames-aws", f"{attempt.name} by {attempt.actor}, which AWS has not refused: {error}"


def _is_cancelled(attempt: Attempt) -> bool:
    """The attempt has cancelled the job, and says so."""
    stopped = type(attempt.error).__name__ == "JobStopped" and "cancelled" in str(attempt.error)
    return isinstance(attempt.value, CancelResult) or stopped


def _attempts(item: Any) -> int:
    return int(item.get("attempts", {"N": "0"})["N"])


def _canonical(payload: str) -> str:
    try:
        return json.dumps(json.loads(payload), sort_keys=True)
    except ValueError:
        return payload


def _json_fault(payload: str) -> str:
    """What a strict reader of JSON finds wrong; empty for nothing."""
    try:
        json.loads(payload, parse_constant=_refuse_constant)
    except ValueError as error:
        return str(error)
    return ""


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
