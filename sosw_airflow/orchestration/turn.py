"""One labourer's orchestration, turn by turn: read, decide, carry out.

`LabourerOrchestration` keeps what lasts between turns: the lease, the pace, own claims that the index does not show
yet. The rows say everything else, so a turn continues wherever another process has stopped.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sosw_airflow.exceptions import AwsFault, JobCancelled, SoswError
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.jobs.metrics import Report, unreported
from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.decisions import (
    Decision,
    Step,
    for_invoked,
    for_retries,
    running_ids,
    share_for_retries,
)
from sosw_airflow.orchestration.facts import LabourerFacts
from sosw_airflow.orchestration.invoker import Answer, Outcome, invoke
from sosw_airflow.orchestration.labourer_pause import LabourerPause, resume_command
from sosw_airflow.orchestration.lease import LEASE_SECONDS, Lease
from sosw_airflow.orchestration.pace import FaultPause, InvocationPace, TaskDurations, passes_by_itself
from sosw_airflow.orchestration.policy import Invocation, LabourerPolicy
from sosw_airflow.orchestration.queue_meter import QueueMeter
from sosw_airflow.orchestration.queue_search import QueueSearch
from sosw_airflow.orchestration.readings import LabourerRows
from sosw_airflow.orchestration.side_by_side import SideBySide
from sosw_airflow.orchestration.task_rows import TaskRow, event_of
from sosw_airflow.orchestration.transitions import BATCH, Transitions
from sosw_airflow.orchestration.turn_note import note_turn
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.stores.tables import TableNames

__all__ = ["Clients", "LabourerOrchestration"]

log = logging.getLogger(__name__)

#: Seconds that an index may lag: own claims and closings count on for that long.
_LAG = 10.0

#: Seconds between two readings of the retry table if no row of it is due.
_RETRIES_EVERY = 30.0

#: Greenfield of the head of an empty queue, as upstream has it.
_EMPTY_HEAD = 1000

#: Seconds between two turns: while tasks run, at least and at most; without any movement; beside a holder, and paused.
_BUSY, _LONGEST, _QUIET, _BESIDE = 1.0, 5.0, 3.0, 5.0


@dataclass(frozen=True)
class Clients:
    """The boto3 clients of an orchestrator, safe for threads.

    :ivar dynamodb: with botocore's repeats, for readings and batches.
    :ivar dynamodb_once: without repeats, for claims.
    :ivar aws_lambda: with repeats, for the function's settings.
    :ivar aws_lambda_once: without repeats, for invocations; its read time-out is above the function's.
    :ivar cloudwatch: for health metrics, None if no labourer has any.
    """

    dynamodb: Any
    dynamodb_once: Any
    aws_lambda: Any
    aws_lambda_once: Any
    cloudwatch: Any = None


@dataclass
class LabourerOrchestration:
    """Turns of one labourer. Used by one thread at a time.

    :ivar workers: threads for claims and event invocations, shared by all labourers.
    :ivar requests: threads for synchronous invocations, None if the labourer is invoked by event.
    :ivar lease_seconds: without a sign of this orchestrator, after which another one takes over.
    :ivar clock: the present, in seconds since 1970.
    :ivar metrics: takes the latency of invocations and the size of the queue.
    :ivar concurrency: of ``workers``: this labourer uses so many at a time.
    """

    policy: LabourerPolicy
    clients: Clients
    tables: TableNames
    owner: str
    workers: Executor
    requests: Executor | None = None
    lease_seconds: float = LEASE_SECONDS
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    metrics: Report = unreported
    concurrency: int = 16

    pace: InvocationPace = field(default_factory=InvocationPace, init=False)
    durations: TaskDurations = field(default_factory=TaskDurations, init=False)
    _claims: dict[str, float] = field(default_factory=dict, init=False)
    _closed: dict[str, float] = field(default_factory=dict, init=False)
    _retries_at: float = field(default=float("-inf"), init=False)
    _answers: deque[Answer] = field(default_factory=deque, init=False)
    _pause: FaultPause = field(default_factory=FaultPause, init=False)

    def __post_init__(self) -> None:
        self.lease = Lease(
            self.clients.dynamodb,
            self.tables.jobs_table,
            self.policy.labourer_id,
            self.owner,
            seconds=self.lease_seconds,
            clock=self.monotonic,
        )
        self._facts = LabourerFacts(
            self.policy, self.clients.aws_lambda, self.clients.cloudwatch, self.clock, self.monotonic
        )
        self._records = JobRecords(self.clients.dynamodb, self.tables.jobs_table)
        self._rows = LabourerRows(self.clients.dynamodb, self.tables, self.policy.labourer_id)
        self._side_by_side = SideBySide(self.workers, self.concurrency)
        self._search = QueueSearch.of_rows(self._rows, self.policy, self._side_by_side, self.monotonic)
        self._meter = QueueMeter(
            self.clients.dynamodb, self.tables, self.policy.labourer_id, self.metrics, self.clock, self.monotonic
        )
        self._transitions = Transitions(self.clients.dynamodb, self.tables, self.owner, self.clients.dynamodb_once)

    def turn(self) -> TurnReport:
        """Take one turn. A fault of the labourer pauses it, with back-off; the report says why. Nothing is raised."""
        report = TurnReport(self.policy.labourer_id, next_in=_BESIDE)
        if self._pause.holds(self.monotonic()):
            report.paused, report.lasting = self._pause.reason, self._pause.lasting
            return report
        try:
            self._turn(report)
        except SoswError as error:
            self._begin_pause(report, error)
        else:
            # A synchronous invocation that was only sent says nothing: its fault is met a turn later.
            if not report.paused and (report.invoked or not report.started):
                self._pause.end()
        self._meter.after(report)
        return report

    def release(self) -> None:
        """Give the lease to the next orchestrator. A fault is logged: the lease then runs out by itself."""
        try:
            self.lease.release()
        except SoswError as error:
            log.warning("The lease of the labourer %s could not be released: %s", self.policy.labourer_id, error)

    # -- a turn --------------------------------------------------------------------------------------------------------

    def _turn(self, report: TurnReport) -> None:
        begun = self.monotonic()
        self.count_answers(report)
        if not self.lease.held and not self._rows.any_left():
            report.idle = True
            return
        if not self.lease.acquire():
            report.holder = self.lease.holder
            return
        now, expiry = self.clock(), float("inf")
        fault: SoswError | None = None
        try:
            expiry = self._facts.expiry()
        except SoswError as error:
            fault = error  # what workers have reported is closed all the same
        closed = self._forget(self._closed)
        invoked = [row for row in self._rows.invoked(now=int(now)) if row.task_id not in closed]
        self._close(list(for_invoked(invoked, self.policy, now=now, expiry=expiry)), report, now)
        if fault is not None:
            raise fault
        pause = LabourerPause.of_lease(self.lease.item)
        if pause is not None:
            report.paused = f"{pause} Fix: {resume_command(self.policy.labourer_id)}"
            report.lasting = not invoked  # a run until idle ends once all that was invoked before is over
        else:
            report.limit = self.pace.allowed(self._facts.limit())
        working = running_ids(invoked, self._forget(self._claims), now=now, expiry=expiry)
        report.running = len(working)
        free = self._free(report, now)
        self._requeue(free, report, now)
        decisions, waiting = self._search.find(
            now=int(now), free=free, own_claims=self._claims, running_ids=working, lease=self.lease.item
        )
        self._close([each for each in decisions if each.step is not Step.CLAIM], report, now)
        added = self._invoke([each.row for each in decisions if each.step is Step.CLAIM], report)
        self.pace.after_turn(refused=report.refused, completed=report.completed, failed=report.failed + report.retried)
        report.next_in = self._next_in(report, invoked, now, added, spent=self.monotonic() - begun)
        self._note(report)
        if not (report.moved or invoked or waiting) and not self._rows.any_left():
            report.idle = True
            self._search.at_idle(self.lease.item, now=int(now))
            self.lease.release()

    def _next_in(self, report: TurnReport, invoked: list[TaskRow], now: float, added: int, *, spent: float) -> float:
        if not (report.moved or report.running):
            return _QUIET
        for row in invoked:
            if row.completed_at is not None:
                self.durations.add(max(0.0, row.completed_at - row.invoked_at))
        ages = [now - row.invoked_at for row in invoked if not row.completed] + [0.0] * added
        # A turn of many requests is part of the shortest wait, but not of a task's duration: it has just begun.
        least = max(0.0, _BUSY - spent) if report.moved else _BUSY
        return self.durations.next_end(ages, least=least, most=_LONGEST)

    def _free(self, report: TurnReport, now: float) -> int:
        """Invocations that this turn may add."""
        if report.paused or not self.lease.may_claim:
            return 0
        free = max(0, report.limit - report.running)
        left = self.pace.free_this_minute(self.policy.per_minute, now)
        return free if left is None else min(free, left)

    def _close(self, decisions: list[Decision], report: TurnReport, now: float) -> None:
        """Carry out what ends an attempt: completed, to be retried, failed for good."""
        completed = [each.row for each in decisions if each.step is Step.COMPLETE]
        batches = [completed[start : start + BATCH] for start in range(0, len(completed), BATCH)]
        for batch in self._side_by_side(lambda batch: self._transitions.complete(batch, now=int(now)), batches):
            report.completed += len(batch)
            self._note_ends(batch)
        ended = [each for each in decisions if each.step in (Step.RETRY, Step.FAIL)]
        for done, decision in self._side_by_side(lambda each: (self._end_attempt(each, now), each), ended):
            if not done:
                continue
            report.retried += decision.step is Step.RETRY
            report.failed += decision.step is Step.FAIL
            self._note_ends([decision.row])
            log.log(
                logging.WARNING if decision.step is Step.FAIL else logging.INFO,
                "Task %s of %s: %s.",
                decision.row.task_id,
                self.policy.labourer_id,
                decision.reason,
            )

    def _end_attempt(self, decision: Decision, now: float) -> bool:
        """False: another process was faster."""
        row = decision.row
        if decision.step is Step.RETRY:
            launch_in = self.policy.retry_after(row.attempts)
            return self._transitions.retry(row, launch_at=int(now + launch_in))
        return self._transitions.fail(row, now=int(now), reason=decision.reason)

    def _requeue(self, free: int, report: TurnReport, now: float) -> None:
        """Bring back retries that are due, at the head of the queue."""
        if self.policy.upstream_scavenger or self.monotonic() < self._retries_at:
            return
        # Of a labourer that stands still, those whose late worker has reported are closed.
        rows = share_for_retries(free) if report.limit else BATCH
        due = self._rows.due_retries(now=int(now), rows=rows)
        if rows and not (due and free):
            self._retries_at = self.monotonic() + min(_RETRIES_EVERY, self.policy.retry_delay + 1)
        if not due:
            return
        head = self._rows.head(now=int(now), rows=1)
        places = count(min(head[0].greenfield if head else _EMPTY_HEAD, _EMPTY_HEAD) - 1, -1)
        for decision in for_retries(due, free=free):
            if decision.step is Step.COMPLETE:
                report.completed += self._transitions.complete_retry(decision.row, now=int(now))
            else:
                report.requeued += self._transitions.requeue(decision.row, greenfield=next(places), now=int(now))

    # -- claims and invocations ----------------------------------------------------------------------------------------

    def _invoke(self, rows: list[TaskRow], report: TurnReport) -> int:
        """Claim and invoke, several at once; each is invoked as soon as it is claimed. Returns how many were sent."""
        added = 0
        for answer in self._side_by_side(self._claim_and_invoke, rows):
            if answer is None:
                continue
            self._count(answer, report)
            if answer.outcome in (Outcome.SENT, Outcome.ACCEPTED, Outcome.UNKNOWN):
                added += 1
                report.running += 1
                self.pace.invoked(self.clock())
        return added

    def _count(self, answer: Answer, report: TurnReport) -> None:
        """Count an invocation. All faults of one turn are one pause."""
        if answer.outcome is Outcome.SENT:
            report.started += 1
        elif answer.outcome in (Outcome.ACCEPTED, Outcome.ANSWERED, Outcome.UNKNOWN):
            report.invoked += 1
        elif answer.outcome is Outcome.REFUSED:
            report.refused += 1
        elif answer.outcome is Outcome.IMPOSSIBLE:
            report.failed += 1
        elif not report.paused:  # a fault
            self._begin_pause(report, answer.error)
        if answer.error is not None and answer.outcome is not Outcome.FAULT:
            log.warning("Invoking %s: %s (%s)", self.policy.labourer_id, answer.error, answer.outcome.value)

    def count_answers(self, report: TurnReport) -> None:
        """Count the synchronous invocations that have ended since the last turn."""
        while self._answers:
            self._count(self._answers.popleft(), report)

    def _claim_and_invoke(self, row: TaskRow) -> Answer | None:
        if not self.lease.may_claim:
            return None
        job_id = job_of(row.task_id)
        try:
            # A cancellation that comes after this finds the row in the queue, or finds it claimed.
            if row.was_claimed and self._records.is_cancelled(job_id):
                return self._settle(row, Answer(Outcome.IMPOSSIBLE, JobCancelled(job_id)))
            claimed = self._transitions.claim(row, now=int(self.clock()))
        except AwsFault as fault:
            if not passes_by_itself(fault):
                raise
            return Answer(Outcome.REFUSED, fault)  # as a refusal of Lambda's: slower, and no pause for the others
        if claimed is None:
            return None
        self._claims[row.task_id] = self.monotonic()
        event = event_of(row)
        if self.policy.invocation is Invocation.REQUEST and self.requests is not None:
            self.requests.submit(self._request, claimed, event)
            return Answer(Outcome.SENT)
        return self._settle(claimed, invoke(self.clients.aws_lambda_once, self.policy, event, self.metrics))

    def _settle(self, claimed: TaskRow, answer: Answer) -> Answer:
        """Do with a claim what the answer of Lambda means."""
        if answer.outcome in (Outcome.REFUSED, Outcome.FAULT):
            self._transitions.give_back(claimed)
            self._claims.pop(claimed.task_id, None)
        elif answer.outcome is Outcome.IMPOSSIBLE:
            self._transitions.fail(claimed, now=int(self.clock()), reason=f"it cannot be invoked: {answer.error}")
            self._note_ends([claimed])
        return answer

    def _request(self, claimed: TaskRow, event: dict[str, Any]) -> None:
        """Invoke synchronously and store the answer, in a thread of its own."""
        try:
            answer = self._settle(claimed, invoke(self.clients.aws_lambda_once, self.policy, event, self.metrics))
            self._answers.append(answer)
            if answer.outcome is Outcome.ANSWERED:
                attributes = assistant.error_of if answer.failed else assistant.result_of
                report = {
                    "task_id": claimed.task_id,
                    "ok": not answer.failed,
                    "attempt": claimed.attempts,
                    "labourer_id": claimed.labourer_id,
                    "attributes": attributes(answer.response),
                }
                assistant.mark(
                    self.clients.dynamodb,
                    report,
                    now=int(self.clock()),
                    tasks_table=self.tables.tasks_table,
                    retry_tasks_table=self.tables.retry_tasks_table,
                )
        except Exception:
            # The row stays claimed and expires: nothing is lost.
            log.exception(
                "The answer for task %s could not be stored; it is retried after its expiry.", claimed.task_id
            )

    # -- what lasts between turns --------------------------------------------------------------------------------------

    def _note(self, report: TurnReport) -> None:
        self.lease.last_turn = note_turn(self.lease.last_turn, report, now=self.clock())

    def _note_ends(self, rows: Iterable[TaskRow]) -> None:
        for row in rows:
            self._claims.pop(row.task_id, None)
            self._closed[row.task_id] = self.monotonic()

    def _forget(self, recent: dict[str, float]) -> dict[str, float]:
        """Drop what is older than an index can lag, and return the rest."""
        oldest = self.monotonic() - _LAG
        for task_id in [task_id for task_id, at in recent.items() if at < oldest]:
            recent.pop(task_id, None)
        return recent

    def _begin_pause(self, report: TurnReport, error: Exception | None) -> None:
        seconds = self._pause.begin(str(error), self.monotonic(), passes=passes_by_itself(error))
        report.paused, report.lasting = str(error), self._pause.lasting
        self._note(report)
        self.release()  # to an orchestrator without the fault; and this one notices when no row is left
        log.warning(
            "The labourer %s pauses for %.0f s; others continue. %s", self.policy.labourer_id, seconds, report.paused
        )
