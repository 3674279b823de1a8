"""Generators of JSON values, tasks and jobs for the property-based tests."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from sosw_airflow.jobs.job_checks import ROW_NAMES

SCHEMA = {"chunkable_attrs": ["section", "store", "product"]}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()

json_values = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=12,
)

#: Names that a job's attributes may have.
names = st.text(max_size=8).filter(lambda name: name not in ROW_NAMES and name != "payload")

#: A worker's ``payload`` attribute: merged if it is an object or the JSON of one, else kept under its name.
payloads = st.one_of(
    st.dictionaries(names, json_values, max_size=3),
    st.dictionaries(names, json_values, max_size=3).map(json.dumps),
    st.dictionaries(names, json_values, max_size=3).map(lambda value: json.dumps(value, ensure_ascii=False)),
    st.text().filter(lambda text: not _is_json(text)),
    st.none() | st.integers() | st.lists(st.integers(), max_size=3),
)

tasks_without_payload = st.dictionaries(names, json_values, max_size=5)
tasks_with_payload = st.tuples(tasks_without_payload, payloads, st.booleans()).map(
    lambda parts: {"payload": parts[1], **parts[0]} if parts[2] else {**parts[0], "payload": parts[1]}
)

#: Attributes of a task as a job may give them, with and without ``payload``.
tasks = tasks_without_payload | tasks_with_payload

labourer_ids = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() or not _has_surrogate(text))

_values = st.lists(st.text(max_size=4) | st.integers(), min_size=1, max_size=5)
_siblings = st.dictionaries(st.sampled_from(["note", "limit", "regions"]), json_values, max_size=2)


def _level(attribute: str, below: st.SearchStrategy[Any] | None) -> st.SearchStrategy[dict[str, Any]]:
    """A node that has the attribute: as a list, or as an object whose names lead on to the next level."""
    keys = st.text("abcdef", min_size=1, max_size=3)
    nodes = st.none() if below is None else st.none() | below
    content = _values | st.dictionaries(keys, nodes, min_size=1, max_size=4)
    return st.builds(lambda value, rest: {**rest, f"{attribute}s": value}, content, _siblings)


_products = _level("product", None)
_stores = _level("store", _products | _siblings)
_sections = _level("section", _stores | _siblings)

_flags = st.fixed_dictionaries(
    {},
    optional={
        "isolate_sections": st.booleans(),
        "isolate_stores": st.booleans(),
        "isolate_products": st.booleans(),
        "max_sections_per_batch": st.integers(1, 4),
        "max_stores_per_batch": st.integers(1, 4),
        "max_products_per_batch": st.integers(1, 4),
        "period": st.sampled_from(["last_3_days", "yesterday", "2026-01-01..2026-01-03", "last_week"]),
        "isolate_days": st.booleans(),
    },
)

#: Jobs of three levels, well formed but for attributes that are isolated and occur nowhere.
jobs = st.builds(lambda node, flags: {**node, **flags}, _sections, _flags)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
