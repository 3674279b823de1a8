"""The operator that schedules the failed tasks of a job again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow.operators.base import SoswBaseOperator

# Airflow imports this module whenever it parses a DAG file: whatever only `execute` needs is imported there.
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sosw_airflow._compat import Context
    from sosw_airflow.operators.arguments import SoswArguments

__all__ = ["SoswRepairOperator"]


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
        from sosw_airflow.operators.without_retry import fail_without_retry

        if is_empty_job(self.job_id):
            self.log.info("The sources of the job were empty: there is nothing to repair.")
            return dict(NO_JOB)
        with fail_without_retry():
            hook = SoswHook(self.sosw_conn_id)
            repairing = self._begin(context, hook, RepairExecution, job_id=self.job_id, unfinished=self.unfinished)
            return self._finish(context, hook, repairing.run(context))
