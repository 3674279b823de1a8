"""The lines of a queue file, many at a time: to the character those of the tasks one by one."""

from __future__ import annotations

import json
import tracemalloc
from collections import deque
from datetime import date
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sosw_airflow.exceptions import InvalidJob, TaskTooLarge
from sosw_airflow.jobs import blocks
from sosw_airflow.jobs.blocks import Block, blocks_of, blocks_of_lines
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.rows import LineCodec
from tests.differential.generate import cases
from tests.unit.jobs.strategies import SCHEMA, jobs, json_values, labourer_ids, payloads

TODAY = date(2026, 11, 23)
CODEC = LineCodec("puller")

#: Attributes that stand in the way of the quick path, or whose names also stand at another level.
awkward = st.dictionaries(
    st.sampled_from(["date_list", "sections", "stores", "products", "product", "note", "", "ü", "%d", "payload"]),
    json_values | payloads | st.lists(st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
    max_size=3,
)


def expanded(job: dict[str, Any]) -> Expansion:
    """The job, if it is one."""
    try:
        return Expansion(job, schema=SCHEMA, reference_date=TODAY)
    except InvalidJob:
        assume(condition=False)
        raise


def one_by_one(expansion: Expansion, labourer_id: str) -> list[str]:
    """The lines by `json.dumps` of each task."""
    labourer = {"labourer_id": labourer_id}
    if expansion.passed_whole:
        return [json.dumps({**labourer, **task}) for task in expansion]
    return [json.dumps({**task, **labourer}) for task in expansion]


def lines_of(expansion: Expansion, codec: LineCodec) -> list[str]:
    """The lines by blocks."""
    return [line for block in blocks_of(expansion, codec) for line in block.lines()]


@given(jobs, awkward, st.booleans(), labourer_ids)
def test_blocks_are_json_dumps_of_each_task(job: dict[str, Any], more: dict[str, Any], first: bool, name: str) -> None:
    """For jobs of three levels, with attributes that get in the way of others."""
    expansion = expanded({**more, **job} if first else {**job, **more})
    assert one_by_one(expansion, name) == lines_of(expansion, LineCodec(name))


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(st.recursive(jobs | awkward, lambda below: st.dictionaries(st.text(max_size=2), below, max_size=3)), awkward)
def test_whatever_stands_below_a_name(node: dict[str, Any], more: dict[str, Any]) -> None:
    """Nodes that nobody would write: each attribute at each level, over the one that it inherits."""
    job = {**more, "sections": {"a": node, "b": {"stores": {"x": node, "y": None}}}, "isolate_products": True}
    for days in ({}, {"period": "last_2_days", "isolate_days": True}):
        expansion = expanded({**job, **days})
        assert one_by_one(expansion, "puller") == lines_of(expansion, CODEC)


def test_the_jobs_of_the_differential_test() -> None:
    """Two thousand of those that are compared with sosw itself, of all shapes that a user would give them."""
    accepted = 0
    for case in cases(20261123, 2000):
        try:
            expansion = Expansion(case.job, schema={"chunkable_attrs": list(case.attrs)}, reference_date=case.today)
        except InvalidJob:
            continue
        accepted += 1
        assert one_by_one(expansion, "puller") == lines_of(expansion, CODEC), case
    assert accepted > 1000


finite = st.floats(allow_nan=False, allow_infinity=False)
flat_values = st.lists(st.text() | st.integers() | finite | st.booleans())


@given(
    flat_values | st.lists(st.text()) | st.lists(st.integers()) | st.lists(st.integers() | finite),
    st.integers(1, 7),
    st.integers(1, 3),
)
def test_lists_of_any_kind(values: list[Any], size: int, repeated: int) -> None:
    """Text, numbers, both; long enough for several runs; alone and in batches."""
    job = {"sections": values * repeated * 20, "max_sections_per_batch": size, "note": "\x00 \\u0000 %s {0}"}
    expansion = expanded(job)
    assert one_by_one(expansion, "puller") == lines_of(expansion, CODEC)


@pytest.mark.parametrize("size", [1, 2, 100, 999, 1000, 1001, 5000])
@pytest.mark.parametrize("large", [0, 2**31, 10**4299])
def test_many_integers(size: int, large: int) -> None:
    """Those of many tasks are written together, whatever size their batches have, and the last one is shorter."""
    values = [*range(-1200, 1145), large]
    expansion = expanded({"sections": values, "max_sections_per_batch": size, "note": "%s %% {0}"})
    assert one_by_one(expansion, "puller") == lines_of(expansion, CODEC)


class Number(int):
    """An int that Python shows in another way than JSON."""

    def __repr__(self) -> str:
        return "<a number>"


class Text(str):
    """A str that Python shows in another way than JSON."""

    __slots__ = ()

    def __str__(self) -> str:
        return "<a text>"


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("value", [Number(5), Text("five"), True, 1e22, -0.0, 'a"b', "a\\b", "\x7f", "\x00", "é", ""])
def test_values_that_differ_from_their_looks(value: Any, size: int) -> None:
    """What JSON makes of them counts."""
    for values in ([value] * 3, [value, 1, 2], [value, "x", "y"]):
        expansion = expanded({"sections": values, "max_sections_per_batch": size})
        assert one_by_one(expansion, "puller") == lines_of(expansion, CODEC)


@given(jobs)
def test_a_block_knows_its_lines(job: dict[str, Any]) -> None:
    """Their number, and a length that none of them exceeds; no block is empty."""
    for block in blocks_of(expanded(job), CODEC):
        lines = block.lines()
        assert len(lines) == block.tasks > 0
        assert max(map(len, lines)) <= block.longest
        block.measure()
        assert max(map(len, lines)) == block.longest


@pytest.mark.parametrize(("quick", "all_of_it"), [(200, 10**6), (0, 200), (0, 0)])
@given(job=jobs)
def test_days_that_are_not_kept(job: dict[str, Any], quick: int, all_of_it: int) -> None:
    """Where a day has too many lines, they are kept compressed, or each day is walked through: the same lines."""
    expansion = expanded({**job, "period": "last_3_days", "isolate_days": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_PATTERNS", all_of_it)
        patch.setattr(blocks, "_QUICK_PATTERNS", quick)
        patch.setattr(blocks, "_BLOCK", 100)
        assert one_by_one(expansion, "puller") == lines_of(expansion, CODEC)


def test_blocks_have_many_lines() -> None:
    """Else they would be of no use."""
    expansion = expanded({"sections": list(range(100_000)), "isolate_sections": True})
    found = list(blocks_of(expansion, CODEC))
    assert 100_000 == sum(block.tasks for block in found)
    assert len(found) < 200
    assert max(len(block.text) for block in found) < 100_000


def test_blocks_of_large_tasks_have_few() -> None:
    """A block holds little more than one line where lines are long."""
    expansion = expanded({"note": "x" * 100_000, "sections": list(range(300)), "isolate_sections": True})
    assert max(len(block.text) for block in blocks_of(expansion, CODEC)) < 101_000


@pytest.mark.parametrize("days", [{}, {"period": "last_10_days", "isolate_days": True}])
def test_memory_does_not_grow_with_tasks(days: dict[str, Any]) -> None:
    """Forty thousand tasks and ten thousand need the same."""

    def peak(tasks: int) -> int:
        side = tasks // 100
        stores = {f"store_{number}": {"products": list(range(side))} for number in range(10)}
        job = {**days, "isolate_products": True, "sections": {f"{number}": {"stores": stores} for number in range(10)}}
        expansion = expanded(job)
        tracemalloc.start()
        try:
            for _ in blocks_of(expansion, CODEC):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_PATTERNS", 100_000)
        assert peak(40_000) < peak(10_000) + 200_000


@pytest.mark.parametrize("where", [0, 99, 100, 257])
@pytest.mark.parametrize("size", [1, 3])
def test_a_task_that_is_too_large_is_named(where: int, size: int) -> None:
    """The same error as for the task alone, wherever it stands."""
    values = [f"value {number}" for number in range(300)]
    values[where] = "x" * 410_000
    expansion = expanded({"sections": values, "max_sections_per_batch": size, "period": "last_2_days"})
    with pytest.raises(TaskTooLarge) as alone:
        deque(map(CODEC.line, expansion, count()), 0)
    with pytest.raises(TaskTooLarge) as refused:
        lines_of(expansion, CODEC)
    assert str(alone.value) == str(refused.value)
    assert where // size == refused.value.index


def test_text_in_payload_is_measured_as_it_will_be() -> None:
    """Merged, JSON is longer than its text."""
    numbers = '{"numbers":[' + ",".join("1" for _ in range(90_000)) + "]}"
    codec = LineCodec("puller", lambda_payload_limit=256 * 1024)
    with pytest.raises(TaskTooLarge):
        lines_of(expanded({"sections": [1, 2], "isolate_sections": True, "payload": numbers}), codec)


def test_every_task_is_held_against_a_small_limit() -> None:
    """A run whose estimate is above the limit is looked at closely, and may pass."""
    codec = LineCodec("puller", lambda_payload_limit=500)
    expansion = expanded({"sections": ["x" * 100] * 250, "isolate_sections": True})
    assert one_by_one(expansion, "puller") == lines_of(expansion, codec)


def test_ready_lines_make_blocks_too() -> None:
    """In their order, none lost."""
    lines = [f'{{"number": {number}}}' for number in range(10_000)]
    found = list(blocks_of_lines(lines))
    assert lines == [line for block in found for line in block.lines()]
    assert len(found) < 10
    assert [] == list(blocks_of_lines([]))
    assert [Block("x", 1, 1)] == list(blocks_of_lines(["x"]))
