"""Jobs that are delivered as queue files to sosw's own Scheduler."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from botocore.exceptions import ClientError

from sosw_airflow.jobs.transitions import DELIVER
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.scheduler import ScheduleResult
from sosw_airflow.stores.queue_file_keys import copy_key, queue_file_key
from tests.support.deterministic_aws.clients import clients
from tests.support.explorer.engine import Violation
from tests.support.explorer.scenario import BUCKET, PREFIX, Cast, Role, Scenario, request_for
from tests.support.explorer.sosw import delivered_files, invoke_queued, remove_file, run_scheduler

FUNCTION = "sosw_scheduler"


class Delivering(Scenario):
    """A job whose queue file is delivered; in the end it is retried, and sosw drains the files."""

    function: str | None = None

    def prepare(self) -> None:
        self.promise("job", request_for())

    def deliver(self) -> ScheduleResult:
        """One attempt to deliver the job."""
        return deliver(self.scheduler(), request_for(), function=self.function, aws_lambda=clients().aws_lambda_once)

    def drain(self, who: str = "0") -> int:
        """sosw's Scheduler takes every file that it finds."""
        at = self.deployment()
        return sum(run_scheduler(at, name, who=f"{who}{turn}") for turn, name in enumerate(delivered_files(at)))

    def afterwards(self) -> None:
        self.attempt("deliver job", self.deliver)
        self.drain("9")
        invoke_queued(self.deployment())


class DeliverTwice(Delivering):
    """Two copies of one attempt."""

    name = "deliver-twice"
    rows = {"never": "F1", "blames-aws": "F25"}

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("deliver job", self.deliver)


class DeliverThreeTimes(Delivering):
    """One attempt waits anywhere while another begins, ends, and is repeated."""

    name = "deliver-three-times"
    accepted = frozenset({"DeliveryUncertain"})

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("deliver job", self.deliver)
        yield Role("deliver job", self.deliver)


class DeliverTwiceBesideScheduler(Delivering):
    """Two copies of one attempt, which may die, and sosw's Scheduler."""

    name = "deliver-twice-beside-scheduler"
    rows = {"twice": "F2", "never": "F1", "blames-aws": "F25"}
    fates = frozenset({"dies"})
    accepted = frozenset({"DeliveryUncertain"})

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("deliver job", self.deliver)
        yield Role("sosw's Scheduler", self.drain, disturbed=False)


class DeliverAndPlanRemoved(Delivering):
    """A person removes the plan."""

    name = "deliver-and-plan-removed"
    people_remove = True
    rows = {"never": "F3", "blames-aws": "F25"}
    accepted = frozenset({"DeliveryUncertain", "JobRecordDamaged"})

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role(
            "a person removes plans",
            lambda: remove_file(self.deployment(), lambda key: "/locked_" in key),
            disturbed=False,
        )


class DeliverEditedJob(Delivering):
    """A late copy has an edited job."""

    name = "deliver-edited-job"
    rows = {"other-job": "F4"}
    deviations = 3
    accepted = frozenset({"DeliveryUncertain", "JobConflict"})

    def prepare(self) -> None:
        super().prepare()
        self.promise("edited", request_for("xyz"))

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("deliver edited", lambda: deliver(self.scheduler(), request_for("xyz")))

    def afterwards(self) -> None:
        self.drain("9")

    def violations(self) -> Iterator[Violation]:
        payloads = {json.dumps(json.loads(row["payload"]["S"]), sort_keys=True) for row in self.aws.rows("sosw_tasks")}
        successes = [attempt for attempt in self.attempts if isinstance(attempt.value, ScheduleResult)]
        for promise in self.promises:
            if successes and payloads & set(promise.payloads) and not any(each.of(promise) for each in successes):
                yield Violation(
                    "other-job", f"the tasks of {promise.name} are in the queue, which no attempt delivered"
                )


class DeliverLosingAnswers(Delivering):
    """Answers are lost, and sosw's Scheduler is quick."""

    name = "deliver-losing-answers"
    rows = {"twice": "F5"}
    fates = frozenset({"lost"})
    accepted = frozenset({"DeliveryUncertain"})

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("sosw's Scheduler", self.drain, disturbed=False)


class ScheduleAndDeliver(Delivering):
    """A zombie writes rows while the retry, whose DAG was edited, delivers a file."""

    name = "schedule-and-deliver"
    rows = {"twice": "F22", "never": "F1", "blames-aws": "F25"}
    accepted = frozenset({"JobRecordDamaged", "JobDelivered"})

    def cast(self) -> Cast:
        yield Role("schedule job", lambda: self.scheduler().schedule(request_for()))
        yield Role("deliver job", self.deliver)


class DeliverAndInvoke(Delivering):
    """sosw's Scheduler is invoked with the file; the attempt that does so may die."""

    name = "deliver-and-invoke"
    rows = {"invoked-twice": "F23"}
    fates = frozenset({"dies", "lost"})
    deviations = 1
    function = FUNCTION

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)

    def afterwards(self) -> None:
        super().afterwards()
        self.attempt("deliver job", self.deliver)  # what InvocationUncertain advises, after the file is taken

    def violations(self) -> Iterator[Violation]:
        yield from super().violations()
        files = Counter(invocation.payload["file_name"] for invocation in self.aws.invocations)
        for file, times in files.items():
            if times > 1:
                yield Violation("invoked-twice", f"Lambda has taken {times} invocations of sosw's Scheduler for {file}")


class DeliverAndInvokeTwice(DeliverAndInvoke):
    """Two copies of one attempt invoke sosw's Scheduler, which takes the files that it was invoked with."""

    name = "deliver-and-invoke-twice"
    fates = frozenset({"dies"})
    deviations = 2
    accepted = frozenset({"InvocationUncertain"})

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("deliver job", self.deliver)
        yield Role("sosw's Scheduler", self.drain, disturbed=False)

    def drain(self, who: str = "0") -> int:
        """sosw's Scheduler takes each file that it was invoked with."""
        at = self.deployment()
        names = [invocation.payload["file_name"] for invocation in self.aws.invocations]
        return sum(run_scheduler(at, name, who=f"{who}{turn}") for turn, name in enumerate(names))


class DeliverLateCopy(DeliverAndInvokeTwice):
    """The copy of a dead attempt was on its way, and appears while another attempt takes over, or never."""

    name = "deliver-late-copy"
    deviations = 1

    def prepare(self) -> None:
        super().prepare()
        scheduler = self.scheduler()
        header, _ = scheduler.plan(request_for())
        scheduler.records.change(DELIVER, header.job_id)

    def cast(self) -> Cast:
        yield Role("deliver job", self.deliver)
        yield Role("S3 carries a late request out", self._copy, disturbed=False)

    def _copy(self) -> bool:
        plan = queue_file_key(PREFIX, request_for().identity.job_id, request_for().fingerprint)
        copy = {"Key": copy_key(plan, request_for().identity.job_id, 1), "CopySource": {"Bucket": BUCKET, "Key": plan}}
        try:
            self.deployment().s3_once.copy_object(Bucket=BUCKET, **copy)
        except ClientError:
            return False  # the plan is gone
        return True
