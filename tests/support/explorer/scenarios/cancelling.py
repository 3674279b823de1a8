"""Jobs that are cancelled, by a person or by a kill, while they are written, delivered or invoked."""

from __future__ import annotations

from typing import Any

from sosw_airflow.jobs.transitions import DELIVER
from sosw_airflow.operators.cancellation import CancelOnKill
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.scheduler import ScheduleResult
from sosw_airflow.stores.job_record import JobRecords
from tests.support.explorer.scenario import Cast, Role, Scenario, request_for
from tests.support.explorer.scenarios.delivery import FUNCTION, Delivering
from tests.support.explorer.sosw import delivered_files, invoke_queued, remove_file, run_scheduler

JOB_ID = request_for().identity.job_id


class CancelDelivered(Delivering):
    """A delivered job is cancelled; the cancelling may die, and is repeated."""

    name = "cancel-delivered"
    rows = {"after-cancel": "F6", "untrue": "F9"}
    fates = frozenset({"dies"})
    deviations = 1

    def prepare(self) -> None:
        super().prepare()
        self.deliver()

    def cast(self) -> Cast:
        yield Role("cancel job", self.cancel)

    def cancel(self) -> Any:
        """Cancel the job."""
        return cancel_job(self.deployment(), JOB_ID)

    def afterwards(self) -> None:
        self.attempt("cancel job", self.cancel)
        self.drain("9")
        invoke_queued(self.deployment())


class CancelWhileDelivering(CancelDelivered):
    """A job is cancelled while a retry of its delivery copies the file."""

    name = "cancel-while-delivering"
    rows = {"after-cancel": "F7", "untrue": "F9", "blames-aws": "F25"}
    fates = frozenset()
    deviations = 2
    function = FUNCTION  # so a plan without a copy counts as not copied yet

    def prepare(self) -> None:
        Delivering.prepare(self)
        scheduler = self.scheduler()
        header, _ = scheduler.plan(request_for())
        scheduler.records.change(DELIVER, header.job_id)

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("cancel job", self.cancel)


class CancelBeforeDelivering(CancelDelivered):
    """A job that is only planned is cancelled while it is delivered."""

    name = "cancel-before-delivering"
    rows = {"after-cancel": "F8", "untrue": "F9", "blames-aws": "F25"}
    fates = frozenset()
    deviations = 2

    def prepare(self) -> None:
        Delivering.prepare(self)
        self.scheduler().plan(request_for())

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("cancel job", self.cancel)


class CancelUndelivered(CancelDelivered):
    """A delivery died before its copy; the job is cancelled."""

    name = "cancel-undelivered"
    rows = {"untrue": "F9"}
    fates = frozenset()
    deviations = 0

    def prepare(self) -> None:
        Delivering.prepare(self)
        scheduler = self.scheduler()
        header, _ = scheduler.plan(request_for())
        scheduler.records.change(DELIVER, header.job_id)

    def afterwards(self) -> None:
        self.drain("9")


class CancelWritten(Scenario):
    """A written job is cancelled while sosw invokes its tasks; answers are lost."""

    name = "cancel-written"
    rows = {"untrue": "F19"}
    fates = frozenset({"lost"})
    deviations = 1

    def prepare(self) -> None:
        self.promise("job", request_for())
        self.scheduler().schedule(request_for())

    def cast(self) -> Cast:
        yield Role("cancel job", lambda: cancel_job(self.deployment(), JOB_ID))
        yield Role("sosw's Orchestrator", lambda: invoke_queued(self.deployment()), disturbed=False)

    def afterwards(self) -> None:
        invoke_queued(self.deployment())


class CancelAndPlanRemoved(Scenario):
    """The plan is removed while the cancelling reads it, in several requests."""

    name = "cancel-and-plan-removed"
    people_remove = True
    rows = {"untrue": "F24"}
    deviations = 1
    settings = {**Scenario.settings, "sosw_airflow.stores.queue_file.READ_BYTES": 100}

    def prepare(self) -> None:
        self.promise("job", request_for())
        scheduler = self.scheduler()
        scheduler.plan(request_for())

    def cast(self) -> Cast:
        yield Role("cancel job", lambda: cancel_job(self.deployment(), JOB_ID))
        yield Role("a person removes plans", lambda: remove_file(self.deployment()), disturbed=False)


class CancelBesideZombie(Scenario):
    """A zombie with an edited job puts its plan over the one whose pages are being written."""

    name = "cancel-beside-zombie"
    rows = {"after-cancel": "F10", "untrue": "F10"}
    fates = frozenset({"dies"})
    deviations = 2

    def prepare(self) -> None:
        self.promise("job", request_for("abcdef"))

    def cast(self) -> Cast:
        yield Role("schedule edited", lambda: self.scheduler().schedule(request_for("x")))
        yield Role("schedule job", lambda: self.scheduler().schedule(request_for("abcdef")))
        yield Role("cancel job", lambda: cancel_job(self.deployment(), JOB_ID))

    def afterwards(self) -> None:
        invoke_queued(self.deployment())


class Killed(Scenario):
    """Airflow kills an attempt whose operator has ``cancel_on_kill``."""

    deviations = 1

    def prepare(self) -> None:
        self.promise("job", request_for(), must_cancel=True)

    def work(self) -> ScheduleResult:
        """What the operator does inside of its watch."""
        raise NotImplementedError

    def cast(self) -> Cast:
        watch = CancelOnKill(cancels=True)
        self.facts["watch"] = watch

        def execute() -> ScheduleResult:
            with watch.watch(self.deployment(), JOB_ID):
                return self.work()

        yield Role("schedule job", execute)
        yield Role("on_kill", self._kill, disturbed=False)

    def _kill(self) -> None:
        # Airflow ends the process of a kill that comes after the operator has returned; nothing is promised then.
        if any(attempt.name == "schedule job" for attempt in self.attempts):
            self.promises.clear()
        self.facts["watch"].kill()

    def afterwards(self) -> None:
        header = JobRecords(self.deployment().dynamodb, "sosw_jobs", now=self.aws.now).header(JOB_ID)
        # It was killed before there was anything to cancel, or a person has retried what was killed then.
        if header is None or any((each.actor, each.name) == ("-", "schedule job") for each in self.attempts):
            self.promises.clear()


class KillSchedule(Killed):
    """A kill while a job is scheduled."""

    name = "kill-schedule"
    rows = {"not-cancelled": "F21"}

    def work(self) -> ScheduleResult:
        scheduler = self.scheduler()
        scheduler.stop = self.facts["watch"].stop
        return scheduler.schedule(request_for())


class KillDelivery(Killed):
    """A kill while a job is delivered."""

    name = "kill-delivery"
    rows = {"not-cancelled": "F21"}

    def work(self) -> ScheduleResult:
        scheduler = self.scheduler()
        scheduler.stop = self.facts["watch"].stop
        return deliver(scheduler, request_for())

    def afterwards(self) -> None:
        at = self.deployment()
        for name in delivered_files(at):
            run_scheduler(at, name)
        super().afterwards()
