"""What Airflow kept while an Airflow task was deferred, read with doubt: another version may have written it.

A value that is not what it should be has its default, since the record of the job decides what happened.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.waiting.tolerance import Tolerance

__all__ = ["count_of", "mapping_of", "moment_of", "seconds_of", "text_of", "tolerance_of"]

log = logging.getLogger(__name__)

#: Larger numbers are none that this provider stores: seconds, or hops.
_LARGEST = 1e12

#: Characters of a text that are used.
_LONGEST = 2000


def seconds_of(value: object, default: float) -> float:
    """A duration in seconds, above 0."""
    return float(value) if _is_number(value) and value > 0 else _instead_of(value, default)  # type: ignore[arg-type, operator]


def moment_of(value: object) -> float | None:
    """Seconds since 1970; None for no limit."""
    return value if value is None or _is_number(value) else _instead_of(value, None)  # type: ignore[return-value]


def count_of(value: object, default: int) -> int:
    """A whole number, not below 0."""
    return value if type(value) is int and 0 <= value <= _LARGEST else _instead_of(value, default)


def text_of(value: object, default: str) -> str:
    """A text that a log can show."""
    if not isinstance(value, str):
        return str(_instead_of(value, default))
    return value[:_LONGEST].encode("utf-8", "backslashreplace").decode()


def tolerance_of(value: object) -> Tolerance | None:
    """How many tasks may fail; None for no limit."""
    if value is None:
        return None
    try:
        return Tolerance.of(value)
    except InvalidConfiguration:
        _instead_of(value, None)
        return None


def mapping_of(value: object) -> Mapping[str, Any]:
    """An object; empty if it is none."""
    return value if isinstance(value, Mapping) else {}


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= _LARGEST and math.isfinite(value)  # type: ignore[arg-type]


def _instead_of(value: object, default: Any) -> Any:
    log.warning("A stored deferral has %s in place of another value; %s is used.", excerpt(value), default)
    return default
