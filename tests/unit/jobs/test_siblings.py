"""Nodes of one object that have nothing but a flat list each: they are treated together, with the same result.

What each test compares with is the same code with every node by itself.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import date
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import InvalidJob, TaskTooLarge, TooManyTasks
from sosw_airflow.jobs import blocks, list_types
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.json_values import JsonCheck
from sosw_airflow.jobs.list_types import ListTypes, PlainText, SmallInt
from sosw_airflow.jobs.rows import LineCodec
from tests.differential.generate import cases
from tests.unit.jobs.strategies import SCHEMA, json_values

TODAY = date(2026, 11, 23)


class Number(IntEnum):
    """An int that Python shows in another way than JSON."""

    FIVE = 5


class Shown(int):
    """Another, which shows digits that are not its own."""

    def __repr__(self) -> str:
        return "7"


#: Written by `marshal`, one of its bytes is an "i" where that of the next integer would be.
(ALIGNED,) = struct.unpack("<d", bytes([0, 0, 0, 0, ord("i"), 0, 0xF0, 0x3F]))

flat_values = st.one_of(
    st.lists(st.integers(-(2**33), 2**33), max_size=12),
    st.lists(st.text(max_size=3), max_size=12),
    st.lists(
        st.text(max_size=3)
        | st.integers()
        | st.booleans()
        | st.sampled_from([Number.FIVE, Shown(5), 10**4299, 2**31, -(2**31), 2**31 - 1, 1e22, -0.0]),
        max_size=5,
    ),
)
leaves = flat_values.filter(bool).map(lambda values: {"products": values})
#: Nodes that are none like the others.
ODD = [
    None,
    {},
    [],
    "text",
    7,
    {"products": []},
    {"products": None},
    {"products": {}},
    {"products": {"a": None}},
    {"products": "one"},
    {"products": (1, 2)},
    {"products": [1, [2]]},
    {"products": [1, {"a": 2}]},
    {"products": [1, None]},
    {"products": [float("nan")]},
    {"products": [10**4300]},
    {"products": ["\ud800"]},
    {"products": [1], "note": 1},
    {"products": [1], "isolate_products": False},
    {"products": [1], 5: 2},
    {"product": [1]},
    {5: [1]},
    {"note": [1]},
]
odd_nodes = st.sampled_from(ODD) | json_values
names = st.text(max_size=3) | st.sampled_from(["a", "b", "c", "d", "ü", '"', "%d"])
regular = st.dictionaries(names, leaves, min_size=3, max_size=6)
irregular = st.dictionaries(names, st.one_of(leaves, leaves, leaves, odd_nodes), min_size=2, max_size=6)
#: Siblings too, but of another attribute, or with a flag.
others = st.sampled_from(["product", "notes", "store", "isolate_products", "max_bytes_per_batch"]).flatmap(
    lambda name: st.dictionaries(names, flat_values.map(lambda values: {name: values}), min_size=3, max_size=4)
)
stores = st.integers(0, 7).flatmap(lambda number: irregular if number < 2 else others if number == 2 else regular)
sections = st.dictionaries(
    names,
    stores.map(lambda value: {"stores": value}) | stores.map(lambda value: {"stores": [value], "note": 2}),
    min_size=1,
    max_size=3,
)
asking = st.sampled_from(
    [{"isolate_products": True}] * 4
    + [
        {"max_products_per_batch": 2},
        {"max_products_per_batch": 2, "max_bytes_per_batch": 14},
        {"isolate_productss": True, "isolate_sections": True},
    ]
)
#: What stands in the way of the quick path, or is inherited.
beside = [
    {"isolate_stores": True},
    {"isolate_stores": True, "stores": "x"},
    {"isolate_sections": True},
    {"isolate_products": False},
    {"max_bytes_per_batch": 12},
    {"products": [1]},
    {"products": "y", "max_products_per_batch": 1},
    {"stores": "x"},
    {"store": "x"},
    {"payload": "{}"},
    {"payload": '{"a": 1}'},
    {"payload": {"b": 2}},
    {"period": "last_2_days"},
    {"period": "last_2_days", "isolate_days": True},
    {"note": 'a"b'},
]
some_beside = st.lists(st.sampled_from(beside), max_size=2).map(
    lambda chosen: {name: value for each in chosen for name, value in each.items()}
)
jobs = st.builds(
    lambda before, value, listed, asked, after: {
        **before,
        **asked,
        "sections": [value, {"z": None}] if listed else value,
        **after,
    },
    some_beside,
    sections,
    st.booleans(),
    asking,
    some_beside,
)


@contextmanager
def each_by_itself() -> Iterator[None]:
    """No nodes are siblings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ListTypes, "siblings", lambda *_: None)
        yield


