"""The operator that puts a job into sosw's queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sosw_airflow._compat import BaseOperator

# Airflow imports this module whenever it parses a DAG file: whatever only `execute` needs is imported there.
if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.jobs.schema import JobSchema
    from sosw_airflow.operators.scheduling import Scheduling

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
        sosw_conn_id: str = "sosw_default",
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
        self._scheduling: Scheduling | None = None

    def execute(self, context: Context) -> dict[str, str | int]:
        """Check the job, plan it, write it.

        :raises SoswError: says what is wrong, where, and how to mend it. An error that a retry cannot mend fails the
            Airflow task at once.
        """
        from sosw_airflow.exceptions import SoswError
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.operators.failing import without_retry
        from sosw_airflow.operators.scheduling import Scheduling

        self._scheduling = Scheduling(
            job=self.job,
            labourer=self.labourer,
            job_schema=self.job_schema,
            reference_date=self.reference_date,
            queue_position=self.queue_position,
            on_clear=self.on_clear,
            cancel_on_kill=self.cancel_on_kill,
            hook=SoswHook(self.sosw_conn_id),
        )
        try:
            return self._scheduling.run(context)
        except SoswError as error:
            if error.retryable:
                raise
            failure = without_retry(error)
        raise failure

    def on_kill(self) -> None:
        """Stop between two requests; what happens to the tasks in the queue is up to ``cancel_on_kill``."""
        if self._scheduling is not None:
            self._scheduling.kill()
