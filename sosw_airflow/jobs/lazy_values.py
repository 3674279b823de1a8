"""Reads the lists of a job that are fetched value by value: outputs of mapped Airflow tasks, generators.

``{"words": mapped.output}`` holds an object that fetches a value at each access. Each value is fetched once, in order,
and becomes an element of a plain list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidJob
from sosw_airflow.exceptions.faults import counted

__all__ = ["plain_job", "plain_values"]

_CONTAINERS = (dict, list, tuple)


def plain_job(job: Any) -> Any:
    """The job with plain lists in place of lazy ones; the same object if it has none.

    A generator makes the job itself if it yields pairs of a name and a value, as for `dict`, or a single job.

    :raises InvalidJob: the job is a list of jobs, or a generator of anything else.
    """
    if isinstance(job, Iterator):
        job = _generated(job)
    if isinstance(job, Sequence) and not isinstance(job, (str, bytes, bytearray)):
        problem = (
            f"the job must be an object, not a list of {len(job)}: an Airflow task schedules one job. Fix: map the "
            f"operator over the list, SoswScheduleOperator.partial(...).expand(job=...), or give the list as the "
            f'values of an attribute, {{"words": ...}}'
        )
        raise InvalidJob([Fault("", problem)])
    return plain_values(job)


def plain_values(document: Any) -> Any:
    """The document with plain lists in place of lazy ones, at any depth; the same object if it has none."""
    return _plain(document, {})


def _generated(values: Iterator[Any]) -> Any:
    found = list(values)
    if len(found) == 1 and isinstance(found[0], Mapping):
        return found[0]
    if found and all(isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str) for each in found):
        return dict(found)
    kinds = ", ".join(sorted({type(each).__name__ for each in found})) or "nothing"
    problem = (
        f"the job is a generator of {counted(len(found), 'value')} ({kinds}), not of the attributes of a job. Fix: "
        f'return the job with the generator as the values of an attribute, {{"words": ...}}, or yield pairs of a name '
        f"and a value"
    )
    raise InvalidJob([Fault("", problem)])


def _plain(value: Any, seen: dict[int, tuple[Any, Any]]) -> Any:
    lazy = _is_lazy(value)
    if not lazy and not isinstance(value, _CONTAINERS):
        return value
    if id(value) in seen:  # shared, or contained in itself
        return seen[id(value)][1]
    seen[id(value)] = (value, value)
    if isinstance(value, dict):
        plain: Any = {key: _plain(each, seen) for key, each in value.items()} if _may_be_lazy(value.values()) else value
    elif lazy or _may_be_lazy(value):
        plain = [_plain(each, seen) for each in value]
    else:
        plain = value
    if not lazy and _same(plain, value):
        plain = value
    seen[id(value)] = (value, plain)
    return plain


def _is_lazy(value: Any) -> bool:
    if isinstance(value, (str, bytes, bytearray, *_CONTAINERS)):
        return False
    return isinstance(value, (Sequence, Iterator))


def _may_be_lazy(values: Any) -> bool:
    """Whether one of the values is neither text nor a number; decided without a step of Python for each."""
    return not set(map(type, values)) <= {str, int, float, bool, type(None)}


def _same(plain: Any, value: Any) -> bool:
    if plain is value:
        return True
    pairs = (
        zip(plain.values(), value.values(), strict=True) if isinstance(value, dict) else zip(plain, value, strict=True)
    )
    return all(one is other for one, other in pairs)