def outcome(job: Any, schema: Any = SCHEMA, limit: int = 1024 * 1024, **options: Any) -> Any:
    """All that one can see of an expansion: its lines, its tasks, what it warns of; or its faults."""
    try:
        expansion = Expansion(job, schema=schema, reference_date=TODAY, **options)
        lines = []
        for block in blocks_of(expansion, LineCodec("puller", lambda_payload_limit=limit)):
            assert block.tasks == len(block.lines())
            assert max(map(len, block.lines())) <= block.longest
            lines += block.lines()
    except (InvalidJob, TaskTooLarge, TooManyTasks) as error:
        return str(error), getattr(error, "faults", None)
    tasks = list(expansion)
    assert expansion.tasks == len(tasks) == len(lines)
    return lines, tasks, expansion.warnings, expansion.limits_bytes, expansion._count


def same(job: Any, schema: Any = SCHEMA, **options: Any) -> None:
    """The outcome is that of each node by itself."""
    found = outcome(job, schema, **options)
    with each_by_itself():
        assert outcome(job, schema, **options) == found


@given(jobs, st.sampled_from([1, 3]))
def test_together_is_as_one_by_one(job: dict[str, Any], several: int) -> None:
    """Lines, tasks, counts, faults, warnings: of regular nodes, and of others among them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_types, "_SEVERAL", several)
        same(job)


@pytest.mark.parametrize("asked", [{"isolate_products": True}, {"max_products_per_batch": 2}])
@pytest.mark.parametrize("odd", ODD)
def test_one_node_of_another_kind(odd: Any, asked: dict[str, Any]) -> None:
    """Its sisters do not hide what is special or wrong about it."""
    leaf: dict[str, Any] = {"products": [1, 2]}
    for place in range(4):
        nodes = [deepcopy(leaf) for _ in range(4)]
        nodes[place] = odd
        same({"sections": {"s": {"stores": dict(zip("abcd", nodes, strict=True))}}, **asked})


def test_a_spelling_that_asks_at_the_top_only() -> None:
    """It asks for nothing where the nodes are two levels below."""
    nodes = {name: {"products": [1, 2]} for name in "abc"}
    for asked in ({"isolate_sections": True}, {"isolate_stores": True}, {}):
        same({"sections": {"s": {"stores": nodes}}, "isolate_productss": True, **asked})


@given(jobs, st.integers(250, 400))
def test_blocks_and_limits_that_are_small(job: dict[str, Any], limit: int) -> None:
    """Long lists, long names and tasks that are too large are left to the usual way, in the right order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_RUN", 5)
        patch.setattr(blocks, "_BLOCK", 300)
        same(job, limit=limit)


def test_the_jobs_of_the_differential_test() -> None:
    """A thousand of those that are compared with sosw itself, with two siblings as with many."""
    together = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_types, "_SEVERAL", 1)
        for case in cases(20261124, 1000):
            try:
                expansion = Expansion(case.job, schema={"chunkable_attrs": list(case.attrs)}, reference_date=case.today)
            except InvalidJob:
                continue
            together += any(map(bool, expansion._types._siblings.values()))
            found = [line for block in blocks_of(expansion, LineCodec("puller")) for line in block.lines()]
            if not expansion.passed_whole:
                assert [json.dumps({**task, "labourer_id": "puller"}) for task in expansion] == found, case
    assert together > 100


