"""Jobs that are written as rows, by one attempt, its retry, or two copies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.reruns import Attempt, identity_in_run
from sosw_airflow.scheduling.scheduler import ScheduleResult
from sosw_airflow.stores.tables import TableNames
from tests.support.explorer.actors import current_actor
from tests.support.explorer.engine import Violation
from tests.support.explorer.scenario import Cast, Role, Scenario, request_for, sourced_request_for
from tests.support.explorer.sosw import invoke_queued, process_queue

JOB_ID = request_for().identity.job_id


class Writing(Scenario):
    """A job of four tasks in two pages; in the end it is retried."""

    def prepare(self) -> None:
        self.promise("job", request_for())

    def schedule(self, **changes: Any) -> ScheduleResult:
        """One attempt."""
        return self.scheduler(**changes).schedule(request_for())

    def afterwards(self) -> None:
        self.attempt("schedule job", self.schedule)


class ScheduleTwice(Writing):
    """Two copies of one attempt, while sosw invokes tasks and moves them to the closed ones."""

    name = "schedule-twice"

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)
        yield Role("schedule job", self.schedule)
        yield Role("sosw processes the queue", lambda: process_queue(self.deployment()), disturbed=False)


class ScheduleOnSmallTable(Writing):
    """Two copies of one attempt, which may die; the table takes one page in two seconds."""

    name = "schedule-on-small-table"
    fates = frozenset({"dies"})

    def prepare(self) -> None:
        super().prepare()
        self.aws.dynamodb.capacity.provision(self.aws.dynamodb.tables["sosw_tasks"], read=2, write=2, kept_seconds=2)

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)
        yield Role("schedule job", self.schedule)


class ScheduleWithFaults(Writing):
    """One attempt whose requests are lost, refused or its last."""

    name = "schedule-with-faults"
    fates = frozenset({"lost", "refused", "dies", "sleeps"})

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)


class ScheduleEditedJob(Writing):
    """Two copies, one with an edited job."""

    name = "schedule-edited-job"
    accepted = frozenset({"JobConflict"})

    def prepare(self) -> None:
        super().prepare()
        self.promise("edited", request_for("xyz"))

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)
        yield Role("schedule edited", lambda: self.scheduler().schedule(request_for("xyz")))

    def afterwards(self) -> None:
        self.attempt("schedule job", self.schedule)
        self.attempt("schedule edited", lambda: self.scheduler().schedule(request_for("xyz")))


class ScheduleSourcedTwice(Writing):
    """Two copies of one attempt, which may die. Their source, a query without an order, gives each another one."""

    name = "schedule-sourced-twice"
    fates = frozenset({"dies"})
    orders = {"A": "abcd", "B": "dcba", "-": "badc"}

    def schedule(self, **changes: Any) -> ScheduleResult:
        actor = current_actor()
        words = self.orders[actor.label if actor else "-"]
        return self.scheduler(**changes).schedule(sourced_request_for(words))

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)
        yield Role("schedule job", self.schedule)


class CancelWhileWriting(Writing):
    """A job is cancelled while it is written and invoked."""

    name = "cancel-while-writing"
    rows = {"untrue": "F24"}
    accepted = frozenset({"JobCancelled"})

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)
        yield Role("cancel job", lambda: cancel_job(self.deployment(), JOB_ID))
        yield Role("sosw's Orchestrator", lambda: invoke_queued(self.deployment()), disturbed=False)

    def afterwards(self) -> None:
        self.attempt("cancel job", lambda: cancel_job(self.deployment(), JOB_ID))
        self.attempt("schedule job", self.schedule)
        invoke_queued(self.deployment())


class OtherTableOnRetry(Writing):
    """The Connection names another table of tasks when the job is retried."""

    name = "other-table-on-retry"
    rows = {"split": "F17"}
    fates = frozenset({"dies"})
    deviations = 1
    accepted = frozenset({"JobRecordDamaged", "JobConflict"})

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)

    def afterwards(self) -> None:
        tables = TableNames(tasks_table="other_tasks")
        self.attempt("schedule job", lambda: self.schedule(tables=tables))


class MetaTableOnRetry(Writing):
    """The Connection names a table for the history of tasks when the job is retried."""

    name = "meta-table-on-retry"
    rows = {"dead-end": "F16", "blames-aws": "F16"}
    fates = frozenset({"dies"})
    deviations = 1
    settings = {}
    words = [f"w{number}" for number in range(60)]
    accepted = frozenset({"JobRecordDamaged", "JobConflict"})

    def prepare(self) -> None:
        self.promise("job", request_for(self.words))

    def cast(self) -> Cast:
        yield Role("schedule job", lambda: self.scheduler().schedule(request_for(self.words)))

    def afterwards(self) -> None:
        tables = TableNames(meta_table="sosw_tasks_meta")
        self.attempt("schedule job", lambda: self.scheduler(tables=tables).schedule(request_for(self.words)))


class HeaderExpires(Writing):
    """The header is removed before its markers, by the time to live or by a person; pages are larger by then."""

    name = "header-expires"
    rows = {"never": "header removed", "twice": "header removed"}
    fates = frozenset({"dies"})
    accepted = frozenset({"JobRecordDamaged"})

    def cast(self) -> Cast:
        yield Role("schedule job", self.schedule)
        yield Role("time to live", self._expire, disturbed=False)

    def _expire(self) -> None:
        self.aws.dynamodb.expire("sosw_jobs", [(("S", JOB_ID), ("S", "header"))])

    def afterwards(self) -> None:
        with patch("sosw_airflow.scheduling.scheduler.MAX_PAGE_ROWS", 3):
            self.attempt("schedule job", self.schedule)


class ResumeAfterCancelledClear(Writing):
    """Generation 0 was written, 1 was cancelled, 2 has ``on_clear="resume"``."""

    name = "resume-after-cancelled-clear"
    rows = {"nothing-scheduled": "resume of a cancelled generation"}
    deviations = 0

    def prepare(self) -> None:
        self.scheduler().schedule(request_for())
        self.scheduler().schedule(request_for(generation=1))
        cancel_job(self.deployment(), request_for(generation=1).identity.job_id)

    def cast(self) -> Cast:
        yield Role("schedule with on_clear='resume'", self._resume)

    def _resume(self) -> ScheduleResult:
        scheduler = self.scheduler()
        first_of_its_clear = Attempt(run_started="", first=True, fresh=False)
        own = request_for(generation=2).identity
        identity = identity_in_run(scheduler.records, own, first_of_its_clear, continues=True)
        return scheduler.schedule(request_for(generation=identity.generation))

    def afterwards(self) -> None:
        """No retry: it has succeeded."""

    def violations(self) -> Iterator[Violation]:
        for attempt in self.attempts:
            if isinstance(attempt.value, ScheduleResult) and attempt.value.header.generation == 0:
                yield Violation("nothing-scheduled", "the clear that JobCancelled advises has scheduled nothing")
