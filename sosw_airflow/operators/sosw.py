"""The operator that puts a job into sosw's queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sosw_airflow._compat import BaseOperator
from sosw_airflow.dag_runs import data_interval_days, job_identity, reference_date
from sosw_airflow.exceptions import ConflictingLabourers, Fault, InvalidConfiguration, JobStopped, SoswError
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.event import JobRequest, function_name, parse_event
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.operators.failing import without_retry

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.stores.scheduling import JobScheduler

__all__ = ["SoswScheduleOperator"]


class SoswScheduleOperator(BaseOperator):
    """Expand a job into tasks and put each of them into sosw's queue, exactly once.

    An automatic retry goes on from where the former attempt stopped; clearing the Airflow task schedules the job anew.
    Dates follow the DAG run, never the wall clock.

    :param job: the job: a mapping, its JSON text, an event of sosw's Scheduler (``{"job": ...}``), an XComArg, or
        ``s3://bucket/key`` of a JSON document. (templated)
    :param labourer: id (name or ARN) of the Lambda function that works on the tasks, unless the job has it as
        ``lambda_name``; where both are given they must agree. (templated)
    :param job_schema: name of a variant in the Variable ``sosw_job_schemas``, or the schema itself. A
        ``job_schema_name`` in the job comes first. (templated)
    :param reference_date: the day that periods such as ``last_2_days`` are seen from, as a date or its text; by default
        the day on which sosw's Scheduler would have run for this DAG run. (templated)
    :param sosw_conn_id: the Connection of type ``sosw``. (templated)
    :param queue_position: ``"back"``, or ``"front"``: before everything that waits for this labourer. (templated)
    :param on_clear: what happens when the Airflow task is cleared, or its run is backfilled again: ``"reschedule"``
        schedules all of its tasks again, as a clear promises; ``"resume"`` goes on with the same job, so that nothing
        is scheduled again where it was written. (Automatic retries always resume.)
    :param cancel_on_kill: what becomes of the tasks already in the queue when this Airflow task is killed or marked as
        failed or successful while it runs: False leaves them, and a later attempt goes on; True cancels the job, which
        removes the tasks that no worker has got, and a cancelled job is never resumed.

    Returns (as XCom) ``job_id``, ``labourer``, ``tasks``, ``pages``, ``queue_key``, ``reference_date``,
    ``first_task_id``, ``last_task_id`` and ``state``; the same for every attempt of one generation.
    """

    template_fields: Sequence[str] = (
        "job",
        "labourer",
        "job_schema",
        "reference_date",
        "sosw_conn_id",
        "queue_position",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json", "job_schema": "json"}
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        job: Any,
        labourer: str | None = None,
        job_schema: str | Mapping[str, Any] | JobSchema = "default",
        reference_date: Any = None,
        sosw_conn_id: str = SoswHook.default_conn_name,
        queue_position: str = "back",
        on_clear: str = "reschedule",
        cancel_on_kill: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.labourer = labourer
        self.job_schema = job_schema
        self.reference_date = reference_date
        self.sosw_conn_id = sosw_conn_id
        self.queue_position = queue_position
        self.on_clear = on_clear
        self.cancel_on_kill = cancel_on_kill
        self._scheduler: JobScheduler | None = None
        self._killed = False

    def execute(self, context: Context) -> dict[str, str | int]:
        """Check the job, plan it, write it.

        :raises SoswError: says what is wrong, where, and how to mend it. An error that a retry cannot mend fails the
            Airflow task at once.
        """
        try:
            return self._schedule(context)
        except SoswError as error:
            if error.retryable:
                raise
            failure = without_retry(error)
        raise failure

    def on_kill(self) -> None:
        """Stop between two requests. Called from a signal's handler, so `execute` does the rest."""
        self._killed = True
        if self._scheduler is not None:
            self._scheduler.stop.set()

    def _schedule(self, context: Context) -> dict[str, str | int]:
        from sosw_airflow.stores.cancelling import cancel_job
        from sosw_airflow.stores.page_writer import Stopped
        from sosw_airflow.stores.scheduling import JobScheduler, ScheduleRequest

        hook = SoswHook(self.sosw_conn_id)
        self._check_arguments()
        request = self._job_request(hook)
        labourer_id = self._labourer_id(request)
        hook.labourer(labourer_id)
        today, interval = reference_date(context, self.reference_date), data_interval_days(context)
        expansion = Expansion(request, schema=self._schema(hook, request), reference_date=today, data_interval=interval)
        for warning in expansion.warnings:
            self.log.warning("%s", warning)
        self._scheduler = JobScheduler(hook.deployment())
        identity = job_identity(context, labourer_id)
        if self.on_clear == "resume":
            identity = self._scheduler.latest_generation(identity)
        schedule_request = ScheduleRequest(
            identity=identity,
            expansion=expansion,
            reference_date=today,
            data_interval=interval,
            queue_position="front" if self.queue_position == "front" else "back",
        )
        if self._killed:
            self._scheduler.stop.set()
        try:
            return self._scheduler.schedule(schedule_request).summary()
        except BaseException as reason:
            # Airflow 2 raises from its signal's handler, wherever that strikes; Airflow 3 only calls `on_kill`.
            if self._killed and self.cancel_on_kill:
                cancel_job(self._scheduler.deployment, identity.job_id)
            if isinstance(reason, Stopped):
                raise JobStopped(identity.job_id, cancelled=self._killed and self.cancel_on_kill) from None
            raise
        finally:
            self._scheduler = None

    def _check_arguments(self) -> None:
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

    def _job_request(self, hook: SoswHook) -> JobRequest:
        job = self.job
        if isinstance(job, str) and job.strip().startswith("s3://"):
            from sosw_airflow.stores.documents import read_document

            job = read_document(hook.client("s3"), job.strip())
        return parse_event(job)

    def _labourer_id(self, request: JobRequest) -> str:
        given = function_name(self.labourer) if self.labourer else None
        if given and request.lambda_name and given != request.lambda_name:
            raise ConflictingLabourers(given, request.lambda_name)
        labourer_id = given or request.lambda_name
        if not labourer_id:
            problem = "is missing: give the operator's labourer, or lambda_name in the job"
            raise InvalidConfiguration([Fault("labourer", problem)])
        return labourer_id

    def _schema(self, hook: SoswHook, request: JobRequest) -> JobSchema:
        wanted = request.schema_name or self.job_schema
        return hook.job_schema(wanted) if isinstance(wanted, str) else JobSchema.of(wanted)
