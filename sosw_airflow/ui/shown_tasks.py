"""A task as a page shows it: texts without secrets, each cut to what is shown.

A process keeps what it has read for all viewers. As parsed payloads, the pages of one job of large tasks would be
gigabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs.redaction import redacted, shown_payload
from sosw_airflow.ui.texts import document
from sosw_airflow.waiting.task_results import TaskResult, TaskState

__all__ = ["ShownTask"]


@dataclass(frozen=True, slots=True)
class ShownTask:
    """One task; see `TaskResult`.

    :ivar log: address of its log; empty if it has none.
    """

    index: int
    task_id: str
    state: TaskState
    attempts: int
    payload: str
    result: str | None
    stats: str | None
    error: str
    invoked_at: int | None
    closed_at: int | None
    log: str

    @classmethod
    def of(cls, result: TaskResult, log: str) -> ShownTask:
        """From what was read."""

        def shown(value: Any) -> str | None:
            return None if value is None else document(shown_payload(value))

        return cls(
            result.index,
            result.task_id,
            result.state,
            result.attempts,
            document(shown_payload(result.payload)),
            shown(result.result),
            None if result.stats is None else document(redacted(result.stats)),
            document(str(redacted({"text": result.error})["text"])) if result.error else "",
            result.invoked_at,
            result.closed_at,
            log,
        )
