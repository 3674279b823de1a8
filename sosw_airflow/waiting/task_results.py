"""The result of one task: what its row says about its end. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.jobs.identity import task_index
from sosw_airflow.jobs.json_documents import NotJson, parse_json
from sosw_airflow.jobs.json_values import json_faults

__all__ = ["TaskResult", "TaskState", "attributes_of", "invocation_of"]

#: Seconds by which clocks may differ.
_CLOCKS = 600

#: Digits of the largest whole number of DynamoDB.
_DIGITS = 38

_TRUNCATED = "_truncated"


class TaskState(str, Enum):
    """The state of a task.

    ``unknown``: the task is in no table. Its row was not written yet, a cancellation has removed it, or its time to
    live has ended.
    """

    COMPLETED = "completed"
    FAILED = "failed"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class TaskResult:
    """What a task had to do, and how it ended. Secrets are not hidden: these are the values of the row.

    :ivar index: of the task in its job, from 0.
    :ivar payload: what the worker was given; None if the row has none that can be read.
    :ivar attempts: so far.
    :ivar result: what the worker returned: a value of JSON, or a mapping of sosw's ``result_...``; None without one.
    :ivar stats: a mapping of sosw's ``stat_...``; None without any.
    :ivar error: of the last attempt that failed, ``type: message``; empty without one.
    :ivar error_type: the type alone.
    :ivar truncated: the assistant has cut the result, the stats or the error.
    :ivar invoked_at: of the last attempt, in seconds since 1970; None if it is not known.
    :ivar closed_at: in seconds since 1970; None for a task that is not closed.
    """

    index: int
    task_id: str
    state: TaskState
    payload: dict[str, Any] | None = None
    attempts: int = 0
    result: Any = None
    stats: Any = None
    error: str = ""
    error_type: str = ""
    truncated: bool = False
    invoked_at: int | None = None
    closed_at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return {**asdict(self), "state": self.state.value}

    @classmethod
    def without_row(cls, task: str) -> TaskResult:
        """Of a task that is in no table."""
        return cls(task_index(task) or 0, task, TaskState.UNKNOWN)


def attributes_of(item: Mapping[str, Any], prefix: str) -> tuple[Any, bool]:
    """The value under a prefix (``result`` or ``stat``), and whether a part of it was cut.

    The attribute ``result`` alone is a whole answer, as JSON text if it was not cut. Attributes ``result_<name>`` are
    the values of a mapping.
    """
    values = {name: each for name, each in item.items() if name.startswith(f"{prefix}_")}
    cut = {name for name in values if name.endswith(_TRUNCATED) and name.removesuffix(_TRUNCATED) in item}
    found = {name[len(prefix) + 1 :]: _plain(each) for name, each in values.items() if name not in cut}
    if prefix in item:
        whole = _plain(item[prefix])
        whole = _parsed(whole) if isinstance(whole, str) and not cut else whole
        found = {"": whole, **found} if found else whole
        return found, bool(cut)
    return found or None, bool(cut)


def invocation_of(item: Mapping[str, Any], *, until: float) -> int | None:
    """When a task was last invoked, from its greenfield; None if that is the number of a queued task.

    :param until: seconds since 1970, when it was closed, or now.
    """
    invoked = _number(item, "greenfield") - INVOCATION_DELTA
    created = _number(item, "created_at")
    return int(invoked) if max(created, 1) - _CLOCKS <= invoked <= until + _CLOCKS else None


def _number(item: Mapping[str, Any], name: str) -> float:
    try:
        return float(item.get(name, {}).get("N", 0))
    except (ValueError, OverflowError):
        return 0.0


def _parsed(text: str) -> Any:
    try:
        value = parse_json(text)
    except NotJson:
        return text
    return text if json_faults(value) else value


def _plain(value: Mapping[str, Any]) -> Any:
    """A value of DynamoDB in JSON's types."""
    ((kind, content),) = value.items()
    if kind == "N":
        return _plain_number(content)
    if kind == "M":
        return {name: _plain(below) for name, below in content.items()}
    if kind == "L":
        return [_plain(below) for below in content]
    if kind == "NULL":
        return None
    if kind in ("SS", "NS", "BS"):
        return [_plain({kind[0]: each}) for each in sorted(content)]
    return base64.b64encode(content).decode() if kind == "B" else content


def _plain_number(text: str) -> int | float:
    number = Decimal(text)
    if number.adjusted() < _DIGITS and number == number.to_integral_value():
        return int(number)
    return float(number)
