"""What shows in a job, and in what upstream made of it, that an entry of the differences applies.

Neither the model nor our own code is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.differential.generate import Case

#: A result: the tasks as JSON text, or what was raised.
Result = list[str] | Exception

_ROW_NAMES = ("labourer_id", "task_id", "greenfield", "created_at", "attempts", "strict", "labourer", "self")


def places(case: Case) -> Iterator[tuple[dict[Any, Any], str | None]]:
    """Every place of the job where attributes are looked for, with the singular name that belongs there."""

    def visit(node: dict[Any, Any], level: int) -> Iterator[tuple[dict[Any, Any], str | None]]:
        name = case.attrs[level] if level < len(case.attrs) else None
        yield node, name
        for key in (name, f"{name}s") if name else ():
            value = node.get(key)
            for item in value if isinstance(value, (list, tuple)) else [value]:
                for below in item.values() if isinstance(item, dict) else ():
                    if isinstance(below, dict):
                        yield from visit(below, level + 1)

    return visit(case.job, 0)


def batch_sizes(case: Case) -> Iterator[tuple[str, Any]]:
    """Every batch size of the job, with its attribute as it is spelt."""
    for node, _ in places(case):
        for key, value in node.items():
            if isinstance(key, str) and key.startswith("max_") and key.endswith("_per_batch"):
                yield key[len("max_") : -len("_per_batch")], value


def is_not_json(value: Any) -> bool:
    """Whether JSON text of this value cannot be made, or is read back as something else."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) != json.loads(json.dumps(_lists(value))))
    except (TypeError, ValueError):
        return True


def _lists(value: Any) -> Any:
    """The value with lists for tuples, and with every key but text refused."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError
        return {key: _lists(item) for key, item in value.items()}
    return list(map(_lists, value)) if isinstance(value, (list, tuple)) else value


def has_singular(case: Case) -> bool:
    """Some attribute stands there in the singular."""
    return any(name in node for node, name in places(case) if name)


def has_both_spellings(case: Case) -> bool:
    """Some place has an attribute in the singular and in the plural."""
    return any(name in node and f"{name}s" in node for node, name in places(case) if name)


def has_flat_values_above_another_level(case: Case) -> bool:
    """An attribute that is not the last of the schema has a value that is no object."""
    values = [
        node[key] for node, _ in places(case) for name in case.attrs[:-1] for key in (name, f"{name}s") if node.get(key)
    ]
    items = [item for value in values for item in (value if isinstance(value, (list, tuple)) else [value])]
    return not all(isinstance(item, dict) for item in items)


def has_siblings_inside(case: Case) -> bool:
    """Somewhere below the root there is more than one attribute."""
    return any(len(node) > 1 for node, name in places(case) if node is not case.job and name)


def lacks_an_attribute(case: Case) -> bool:
    """Somewhere there is none, or none with anything in it."""
    empty = ([{}], [None], [[]], {"x": {}})
    values = [node.get(f"{name}s", node.get(name)) for node, name in places(case) if name]
    return any(not value or value in empty for value in values)


def has_odd_batch_size(case: Case) -> bool:
    """Some batch size is no whole number of 1 or more."""
    return any(not re.fullmatch(r"\s*0*[1-9][0-9]*\s*", str(value)) for _, value in batch_sizes(case))


def has_period_of_no_days(case: Case) -> bool:
    """The period counts no days."""
    return str(case.job.get("period")).startswith(("last_0_days", "previous_0_days"))


#: Entry -> whether the job (and upstream's result) show that it applies. Nothing here asks the model or sosw_airflow.
WITNESSES: dict[str, Callable[[Case, Result], bool]] = {
    "D1": lambda case, _: has_singular(case),
    "D2": lambda case, _: has_both_spellings(case),
    "D3": lambda case, theirs: isinstance(theirs, AttributeError) and has_flat_values_above_another_level(case),
    "D4": lambda case, theirs: has_siblings_inside(case),
    "D5": lambda case, theirs: isinstance(theirs, list) and lacks_an_attribute(case),
    "D6": lambda case, _: has_odd_batch_size(case),
    "D7": lambda case, _: any(name in case.attrs or str(size) == "1000000" for name, size in batch_sizes(case)),
    "D8": lambda case, theirs: isinstance(theirs, IndexError) and not case.attrs,
    "D9": lambda case, _: any(node.keys() & {*_ROW_NAMES, "payload"} for node, _ in places(case)),
    "D12": lambda case, _: is_not_json(case.job),
    "gate": lambda case, theirs: (
        bool(case.job.get("isolate_days")) and (isinstance(theirs, Exception) or len(theirs) == 1)
    ),
    "no_dates": lambda case, _: has_period_of_no_days(case),
    "new_periods": lambda case, _: isinstance(case.job.get("period"), dict) or ".." in str(case.job.get("period")),
}
