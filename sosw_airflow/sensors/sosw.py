"""The sensor for a job that another Airflow task, or another DAG, has scheduled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseSensorOperator, default_deferrable
from sosw_airflow.operators.base import fail_without_retry

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.waiting.poller import JobPoller

__all__ = ["SoswJobSensor"]


class SoswJobSensor(BaseSensorOperator):
    """Wait until the workers are done with a job: each of its tasks is closed.

    Where there is no record of the job yet, the sensor waits for that too.

    :param job_id: of the job, or its summary (the XCom of the Airflow task that scheduled it). (templated)
    :param sosw_conn_id: the Connection of type ``sosw``. (templated)
    :param tolerated_failures: failed tasks with which the job still counts as done: a number, or a share such as
        ``"5%"``.
    :param deferrable: wait in the triggerer, which takes no worker slot; by default as ``[operators]
        default_deferrable`` says.

    ``poke_interval``, ``timeout``, ``mode`` and ``soft_fail`` are those of each sensor. In the mode ``reschedule`` each
    look reads anew what has been closed since the job was scheduled; ``deferrable`` costs less.

    Returns (as XCom) ``job_id``, ``tasks``, ``completed``, ``failed`` and ``state``.
    """

    template_fields: Sequence[str] = ("job_id", "sosw_conn_id")
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        job_id: Any,
        sosw_conn_id: str = "sosw_default",
        tolerated_failures: int | str = 0,
        deferrable: bool = default_deferrable(),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.sosw_conn_id = sosw_conn_id
        self.tolerated_failures = tolerated_failures
        self.deferrable = deferrable
        self._poller: JobPoller | None = None
        self._result: dict[str, Any] = {}

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait, here or in the triggerer.

        :raises JobFailed: more tasks failed than are tolerated.
        :raises JobCancelled: the job was cancelled.
        :raises AirflowSensorTimeout: it was not over in time.
        """
        if not self.deferrable:
            super().execute(context)  # type: ignore[arg-type]
            return self._result
        if self.poke(context):
            return self._result
        from sosw_airflow.operators.waiting import deadline_after

        self._defer(deadline_after(self.timeout))
        raise AssertionError  # _defer has raised

    def poke(self, context: Context) -> bool:  # noqa: ARG002 - Airflow's signature
        """Look once."""
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.jobs.identity import parse_job_id
        from sosw_airflow.operators.waiting import poller_of
        from sosw_airflow.waiting.tolerance import Tolerance

        with fail_without_retry():
            Tolerance.of(self.tolerated_failures)
            if self._poller is None:
                deployment = SoswHook(self.sosw_conn_id).deployment()
                self._poller = poller_of(deployment, parse_job_id(self.job_id), None)
            result = self._poller.poll()
            if result is None:
                return False
            self._result = self._conclude(result)
            return True

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, deadline: float | None = None
    ) -> dict[str, Any]:
        """Go on after the deferral. The arguments are a contract: deferrals in flight survive an upgrade."""
        from sosw_airflow.waiting.poller import JobResult, Status

        if not event or event.get("status") == "look":
            # The trigger could not go on. Whatever it met is met here, and raised.
            if not self.poke(context):
                self._defer(deadline)
            return self._result
        result = JobResult.of(event)
        if result.status is Status.TIMED_OUT:
            from sosw_airflow._compat import AirflowSensorTimeout
            from sosw_airflow.exceptions import JobTimedOut

            total = result.progress.total if result.progress.state else None
            closed = result.progress.closed
            raise AirflowSensorTimeout(str(JobTimedOut(job_id=result.progress.job_id, total=total, closed=closed)))
        with fail_without_retry():
            return self._conclude(result)

    def _conclude(self, result: Any) -> dict[str, Any]:
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.operators.waiting import conclude

        deployment = SoswHook(self.sosw_conn_id).deployment()
        counts = conclude(deployment, result, tolerated_failures=self.tolerated_failures)
        return {"job_id": result.progress.job_id, "tasks": result.progress.total, **counts}

    def _defer(self, deadline: float | None) -> None:
        from sosw_airflow.jobs.identity import parse_job_id
        from sosw_airflow.triggers.sosw import SoswJobTrigger

        trigger = SoswJobTrigger(
            sosw_conn_id=self.sosw_conn_id,
            job_id=parse_job_id(self.job_id),
            poll_interval=float(self.poke_interval),
            deadline=deadline,
        )
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"deadline": deadline})
