"""Rows of ``sosw_tasks`` and ``sosw_retry_tasks`` as a turn reads them. Pure; a faulty row raises nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs.greenfield import INVOCATION_DELTA

__all__ = ["TaskRow", "event_of", "row_of"]

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class TaskRow:
    """One row.

    :ivar item: as DynamoDB has it.
    :ivar greenfield: below now = queued, above = invoked.
    :ivar attempts: invocations so far.
    :ivar completed: a worker has reported its end.
    :ivar failed: a worker has reported the failure of this very attempt.
    """

    item: Item
    task_id: str
    labourer_id: str
    greenfield: int
    attempts: int
    completed: bool
    failed: bool

    @property
    def fault(self) -> str:
        """Why the row cannot be invoked; empty if it can (ORCHESTRATION.md E20)."""
        return _fault(self.item)

    @property
    def given_back(self) -> int:
        """How often an invocation of this attempt was refused, and the row put back into the queue."""
        return _number(self.item, "given_back") or 0

    @property
    def was_claimed(self) -> bool:
        """Whether it was claimed before. A cancellation that passed it then has left it."""
        return self.attempts > 0 or self.given_back > 0

    @property
    def completed_at(self) -> int | None:
        """Seconds since 1970 at which a worker has reported its end, None before, or if that cannot be read."""
        return _number(self.item, "completed_at")

    @property
    def invoked_at(self) -> int:
        """Seconds since 1970 of the last invocation, of a row that is invoked."""
        return self.greenfield - INVOCATION_DELTA


def row_of(item: Item) -> TaskRow:
    """The row that an item is, whatever its attributes are."""
    greenfield, attempts = _number(item, "greenfield"), _number(item, "attempts")
    return TaskRow(
        item=item,
        task_id=str(item.get("task_id", {}).get("S", "")),
        labourer_id=str(item.get("labourer_id", {}).get("S", "")),
        greenfield=greenfield or 0,
        attempts=attempts or 0,
        completed="completed_at" in item,
        failed="failed_attempt" in item and _number(item, "failed_attempt") == attempts,
    )


def event_of(row: TaskRow) -> dict[str, Any]:
    """The event that the worker gets: the payload with the row's attributes beside it, as upstream has it (SOSW.md 8).

    ``attempts`` is the number before this invocation, so 0 for the first one (ORCHESTRATION.md 5.2).
    """
    payload = json.loads(row.item["payload"]["S"])
    beside = {
        "task_id": row.task_id,
        "labourer_id": row.labourer_id,
        "created_at": _plain(row.item["created_at"]["N"]),
        "greenfield": row.greenfield,
        "attempts": row.attempts,
    }
    return {**payload, **beside}


def _fault(item: Item) -> str:
    if _number(item, "attempts") is None:
        return "attempts is not a whole number"
    if "N" not in item.get("created_at", {}):
        return "created_at is not a number"
    text = item.get("payload", {}).get("S")
    if not isinstance(text, str):
        return "payload is not a text"
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"payload is not valid JSON ({error})"
    return "" if isinstance(payload, dict) else "payload is not a JSON object"


def _number(item: Item, name: str) -> int | None:
    try:
        value = float(item[name]["N"])
    except (KeyError, TypeError, ValueError):
        return None
    return int(value) if value == int(value) else None


def _plain(number: str) -> int | float:
    value = float(number)
    return int(value) if value.is_integer() else value
