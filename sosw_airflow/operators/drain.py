"""The operator that takes over a queue file of sosw's Scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow.operators.base import SoswBaseOperator

# Airflow imports this module whenever it parses a DAG file: whatever only `execute` needs is imported there.
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sosw_airflow._compat import Context
    from sosw_airflow.operators.arguments import SoswArguments

__all__ = ["SoswDrainQueueOperator"]


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
        from sosw_airflow.operators.without_retry import fail_without_retry

        with fail_without_retry():
            hook = SoswHook(self.sosw_conn_id)
            draining = self._begin(
                context, hook, DrainExecution, queue_file=self.queue_file, take_locked=self.take_locked
            )
            return self._finish(context, hook, draining.run(context))
