"""The operator that schedules a job; the others come from their own modules at their first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow.operators.base import SoswBaseOperator

# Airflow imports this module whenever it parses a DAG file: whatever only `execute` needs is imported there.
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sosw_airflow._compat import Context
    from sosw_airflow.jobs.schema import JobSchema
    from sosw_airflow.operators.arguments import SoswArguments
    from sosw_airflow.operators.doctor import SoswDoctorOperator
    from sosw_airflow.operators.drain import SoswDrainQueueOperator
    from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
    from sosw_airflow.operators.repair import SoswRepairOperator

__all__ = [
    "SoswDoctorOperator",
    "SoswDrainQueueOperator",
    "SoswOrchestrateOperator",
    "SoswRepairOperator",
    "SoswScheduleOperator",
]


#: Every class costs a DAG file some tenths of a millisecond, and most files need none of these.
_AT_FIRST_USE = {
    "SoswDoctorOperator": "doctor",
    "SoswDrainQueueOperator": "drain",
    "SoswOrchestrateOperator": "orchestrate",
    "SoswRepairOperator": "repair",
}


def __getattr__(name: str) -> Any:
    """Import an operator at its first use."""
    if name not in _AT_FIRST_USE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"sosw_airflow.operators.{_AT_FIRST_USE[name]}"), name)
    return found


class SoswScheduleOperator(SoswBaseOperator):
    """Expand a job into tasks and put every task into sosw's queue, exactly once.

    An automatic retry resumes where the former attempt stopped. A clear of the Airflow task schedules the job again.
    Dates follow the DAG run, never the wall clock. `SoswArguments` has the parameters that all operators share.

    :param job: the job: a mapping, its JSON text, an event of sosw's Scheduler (``{"job": ...}``), an XComArg, or
        ``s3://bucket/key`` of a JSON document. The output of a mapped Airflow task can be the values of an attribute,
        ``{"words": mapped.output}``. (templated)
    :param labourer: id (name or ARN) of the Lambda function that works on the tasks, unless the job has it as
        ``lambda_name``. If both are given they must agree. (templated)
    :param job_schema: name of a variant in the Variable ``sosw_job_schemas``, or the schema itself, or its JSON text. A
        ``job_schema_name`` in the job comes first. (templated)
    :param reference_date: the day to which periods such as ``last_2_days`` refer, as a date or its text. By default the
        day on which sosw's Scheduler would have run for this DAG run; of a run for a partition, the partition's day.
        (templated)
    :param on_clear: what a clear of the Airflow task does, or another backfill of its run: ``"reschedule"`` schedules
        all of its tasks again, as a clear promises. ``"failed"`` schedules only those that failed, once the job is
        over, and resumes the job before that. ``"resume"`` resumes the same job, so that no written task is scheduled
        again. (Automatic retries always resume.)
    :param delivery: ``"tasks"`` writes the tasks. ``"queue_file"`` only puts the job's queue file into the place from
        which sosw's own Scheduler takes it, for deployments that keep that writer. You cannot wait for such a job.
    :param max_tasks: a job of more tasks is refused before anything is written. None: the option ``max_tasks`` in the
        section ``[sosw]`` of Airflow's configuration, 1,000,000 by default.
    :param source_conn_ids: ids of the Connections that a source in the job may name, ``conn_id`` or ``aws_conn_id``. By
        default none: a job from ``dag_run.conf`` must not choose a database. Sources in S3 need none.
    :param scheduler_function: name or ARN of sosw's Scheduler, to be invoked with the queue file; None if something
        else does that. (templated)

    Returns (as XCom) ``job_id``, ``labourer``, ``tasks``, ``pages``, ``queue_key``, ``reference_date``,
    ``first_task_id``, ``last_task_id`` and ``state``; the same for every attempt of one generation. Also ``estimate``,
    what the job costs: units, requests and list price. After waiting also
    ``completed`` and ``failed``; with ``results`` also ``results``: the addresses of ``manifest``, ``completed`` and
    ``failed``, and ``counts``, the number of tasks in each state. If all sources are empty, and none of them fails or
    skips then, only ``labourer``, ``tasks`` (0) and ``state`` (``empty``).
    """

    template_fields: Sequence[str] = (
        "job",
        "labourer",
        "job_schema",
        "reference_date",
        "scheduler_function",
        "sosw_conn_id",
        "queue_position",
        "results",
    )

    def __init__(
        self,
        *,
        job: Any,
        labourer: str | None = None,
        job_schema: str | Mapping[str, Any] | JobSchema = "default",
        reference_date: Any = None,
        on_clear: str = "reschedule",
        delivery: str = "tasks",
        scheduler_function: str | None = None,
        max_tasks: int | None = None,
        source_conn_ids: Sequence[str] = (),
        **kwargs: Unpack[SoswArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.labourer = labourer
        self.job_schema = job_schema
        self.reference_date = reference_date
        self.on_clear = on_clear
        self.delivery = delivery
        self.scheduler_function = scheduler_function
        self.max_tasks = max_tasks
        self.source_conn_ids = source_conn_ids

    @property
    def _clear_kills(self) -> bool:
        return self.on_clear == "reschedule"

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the job, plan it, write it; then wait, if that is wanted.

        :raises SoswError: with the fault, its place and the fix. An error that a retry cannot fix fails the Airflow
            task at once.
        """
        from sosw_airflow._compat import AirflowSkipException
        from sosw_airflow.exceptions import EmptySource
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.jobs.identity import NO_JOB
        from sosw_airflow.operators.execution import ScheduleExecution
        from sosw_airflow.operators.without_retry import fail_without_retry

        with fail_without_retry():
            hook = SoswHook(self.sosw_conn_id)
            scheduling = self._begin(
                context,
                hook,
                ScheduleExecution,
                job=self.job,
                labourer=self.labourer,
                job_schema=self.job_schema,
                reference_date=self.reference_date,
                on_clear=self.on_clear,
                delivery=self.delivery,
                scheduler_function=self.scheduler_function,
                max_tasks=self.max_tasks,
                source_conn_ids=self.source_conn_ids,
                waits=self._waits,
            )
            try:
                scheduled = scheduling.run(context)
            except EmptySource as error:
                if error.on_empty == "fail":
                    raise
                if error.on_empty == "skip":
                    raise AirflowSkipException(str(error)) from None
                self.log.warning("%s", error)
                return {"labourer": scheduling.labourer_id, **NO_JOB}
            return self._finish(context, hook, scheduled)
