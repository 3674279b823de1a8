"""What `SoswScheduleOperator` does when it executes; imported only then, so that DAG files parse fast."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sosw_airflow.dag_runs import data_interval_days, job_identity, reference_date
from sosw_airflow.exceptions import ConflictingLabourers, Fault, InvalidConfiguration, JobStopped
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.event import JobRequest, function_name, parse_event
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.stores.cancelling import cancel_job
from sosw_airflow.stores.documents import read_document
from sosw_airflow.stores.page_writer import Stopped
from sosw_airflow.stores.scheduling import JobScheduler, ScheduleRequest

if TYPE_CHECKING:
    from sosw_airflow._compat import Context

__all__ = ["Scheduling"]

log = logging.getLogger(__name__)


@dataclass
class Scheduling:
    """One attempt at a job, with the operator's arguments after their rendering; see there for their meaning.

    :ivar killed: Airflow has asked to stop.
    """

    job: Any
    labourer: str | None
    job_schema: str | Mapping[str, Any] | JobSchema
    reference_date: Any
    queue_position: str
    on_clear: str
    cancel_on_kill: bool
    hook: SoswHook
    killed: bool = field(default=False, init=False)
    _scheduler: JobScheduler | None = field(default=None, init=False)

    def run(self, context: Context) -> dict[str, str | int]:
        """Check everything, then schedule. Returns the summary for the XCom."""
        self._check_choices()
        job = self._parse_job()
        labourer_id = self._labourer_id(job)
        self.hook.labourer(labourer_id)
        today, interval = reference_date(context, self.reference_date), data_interval_days(context)
        expansion = Expansion(job, schema=self._schema(job), reference_date=today, data_interval=interval)
        for warning in expansion.warnings:
            log.warning("%s", warning)
        self._scheduler = JobScheduler(self.hook.deployment())
        identity = job_identity(context, labourer_id)
        if self.on_clear == "resume":
            identity = self._scheduler.latest_generation(identity)
        position: Any = self.queue_position
        return self._schedule(ScheduleRequest(identity, expansion, today, interval, position), self._scheduler)

    def kill(self) -> None:
        """Stop between two requests. May be called from a signal's handler: `run` does the rest."""
        self.killed = True
        if self._scheduler is not None:
            self._scheduler.stop.set()

    def _schedule(self, request: ScheduleRequest, scheduler: JobScheduler) -> dict[str, str | int]:
        if self.killed:
            scheduler.stop.set()
        try:
            return scheduler.schedule(request).summary()
        except BaseException as reason:
            # Airflow 2 raises from its signal's handler, wherever that strikes; Airflow 3 only calls `on_kill`.
            job_id = request.identity.job_id
            cancels = self.killed and self.cancel_on_kill
            if cancels:
                cancel_job(scheduler.deployment, job_id)
            if isinstance(reason, Stopped):
                raise JobStopped(job_id, cancelled=cancels) from None
            raise

    def _check_choices(self) -> None:
        faults = [
            Fault(name, f"must be {' or '.join(map(repr, known))}, not {value!r}")
            for name, value, known in (
                ("queue_position", self.queue_position, ("back", "front")),
                ("on_clear", self.on_clear, ("reschedule", "resume")),
            )
            if value not in known
        ]
        if faults:
            raise InvalidConfiguration(faults)

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
