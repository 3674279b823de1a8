"""The operators that schedule a job, repair it, drain a queue file, and examine a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseOperator
from sosw_airflow.operators.base import SoswBaseOperator, fail_without_retry

# Airflow imports this module whenever it parses a DAG file: whatever only `execute` needs is imported there.
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sosw_airflow._compat import Context
    from sosw_airflow.jobs.schema import JobSchema
    from sosw_airflow.operators.arguments import AirflowArguments, SoswArguments
    from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator

__all__ = [
    "SoswDoctorOperator",
    "SoswDrainQueueOperator",
    "SoswOrchestrateOperator",
    "SoswRepairOperator",
    "SoswScheduleOperator",
]


def __getattr__(name: str) -> Any:
    """`SoswOrchestrateOperator`, which most DAG files do not need, is made when one does."""
    if name != "SoswOrchestrateOperator":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator as Operator

    globals()[name] = Operator
    return Operator


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

        with fail_without_retry():
            hook = SoswHook(self.sosw_conn_id)
            self._cancel_on_kill = self._stop_on_kill(context)
            scheduling = ScheduleExecution(
                job=self.job,
                labourer=self.labourer,
                job_schema=self.job_schema,
                reference_date=self.reference_date,
                queue_position=self.queue_position,
                max_running=self.max_running,
                on_clear=self.on_clear,
                delivery=self.delivery,
                scheduler_function=self.scheduler_function,
                max_tasks=self.max_tasks,
                source_conn_ids=self.source_conn_ids,
                waits=self._waits,
                hook=hook,
                on_kill=self._cancel_on_kill,
                argument_faults=self._argument_faults(),
                announce=partial(self._announce, context, hook),
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


class SoswRepairOperator(SoswBaseOperator):
    """Put the failed tasks of a job into sosw's queue again, with the payloads that they had, exactly once.

    They become a job of their own, whose record names the repaired job. A job has one repair, whichever Airflow task
    asks for it. Tasks that fail again are repaired by the repair of the repair, so you can repair the first job as
    often as you like. `SoswArguments` has the parameters that all operators share.

    :param job_id: of the job, or its summary (the XCom of the Airflow task that scheduled it). (templated)
    :param unfinished: what happens while some tasks of the job are still queued or running: ``"refuse"`` fails this
        attempt. ``"leave"`` schedules the tasks that have failed so far; this repair never includes the others.

    Returns (as XCom) the summary of the repair, with ``repairs``, the id of the repaired job. If no task has failed, it
    is the summary of the job itself.
    """

    template_fields: Sequence[str] = ("job_id", "sosw_conn_id", "queue_position", "results")
    ui_color = "#f6efe0"

    def __init__(self, *, job_id: Any, unfinished: str = "refuse", **kwargs: Unpack[SoswArguments]) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.unfinished = unfinished

    @property
    def _clear_kills(self) -> bool:
        return False  # a job has one repair: the next attempt continues it

    def execute(self, context: Context) -> dict[str, Any]:
        """Find what has failed, plan it, write it; then wait, if that is wanted.

        :raises SoswError: with the fault, its place and the fix.
        """
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.jobs.identity import NO_JOB, is_empty_job
        from sosw_airflow.operators.execution import RepairExecution

        if is_empty_job(self.job_id):
            self.log.info("The sources of the job were empty: there is nothing to repair.")
            return dict(NO_JOB)
        with fail_without_retry():
            hook = SoswHook(self.sosw_conn_id)
            self._cancel_on_kill = self._stop_on_kill(context)
            repairing = RepairExecution(
                job_id=self.job_id,
                unfinished=self.unfinished,
                queue_position=self.queue_position,
                max_running=self.max_running,
                hook=hook,
                on_kill=self._cancel_on_kill,
                announce=partial(self._announce, context, hook),
                argument_faults=self._argument_faults(),
            )
            return self._finish(context, hook, repairing.run(context))


class SoswDrainQueueOperator(SoswBaseOperator):
    """Take over a queue file that a Scheduler of sosw has left in S3, and put its tasks into sosw's queue, once.

    The operator renames the file as sosw's Scheduler does (``locked_...``), so that no other takes it. It removes the
    file when all of its tasks are in the queue. `SoswArguments` has the parameters that all operators share.

    :param queue_file: the bare name, under the Connection's ``s3_prefix``; or a key; or ``s3://bucket/key``.
        (templated)
    :param take_locked: also take a locked file, which a Scheduler leaves when it crashes. The file does not show which
        of its tasks were written before. All of them are written now, so some may be done twice.

    Returns what `SoswScheduleOperator` returns.
    """

    template_fields: Sequence[str] = ("queue_file", "sosw_conn_id", "queue_position", "results")
    ui_color = "#e5ecf6"

    def __init__(self, *, queue_file: Any, take_locked: bool = False, **kwargs: Unpack[SoswArguments]) -> None:
        super().__init__(**kwargs)
        self.queue_file = queue_file
        self.take_locked = take_locked

    def execute(self, context: Context) -> dict[str, Any]:
        """Claim the file, plan it, write it; then wait, if that is wanted.

        :raises SoswError: with the fault, its place and the fix.
        """
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.operators.execution import DrainExecution

        with fail_without_retry():
            hook = SoswHook(self.sosw_conn_id)
            self._cancel_on_kill = self._stop_on_kill(context)
            draining = DrainExecution(
                queue_file=self.queue_file,
                take_locked=self.take_locked,
                queue_position=self.queue_position,
                max_running=self.max_running,
                hook=hook,
                on_kill=self._cancel_on_kill,
                announce=partial(self._announce, context, hook),
                argument_faults=self._argument_faults(),
            )
            return self._finish(context, hook, draining.run(context))


class SoswDoctorOperator(BaseOperator):
    """Examine the deployment as ``sosw-airflow doctor`` does, and fail if it is broken. Changes nothing.

    :param sosw_conn_id: the Connection of type ``sosw``. (templated)
    :param strict: also fail on a warning, such as a queue that no Orchestrator drains.

    Returns (as XCom, also if it fails) the findings: a list of ``level`` (``ok``, ``warning``, ``error``),
    ``check``, ``subject``, ``text`` and ``fix``.
    """

    template_fields: Sequence[str] = ("sosw_conn_id",)
    ui_color = "#e8f3ec"

    def __init__(
        self, *, sosw_conn_id: str = "sosw_default", strict: bool = False, **kwargs: Unpack[AirflowArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.sosw_conn_id = sosw_conn_id
        self.strict = strict

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Run all checks.

        :raises DeploymentBroken: names each fault and its fix. Airflow retries it as any other error.
        """
        from sosw_airflow.doctor.findings import Level
        from sosw_airflow.exceptions import DeploymentBroken
        from sosw_airflow.hooks.doctor import examine_deployment
        from sosw_airflow.hooks.sosw import SoswHook

        findings = list(examine_deployment(SoswHook(self.sosw_conn_id)))
        for each in findings:
            self.log.info("%s: %s", each.level.value, each)
        reported = [each.as_dict() for each in findings]
        fatal = {Level.ERROR, Level.WARNING} if self.strict else {Level.ERROR}
        broken = [str(each) for each in findings if each.level in fatal]
        if broken:
            context["ti"].xcom_push(key="return_value", value=reported)
            raise DeploymentBroken(broken)
        return reported
