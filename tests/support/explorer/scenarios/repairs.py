"""Failed tasks that are scheduled again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sosw_airflow.jobs.identity import JobIdentity, task_id
from sosw_airflow.operators.cancellation import CancelOnKill
from sosw_airflow.scheduling.repair import repair
from sosw_airflow.scheduling.scheduler import ScheduleResult
from tests.support.explorer.engine import Violation
from tests.support.explorer.invariants import Promise
from tests.support.explorer.remedies import clears
from tests.support.explorer.scenario import Cast, Role, Scenario, request_for
from tests.support.explorer.sosw import close_failed, complete_late, invoke_queued, remove_file

JOB = request_for().identity
TASKS = {task_id(JOB.job_id, number): f'{{"words": ["{word}"]}}' for number, word in enumerate("abcd")}
REPAIR = replace(JOB, repairs=JOB.job_id)
SECOND_REPAIR = replace(JOB, repairs=f"{JOB.job_id}#1")


def asked_by() -> JobIdentity:
    """The Airflow task that repairs."""
    return JobIdentity("dag", "run of the repair", "repair", -1, clears(), "")


def tasks(*numbers: int) -> dict[str, str]:
    """Ids and payloads of these tasks of the job."""
    return {task: payload for number, (task, payload) in enumerate(TASKS.items()) if number in numbers}


class Repairing(Scenario):
    """A job with four tasks, two of which have failed."""

    failed = (0, 1)

    def prepare(self) -> None:
        self.scheduler().schedule(request_for())
        invoke_queued(self.deployment())
        close_failed(self.deployment(), tasks(*self.failed))
        rest = [number for number in range(4) if number not in self.failed]
        complete_late(self.deployment(), tasks(*rest))
        payloads = tuple(f'{{"words": ["{word}"]}}' for word in "abcd")
        self.promises.append(Promise("repair", frozenset({REPAIR.job_id, SECOND_REPAIR.job_id}), payloads))

    def repair(self, **more: Any) -> ScheduleResult:
        """One attempt to repair the job."""
        return repair(self.scheduler(), JOB.job_id, asked_by=asked_by(), **more)

    def violations(self) -> Iterator[Violation]:
        """A repair brings the tasks that have failed, not all of them."""
        yield from (each for each in super().violations() if each.kind != "never")


class RepairAndPlanRemoved(Repairing):
    """A repair dies, its plan is removed, and other tasks are failed by then."""

    name = "repair-and-plan-removed"
    people_remove = True
    rows = {"mixed": "F14"}
    fates = frozenset({"dies"})
    accepted = frozenset({"JobRecordDamaged"})

    def cast(self) -> Cast:
        yield Role("repair", self.repair)
        yield Role("a person removes plans", lambda: remove_file(self.deployment()), disturbed=False)
        yield Role("late completions and failures", self._change_failures, disturbed=False)

    def _change_failures(self) -> None:
        complete_late(self.deployment(), tasks(0))
        close_failed(self.deployment(), tasks(2))

    def afterwards(self) -> None:
        self.attempt("repair", self.repair)


class RepairTwice(Repairing):
    """Two repairs have seen different failures."""

    name = "repair-twice"
    rows = {"dead-end": "F15"}
    fates = frozenset({"dies"})
    deviations = 3
    failed = (0,)

    def cast(self) -> Cast:
        yield Role("repair", lambda: self.repair(unfinished="leave"))
        yield Role("a task fails", lambda: close_failed(self.deployment(), tasks(1)), disturbed=False)
        yield Role("repair", lambda: self.repair(unfinished="leave"))

    def afterwards(self) -> None:
        self.attempt("repair", lambda: self.repair(unfinished="leave"))


class KillRepair(Repairing):
    """A repair is killed with ``cancel_on_kill``, and Airflow retries it."""

    name = "kill-repair"
    rows = {"after-cancel": "F20", "revived": "F20"}
    deviations = 1
    accepted = frozenset({"JobCancelled"})

    def cast(self) -> Cast:
        watch = CancelOnKill(cancels=True)
        yield Role("repair", lambda: self._execute(watch))
        yield Role("sosw's Orchestrator", lambda: invoke_queued(self.deployment()), disturbed=False)
        yield Role("on_kill", watch.kill, disturbed=False)

    def _execute(self, watch: CancelOnKill) -> ScheduleResult:
        scheduler = self.scheduler()
        scheduler.stop = watch.stop
        at = scheduler.deployment
        return repair(scheduler, JOB.job_id, asked_by=asked_by(), guard=lambda job_id: watch.watch(at, job_id))

    def afterwards(self) -> None:
        self.attempt("repair", self.repair)