@pytest.mark.parametrize("max_tasks", [5, 11, 12])
def test_the_limit_of_tasks_names_the_same_multiplier(max_tasks: int) -> None:
    """Twelve tasks: two sections of three stores of two products."""
    job = {
        "sections": {name: {"stores": {store: {"products": [1, 2]} for store in "xyz"}} for name in "ab"},
        "isolate_products": True,
    }
    same(job, max_tasks=max_tasks)


@pytest.mark.parametrize("value", [True, Number.FIVE, Shown(5), 5.0, 2**40, 10**50, "5", "ü"])
@pytest.mark.parametrize("where", [0, 1, 7])
def test_one_value_of_another_type(value: Any, where: int) -> None:
    """It is written as JSON has it, wherever it stands among small integers."""
    numbers: list[Any] = list(range(8))
    numbers[where] = value
    nodes = {"a": {"products": [1]}, "b": {"products": numbers}, "c": {"products": [3, 4]}}
    same({"sections": {"s": {"stores": nodes}}, "isolate_products": True})


def test_shared_lists_and_nodes_are_found() -> None:
    """As YAML anchors make them: the check of the whole job still knows what stands in several places."""
    products = [1, 2]
    node = {"products": products}
    for nodes in ({"a": node, "b": node, "c": {"products": [3]}}, {name: {"products": products} for name in "abc"}):
        check = JsonCheck({"stores": nodes})
        with each_by_itself():
            assert check.shared == JsonCheck({"stores": nodes}).shared != set()


def test_the_depth_of_a_document_is_the_same() -> None:
    """A hundred levels are allowed, in which the nodes and their lists count."""
    for depth in range(94, 102):
        document: Any = {name: {"products": [1]} for name in "abc"}
        for _ in range(depth):
            document = {"x": document}
        faults = JsonCheck(document).faults
        with each_by_itself():
            assert JsonCheck(document).faults == faults


@given(st.lists(st.integers(-(2**40), 2**40) | st.integers(-5, 5), min_size=1))
def test_small_integers_are_known_as_such(values: list[int]) -> None:
    """They have 31 bits and a sign; any other integer makes the whole list one of integers."""
    small = all(-(2**31) <= value < 2**31 for value in values)
    assert list_types.types_of(values) == ({SmallInt} if small else {int})


@pytest.mark.parametrize("place", [0, 6000, 11_999])
@pytest.mark.parametrize(
    "value", [True, Number.FIVE, Shown(5), 1.0, None, "i" * 25, b"iiiii", [1], (1, 2), {"i": 1}, ALIGNED]
)
def test_nothing_else_counts_as_a_small_integer(place: int, value: Any) -> None:
    """In lists of several parts, too."""
    values: list[Any] = [1] * 12_000
    values[place] = value
    assert list_types.types_of(values) == {int, type(value)}


def test_a_list_beside_numbers_is_not_written_out() -> None:
    """Its values may be shared, so that it would be endless."""
    bomb: Any = [1]
    for _ in range(60):
        bomb = [bomb, bomb]
    assert list_types.types_of([1, 2, bomb]) == {int, list}


def test_the_types_of_two_lists_together() -> None:
    """The narrower name is only for lists in which nothing else of its kind is."""
    assert list_types.joined_types(frozenset({PlainText}), frozenset({str, int})) == {str, int}
    assert list_types.joined_types(frozenset({SmallInt}), frozenset({int})) == {int}
    assert list_types.joined_types(frozenset({SmallInt}), frozenset({PlainText})) == {SmallInt, PlainText}
