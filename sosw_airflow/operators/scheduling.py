"""What `SoswScheduleOperator` does when it executes; imported only then, so that DAG files parse fast."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sosw_airflow.dag_runs import data_interval_days, job_identity, reference_date
from sosw_airflow.exceptions import ConflictingLabourers, Fault, InvalidConfiguration
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.event import JobRequest, function_name, parse_event
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.stores.delivering import deliver
from sosw_airflow.stores.documents import read_document
from sosw_airflow.stores.repairing import last_of_chain, repair, resume
from sosw_airflow.stores.requests import ScheduleRequest
from sosw_airflow.stores.scheduling import JobScheduler, Outcome, Scheduled

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.config.registry import Labourer
    from sosw_airflow.jobs.identity import JobIdentity
    from sosw_airflow.operators.killing import Killing

__all__ = ["Scheduling"]

log = logging.getLogger(__name__)

_ON_CLEAR = ("reschedule", "failed", "resume")
_DELIVERY = ("tasks", "queue_file")
_WHY = " with delivery='queue_file': sosw's own Scheduler writes the tasks then, under ids of its own"


@dataclass
class Scheduling:
    """One attempt at a job, with the operator's arguments after their rendering; see there for their meaning.

    :ivar argument_faults: of the operator's other arguments.
    :ivar announce: called with the labourer and the job's id before anything is written.
    """

    job: Any
    labourer: str | None
    job_schema: str | Mapping[str, Any] | JobSchema
    reference_date: Any
    queue_position: str
    on_clear: str
    delivery: str
    scheduler_function: str | None
    waits: bool
    hook: SoswHook
    killing: Killing
    argument_faults: Sequence[Fault] = ()
    announce: Callable[[Labourer, str], None] = lambda labourer, job_id: None  # noqa: ARG005

    def run(self, context: Context) -> Scheduled:
        """Check everything, then schedule."""
        self._check_choices()
        job = self._parse_job()
        labourer_id = self._labourer_id(job)
        labourer = self.hook.labourer(labourer_id)
        today, interval = reference_date(context, self.reference_date), data_interval_days(context)
        expansion = Expansion(job, schema=self._schema(job), reference_date=today, data_interval=interval)
        for warning in expansion.warnings:
            log.warning("%s", warning)
        scheduler = JobScheduler(self.hook.deployment(), stop=self.killing.stop)
        own = job_identity(context, labourer_id)
        identity = own if self.on_clear == "reschedule" else scheduler.latest_generation(own)
        self.announce(labourer, identity.job_id)
        position: Any = self.queue_position
        request = ScheduleRequest(identity, expansion, today, interval, position)
        with self._guarding(identity.job_id, scheduler):
            if self.delivery == "queue_file":
                return self._deliver(request, scheduler)
            scheduled = scheduler.schedule(request)
        if self.on_clear == "reschedule" or scheduled.outcome is Outcome.SCHEDULED:
            return scheduled
        return self._after_repairs(scheduled, own, labourer, scheduler)

    def _after_repairs(
        self, scheduled: Scheduled, own: JobIdentity, labourer: Labourer, scheduler: JobScheduler
    ) -> Scheduled:
        """The job may have been repaired since; with ``on_clear="failed"`` a new generation repairs it."""
        guard = partial(self._guarding, scheduler=scheduler)
        if self.on_clear == "failed" and scheduled.header.generation != own.generation:
            position: Any = self.queue_position
            scheduled = repair(
                scheduler,
                scheduled.header.job_id,
                asked_by=own,
                queue_position=position,
                unfinished="wait",
                guard=guard,
            )
        else:
            last = last_of_chain(scheduler.records, scheduled.header.job_id)
            if not last.repairs:
                return scheduled
            scheduled = resume(scheduler, last, guard)
        self.announce(labourer, scheduled.header.job_id)
        return scheduled

    def _deliver(self, request: ScheduleRequest, scheduler: JobScheduler) -> Scheduled:
        function = self.scheduler_function
        return deliver(
            scheduler, request, function=function, aws_lambda=self.hook.client("lambda") if function else None
        )

    def _guarding(self, job_id: str, scheduler: JobScheduler) -> AbstractContextManager[None]:
        return self.killing.guarding(scheduler.deployment, job_id)

    def _check_choices(self) -> None:
        faults = list(self.argument_faults)
        if self.on_clear not in _ON_CLEAR:
            faults.append(Fault("on_clear", f"must be {' or '.join(map(repr, _ON_CLEAR))}, not {self.on_clear!r}"))
        if self.delivery not in _DELIVERY:
            faults.append(Fault("delivery", f"must be {' or '.join(map(repr, _DELIVERY))}, not {self.delivery!r}"))
        if self.scheduler_function and self.delivery != "queue_file":
            faults.append(Fault("scheduler_function", "is only used with delivery='queue_file'"))
        if self.delivery == "queue_file":
            faults += [Fault(name, f"must be {value}{_WHY}") for name, value in self._not_with_delivery()]
        if faults:
            raise InvalidConfiguration(faults)

    def _not_with_delivery(self) -> Iterator[tuple[str, str]]:
        if self.waits:
            yield "wait_for_completion", "False"
        if self.queue_position == "front":
            yield "queue_position", "'back'"
        if self.on_clear == "failed":
            yield "on_clear", "'reschedule' or 'resume'"

    def _parse_job(self) -> JobRequest:
        job = self.job
        if isinstance(job, str) and job.strip().startswith("s3://"):
            job = read_document(self.hook.client("s3"), job.strip())
        return parse_event(job)

    def _labourer_id(self, job: JobRequest) -> str:
        given = function_name(self.labourer) if self.labourer else None
        if given and job.lambda_name and given != job.lambda_name:
            raise ConflictingLabourers(given, job.lambda_name)
        labourer_id = given or job.lambda_name
        if not labourer_id:
            problem = "is missing: give the operator's labourer, or lambda_name in the job"
            raise InvalidConfiguration([Fault("labourer", problem)])
        return labourer_id

    def _schema(self, job: JobRequest) -> JobSchema:
        wanted = job.schema_name or self.job_schema
        return self.hook.job_schema(wanted) if isinstance(wanted, str) else JobSchema.of(wanted)
