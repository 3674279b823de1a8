"""Is a document JSON, wholly? What JSON does not know is refused with its path, before anything is made of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from sosw_airflow.exceptions import Fault
from sosw_airflow.jobs.list_types import ListTypes, PlainText

__all__ = ["Path", "as_json", "dotted", "json_faults"]

#: Where a value stands in a document: names of attributes and positions in lists.
Path = tuple[str | int, ...]

#: Deeper than any business job; it also ends the walk through a document that contains itself.
_DEEPEST = 100
_PLAIN = frozenset({str, PlainText, int, bool, type(None)})
_TEXT = {str}
_PLAIN_OR_FLOAT = _PLAIN | {float}


def dotted(path: Path) -> str:
    """``("sections", "a", 0)`` → ``sections.a[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def json_faults(value: object, path: Path = (), *, types: ListTypes | None = None) -> Iterator[Fault]:
    """Every value of the document that JSON cannot hold, with its path.

    :param types: is told the types in the lists that are looked through.
    """
    types = types or ListTypes()
    if isinstance(value, dict):
        yield from _container_faults(value, value.values(), path, types)
    elif isinstance(value, (list, tuple)):
        yield from _container_faults(None, value, path, types)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Fault(dotted(path), f"is {value}, which JSON does not know: leave it out, or use null")
    elif not (value is None or isinstance(value, (str, int))):
        yield Fault(
            dotted(path),
            f"is of the type {type(value).__name__}, which JSON does not know: give text, numbers, true, false, null, "
            f"lists or objects",
        )


def as_json(value: Any, depth: int = 0) -> Any:
    """A copy in which each value that JSON cannot hold is replaced by one that it can.

    Its shape is the same, so that the rest of a faulty document can be checked too.
    """
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {str(key): as_json(below, depth + 1) for key, below in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_json(below, depth + 1) for below in value]
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if value is None or (isinstance(value, (str, int, float)) and finite) else str(value)


def _container_faults(mapping: dict[Any, Any] | None, values: Any, path: Path, types: ListTypes) -> Iterator[Fault]:
    if len(path) >= _DEEPEST:
        yield Fault(dotted(path[:4]) + "...", f"is nested more than {_DEEPEST} levels deep, or contains itself")
        return
    if mapping is not None and set(map(type, mapping)) != _TEXT:
        for key in mapping:
            if not isinstance(key, str):
                subject = "" if path else "the document "
                problem = f"{subject}has the key {key!r}; keys must be text in JSON: write {str(key)!r}"
                yield Fault(dotted(path), problem)
    kinds = types.of(values) if mapping is None else set(map(type, values))
    # Long flat lists are the usual case: decide them without a step of Python for each value.
    if kinds <= _PLAIN or (kinds <= _PLAIN_OR_FLOAT and all(math.isfinite(v) for v in values if type(v) is float)):
        return
    for key, value in enumerate(values) if mapping is None else mapping.items():
        yield from json_faults(value, (*path, key if isinstance(key, int) else str(key)), types=types)
