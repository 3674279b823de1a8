"""Schedules, drains and repairs for the operators. Imported when they execute, so that DAG files parse fast."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sosw_airflow.exceptions import (
    ConflictingLabourers,
    Fault,
    InvalidConfiguration,
    InvalidJobSchema,
    MissingQueueFile,
)
from sosw_airflow.hooks.metrics import reporter
from sosw_airflow.hooks.sosw import SoswHook, default_max_tasks, period_modules
from sosw_airflow.hooks.sources import SourceAccess
from sosw_airflow.jobs.event import JobRequest, function_name, parse_event
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import parse_job_id
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.lazy_values import plain_job
from sosw_airflow.jobs.rendered_texts import rendered_wrongly
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.jobs.sources import find_sources
from sosw_airflow.run_context import attempt_of, dag_id_of, data_interval_days, day_of_run, job_identity, reference_date
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
from sosw_airflow.scheduling.kept_places import place_of_former
from sosw_airflow.scheduling.repair import is_asked_by, last_of_chain, repair, resume
from sosw_airflow.scheduling.requests import QueuePosition, Request, ScheduleRequest, SourcedRequest
from sosw_airflow.scheduling.reruns import identity_in_run, report_other_run
from sosw_airflow.scheduling.scheduler import JobScheduler, Outcome, ScheduleResult
from sosw_airflow.stores.documents import read_document

if TYPE_CHECKING:
    from datetime import date

    from sosw_airflow._compat import Context
    from sosw_airflow.config.registry import Labourer
    from sosw_airflow.jobs.identity import JobIdentity
    from sosw_airflow.jobs.metrics import Report
    from sosw_airflow.jobs.periods import DataInterval
    from sosw_airflow.operators.cancellation import CancelOnKill

__all__ = ["DrainExecution", "RepairExecution", "ScheduleExecution"]

log = logging.getLogger(__name__)

#: Called with the labourer and the job's id before the first row is written.
Announce = Callable[["Labourer", str], None]

_ON_CLEAR = ("reschedule", "failed", "resume")
_DELIVERY = ("tasks", "queue_file")
_WHY = " with delivery='queue_file': sosw's own Scheduler writes the tasks then, under ids of its own"


@dataclass
class ScheduleExecution:
    """One attempt at a job, with the rendered arguments of `SoswScheduleOperator`.

    :ivar source_conn_ids: Connections that sources in the job may name.
    :ivar waits: the arguments that say that the operator waits.
    :ivar argument_faults: of the operator's other arguments.
    :ivar labourer_id: of the job, once it was read.
    """

    job: Any
    labourer: str | None
    job_schema: str | Mapping[str, Any] | JobSchema
    reference_date: Any
    queue_position: str
    max_running: int | None
    on_clear: str
    delivery: str
    scheduler_function: str | None
    max_tasks: int | None
    source_conn_ids: Any
    waits: Sequence[str]
    hook: SoswHook
    on_kill: CancelOnKill
    argument_faults: Sequence[Fault] = ()
    announce: Announce = lambda labourer, job_id: None  # noqa: ARG005
    labourer_id: str = field(default="", init=False)

    def run(self, context: Context) -> ScheduleResult:
        """Check everything, then schedule."""
        self._check_choices()
        job = self._parse_job()
        labourer_id = self.labourer_id = self._labourer_id(job)
        labourer = self.hook.labourer(labourer_id)
        today, interval = reference_date(context, self.reference_date), data_interval_days(context)
        request_of = self._checked(job, today, interval)
        scheduler = JobScheduler(self.hook.deployment(), stop=self.on_kill.stop, metrics=_metrics(context))
        own = job_identity(context, labourer_id, namespace=self.hook.settings.namespace)
        attempt = attempt_of(context)
        identity = identity_in_run(scheduler.records, own, attempt, continues=self.on_clear != "reschedule")
        self.announce(labourer, identity.job_id)
        is_cleared = attempt.first and not attempt.fresh
        place = place_of_former(scheduler.deployment, identity) if is_cleared else ""
        request = request_of(identity, scheduler, place)
        with self._watch(identity.job_id, scheduler):
            if self.delivery == "queue_file":
                return self._deliver(request, scheduler)
            scheduled = scheduler.schedule(request)
        if scheduled.outcome is Outcome.FOUND and (self.on_clear == "reschedule" or attempt.fresh):
            report_other_run(scheduled.header, attempt)
        if self.on_clear == "reschedule" or scheduled.outcome is Outcome.SCHEDULED:
            return scheduled
        return self._after_repairs(scheduled, own, labourer, scheduler)

    def _checked(
        self, job: JobRequest, today: date, interval: DataInterval | None
    ) -> Callable[[JobIdentity, JobScheduler, str], Request]:
        """What makes the request of a job that was checked, but for the values of its sources."""
        schema, position = self._schema(job), cast("QueuePosition", self.queue_position)
        more = (today, interval, position, self.max_running or 0)
        expand = partial(
            Expansion,
            schema=schema,
            reference_date=today,
            data_interval=interval,
            max_tasks=self.max_tasks or default_max_tasks(),
        )
        sourced = find_sources(job.job, schema)
        if sourced is None:
            expansion = expand(job)
            for warning in expansion.warnings:
                log.warning("%s", warning)
            return lambda identity, _, place: ScheduleRequest(identity, expansion, *more, place)
        access = SourceAccess(self.hook, self.source_conn_ids)
        access.check(job, sourced, expand)

        def request_of(identity: JobIdentity, scheduler: JobScheduler, place: str) -> Request:
            read = partial(access.read, job, sourced, expand, check=scheduler.check_stop)
            return SourcedRequest(identity, job.job, schema, read, *more, place)

        return request_of

    def _after_repairs(
        self, scheduled: ScheduleResult, own: JobIdentity, labourer: Labourer, scheduler: JobScheduler
    ) -> ScheduleResult:
        """The job may have been repaired since; with ``on_clear="failed"`` a new generation repairs it."""
        guard = partial(self._announce_and_watch, labourer=labourer, scheduler=scheduler)
        if self.on_clear == "failed" and scheduled.header.generation != own.generation:
            position: Any = self.queue_position
            scheduled = repair(
                scheduler,
                scheduled.header.job_id,
                asked_by=own,
                queue_position=position,
                max_running=self.max_running,
                unfinished="wait",
                guard=guard,
            )
        else:
            last = last_of_chain(scheduler.records, scheduled.header.job_id)
            if not last.repairs:
                return scheduled
            scheduled = resume(scheduler, last, guard)
        return scheduled

    def _announce_and_watch(
        self, job_id: str, *, labourer: Labourer, scheduler: JobScheduler
    ) -> AbstractContextManager[None]:
        self.announce(labourer, job_id)
        return self._watch(job_id, scheduler)

    def _deliver(self, request: Request, scheduler: JobScheduler) -> ScheduleResult:
        function = self.scheduler_function
        return deliver(
            scheduler,
            request,
            function=function,
            aws_lambda=self.hook.client("lambda", attempts=1) if function else None,
        )

    def _watch(self, job_id: str, scheduler: JobScheduler) -> AbstractContextManager[None]:
        return self.on_kill.watch(scheduler.deployment, job_id)

    def _check_choices(self) -> None:
        faults = list(self.argument_faults)
        if self.on_clear not in _ON_CLEAR:
            faults.append(_choice("on_clear", _ON_CLEAR, self.on_clear))
        if self.delivery not in _DELIVERY:
            faults.append(_choice("delivery", _DELIVERY, self.delivery))
        if self.max_tasks is not None and (type(self.max_tasks) is not int or self.max_tasks < 1):
            faults.append(Fault("max_tasks", f"must be a whole number, 1 or more, not {excerpt(self.max_tasks)}"))
        if self.scheduler_function and self.delivery != "queue_file":
            faults.append(Fault("scheduler_function", "is only used with delivery='queue_file'"))
        if not _is_names(self.source_conn_ids):
            problem = f"must be a list of ids of Connections, not {excerpt(self.source_conn_ids)}"
            faults.append(Fault("source_conn_ids", problem))
        faults += text_faults(
            labourer=self.labourer, job_schema=self.job_schema, scheduler_function=self.scheduler_function
        )
        if self.delivery == "queue_file":
            faults += [Fault(name, f"must be {value}{_WHY}") for name, value in self._not_with_delivery()]
        if faults:
            raise InvalidConfiguration(faults)

    def _not_with_delivery(self) -> Iterator[tuple[str, str]]:
        for name in self.waits:
            yield name, "False"
        if self.queue_position == "front":
            yield "queue_position", "'back'"
        if self.max_running is not None:
            yield "max_running", "None"
        if self.on_clear == "failed":
            yield "on_clear", "'reschedule' or 'resume'"

    def _parse_job(self) -> JobRequest:
        job = self.job
        if isinstance(job, str) and job.strip().startswith("s3://"):
            job = read_document(self.hook.client("s3"), job.strip())
        return parse_event(plain_job(job))

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
        if isinstance(wanted, str) and wanted.lstrip().startswith("{"):  # a template's "| tojson"
            wanted = read_object(wanted, InvalidJobSchema)
        return (
            self.hook.job_schema(wanted)
            if isinstance(wanted, str)
            else JobSchema.of(wanted, period_modules=period_modules())
        )


@dataclass
class DrainExecution:
    """One attempt at a queue file, with the rendered arguments of `SoswDrainQueueOperator`."""

    queue_file: Any
    take_locked: bool
    queue_position: Any
    max_running: int | None
    hook: SoswHook
    on_kill: CancelOnKill
    announce: Announce
    argument_faults: Sequence[Fault] = ()

    def run(self, context: Context) -> ScheduleResult:
        """Check everything, then schedule."""
        faults = [*self.argument_faults, *text_faults(queue_file=self.queue_file)]
        if not isinstance(self.queue_file, str):
            problem = f"must be a name, a key or s3://bucket/key, not {excerpt(self.queue_file)}"
            faults.append(Fault("queue_file", problem))
        if faults:
            raise InvalidConfiguration(faults)
        deployment = self.hook.deployment()
        file = LeftFile.of(deployment, self.queue_file.strip())
        scheduler = JobScheduler(deployment, stop=self.on_kill.stop, metrics=_metrics(context))
        identity = replace(job_identity(context, "", namespace=self.hook.settings.namespace), queue_file=str(file))
        former = scheduler.records.header(identity.job_id)
        labourer_id = former.labourer_id if former else file.labourer_id()
        if labourer_id is None:
            raise MissingQueueFile(str(file))
        identity = replace(identity, labourer_id=labourer_id)
        self.announce(self.hook.labourer(labourer_id), identity.job_id)
        request = DrainRequest(identity, file, day_of_run(context), self.queue_position, self.max_running or 0)
        with self.on_kill.watch(deployment, identity.job_id):
            drained = drain(scheduler, request, take_locked=self.take_locked)
        if drained.outcome is Outcome.FOUND:
            report_other_run(drained.header, attempt_of(context))
        return drained


@dataclass
class RepairExecution:
    """One attempt at a repair, with the rendered arguments of `SoswRepairOperator`."""

    job_id: Any
    unfinished: str
    queue_position: Any
    max_running: int | None
    hook: SoswHook
    on_kill: CancelOnKill
    announce: Announce
    argument_faults: Sequence[Fault] = ()

    def run(self, context: Context) -> ScheduleResult:
        """Check everything, then schedule."""
        faults = list(self.argument_faults)
        if self.unfinished not in ("refuse", "leave"):
            faults.append(_choice("unfinished", ("refuse", "leave"), self.unfinished))
        try:
            job_id = parse_job_id(self.job_id)
        except InvalidConfiguration as error:
            faults += error.faults
        if faults:
            raise InvalidConfiguration(faults)
        scheduler = JobScheduler(self.hook.deployment(), stop=self.on_kill.stop, metrics=_metrics(context))
        last = last_of_chain(scheduler.records, job_id)
        labourer = self.hook.labourer(last.labourer_id)
        self.announce(labourer, last.job_id)

        def guard(job_id: str) -> AbstractContextManager[None]:
            self.announce(labourer, job_id)
            return self.on_kill.watch(scheduler.deployment, job_id)

        own, attempt = job_identity(context, "", namespace=self.hook.settings.namespace), attempt_of(context)
        repaired = repair(
            scheduler,
            job_id,
            asked_by=own,
            first=attempt.first,
            queue_position=self.queue_position,
            max_running=self.max_running,
            unfinished=self.unfinished,
            guard=guard,
        )
        if repaired.outcome is Outcome.FOUND and is_asked_by(repaired.header, own):
            report_other_run(repaired.header, attempt)
        return repaired


def _metrics(context: Context) -> Report:
    return reporter(dag_id_of(context["ti"]))


def text_faults(**arguments: Any) -> Iterator[Fault]:
    """The arguments whose template has made the text of an object, or of nothing."""
    for name, value in arguments.items():
        wrong = rendered_wrongly(value) if isinstance(value, str) else None
        if wrong:
            yield Fault(name, wrong)


def _is_names(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(each, str) for each in value)


def _choice(argument: str, allowed: Sequence[str], given: object) -> Fault:
    return Fault(argument, f"must be {' or '.join(map(repr, allowed))}, not {excerpt(given)}")
