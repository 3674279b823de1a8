"""The sensor that waits for jobs which another Airflow task, or another DAG, has scheduled."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseSensorOperator, default_deferrable
from sosw_airflow.exceptions.faults import counted

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.exceptions import SoswError
    from sosw_airflow.waiting.poller import JobPoller, JobResult

__all__ = ["SoswJobSensor"]

log = logging.getLogger(__name__)


class SoswJobSensor(BaseSensorOperator):
    """Wait until all tasks of a job, or of several jobs, are closed: completed, or failed for good.

    The sensor also waits for a job that has no record yet.

    :param job_id: id of the job, or its summary (the XCom of the Airflow task that scheduled it). Or a list of them,
        such as the output of a mapped Airflow task: the sensor waits for all of them. (templated)
    :param sosw_conn_id: the Connection of type ``sosw``. (templated)
    :param tolerated_failures: failed tasks with which a job still counts as done: a number, or a share such as
        ``"5%"``. It applies to each job.
    :param results: ``s3://bucket/prefix/`` to which the results of each job are written once it is over, as the other
        operators do. (templated)
    :param deferrable: wait in the triggerer, which takes no worker slot; by default as ``[operators]
        default_deferrable`` says.

    ``poke_interval``, ``timeout``, ``mode``, ``soft_fail``, ``never_fail`` and ``silent_fail`` are those of every
    sensor. In the mode ``reschedule`` each poll reads all tasks that were closed since the job was scheduled;
    ``deferrable`` costs less.

    Returns (as XCom) ``job_id``, ``tasks``, ``completed``, ``failed`` and ``state``, with ``results`` also their
    addresses; for several jobs a list of these, in the order of ``job_id``.

    :raises JobFailed: more tasks of the job failed than are tolerated.
    :raises JobCancelled: the job was cancelled.
    :raises JobsFailed: one of several jobs failed or was cancelled; raised once all of them are over.
    :raises AirflowSensorTimeout: a job was not over in time.
    """

    template_fields: Sequence[str] = ("job_id", "sosw_conn_id", "results")
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        job_id: Any,
        sosw_conn_id: str = "sosw_default",
        tolerated_failures: int | str = 0,
        results: str | None = None,
        deferrable: bool = default_deferrable(),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.sosw_conn_id = sosw_conn_id
        self.tolerated_failures = tolerated_failures
        self.results = results
        self.deferrable = deferrable
        self._jobs: tuple[list[str], bool] | None = None
        self._pollers: dict[str, JobPoller] = {}
        self._results: dict[str, JobResult] = {}

    # `execute` is that of `BaseSensorOperator`, so that an error of the first poll ends as with every sensor.

    def poke(self, context: Context) -> Any:
        """Poll once. A deferrable sensor whose jobs are not over defers."""
        from sosw_airflow._compat import PokeReturnValue
        from sosw_airflow.operators.waiting import deadline_after
        from sosw_airflow.operators.without_retry import fail_without_retry

        with fail_without_retry():
            if self._poll():
                return PokeReturnValue(is_done=True, xcom_value=self._conclude(context))
        if self.deferrable:
            self._defer(deadline_after(self.timeout))
        return False

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the deferral. Airflow 2 ignores ``never_fail`` here, Airflow 3 in part."""
        from sosw_airflow._compat import AirflowSkipException

        try:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[arg-type]
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        deadline: float | None = None,
    ) -> Any:
        """Conclude from the event of the trigger. The arguments are a contract: stored deferrals survive an upgrade."""
        from sosw_airflow.operators.without_retry import fail_without_retry
        from sosw_airflow.triggers.stored import mapping_of, moment_of
        from sosw_airflow.waiting.poller import JobResult, Status

        jobs = mapping_of(event).get("jobs", [event])
        results = [result for each in jobs if (result := JobResult.of(each))] if isinstance(jobs, list) else []
        if {result.progress.job_id for result in results} != set(self._job_ids()[0]):
            return self._poll_in_place_of_the_trigger(context, event, moment_of(deadline))
        late = [result for result in results if result.status is Status.TIMED_OUT]
        if late:
            raise _sensor_timeout(late)
        self._results = {result.progress.job_id: result for result in results}
        with fail_without_retry():
            return self._conclude(context)

    def _poll_in_place_of_the_trigger(
        self, context: Context, event: dict[str, Any] | None, deadline: float | None
    ) -> Any:
        """Poll here, so that the error which stopped the trigger is raised here; without one, defer again."""
        from sosw_airflow._compat import AirflowFailException
        from sosw_airflow.operators.waiting import hops_after
        from sosw_airflow.operators.without_retry import fail_without_retry

        try:
            with fail_without_retry():
                if self._poll():
                    return self._conclude(context)
        except AirflowFailException:
            raise
        except Exception:
            if not self.silent_fail:
                raise
            log.exception("The poll failed; the sensor waits again, since silent_fail is set.")
            self._defer(deadline, hops=1)
        self._defer(deadline, hops=hops_after(event))
        raise AssertionError  # _defer has raised

    def _poll(self) -> bool:
        """Poll the jobs that are not known to be over. Returns whether all are."""
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.operators.waiting import poller_of
        from sosw_airflow.waiting.tolerance import Tolerance

        Tolerance.of(self.tolerated_failures)
        job_ids, _ = self._job_ids()
        hook = SoswHook(self.sosw_conn_id)
        if self.results is not None and job_ids and not self._pollers:
            from sosw_airflow.waiting.result_files import ResultPlace

            ResultPlace.of(self.results).check(hook.deployment().s3, job_ids[0])
        for job_id in job_ids:
            if job_id in self._results:
                continue
            if job_id not in self._pollers:
                self._pollers[job_id] = poller_of(hook.deployment(), job_id, None, must_exist=False)
            result = self._pollers[job_id].poll()
            if result is not None:
                self._results[job_id] = result
        return len(self._results) == len(job_ids)

    def _conclude(self, context: Context) -> Any:
        """What the sensor returns, and its outlets learn; raises the errors of the jobs that failed."""
        from sosw_airflow.exceptions import JobsFailed, SoswError
        from sosw_airflow.jobs.identity import NO_JOB
        from sosw_airflow.operators.asset_events import describe_jobs

        job_ids, several = self._job_ids()
        reports = [self._report(self._results[job_id]) for job_id in job_ids]
        failures = [each for each in reports if isinstance(each, SoswError)]
        if failures and several:
            raise JobsFailed(failures, jobs=len(job_ids))
        if failures:
            raise failures[0]
        # Without an id the sources of the job were empty.
        returned: Any = reports if several else reports[0] if reports else dict(NO_JOB)
        describe_jobs(context, self.outlets, returned)
        return returned

    def _report(self, result: JobResult) -> dict[str, Any] | SoswError:
        """The counts of a job that is over, or the error with which it ended."""
        from sosw_airflow.exceptions import JobCancelled, JobFailed, TasksLost
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.operators.waiting import conclude

        hook, poller = SoswHook(self.sosw_conn_id), self._pollers.get(result.progress.job_id)
        try:
            counts = conclude(
                hook,
                result,
                tolerated_failures=self.tolerated_failures,
                results=self.results,
                reader=poller.reader if poller is not None else None,
            )
        except (JobFailed, JobCancelled, TasksLost) as failure:
            return failure
        return {"job_id": result.progress.job_id, "tasks": result.progress.total, **counts}

    def _job_ids(self) -> tuple[list[str], bool]:
        """The ids without repetitions, and whether ``job_id`` is a list. An output of mapped tasks is read once."""
        from sosw_airflow.jobs.identity import parse_job_ids

        if self._jobs is None:
            self._jobs = parse_job_ids(self.job_id)
        return self._jobs

    def _defer(self, deadline: float | None, *, hops: int = 0) -> None:
        from sosw_airflow.triggers.several_jobs import SoswJobsTrigger
        from sosw_airflow.triggers.sosw import SoswJobTrigger

        job_ids, several = self._job_ids()
        arguments: dict[str, Any] = {
            "sosw_conn_id": self.sosw_conn_id,
            "poll_interval": float(self.poke_interval),
            "deadline": deadline,
            "hops": hops,
        }
        trigger: Any = (
            SoswJobsTrigger(job_ids=job_ids, **arguments)
            if several
            else SoswJobTrigger(job_id=job_ids[0], must_exist=False, **arguments)
        )
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"deadline": deadline})


def _sensor_timeout(late: Sequence[JobResult]) -> Exception:
    """Airflow's own error, so that ``soft_fail`` applies to it."""
    from sosw_airflow._compat import AirflowSensorTimeout
    from sosw_airflow.exceptions import SHOWN, JobTimedOut

    lines = []
    for progress in [result.progress for result in late[:SHOWN]]:
        total = progress.total if progress.state else None
        lines.append(str(JobTimedOut(job_id=progress.job_id, total=total, closed=progress.closed)))
    if len(late) > len(lines):
        lines.append(f"and {counted(len(late) - len(lines), 'more job')}")
    return AirflowSensorTimeout("\n".join(lines))
