"""Lines of the queue file and rows of `sosw_tasks` (sosw rules 7 and 8)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import TaskTooLarge
from sosw_airflow.jobs.rows import DYNAMODB_ITEM_LIMIT, LineCodec, Row, row_item, row_size_of_line
from tests.support.upstream import quiet  # noqa: F401 - before anything of sosw
from tests.unit.jobs.strategies import labourer_ids, tasks

# isort: split
from sosw.managers.task import TaskManager

CODEC = LineCodec("puller")


def upstream_payload(line: str) -> str:
    """What sosw's TaskManager makes of a line of the queue file."""
    row = json.loads(line)
    row.pop("labourer_id")
    manager = SimpleNamespace(get_db_field_name=lambda name: name)
    return str(TaskManager.construct_payload_for_task(manager, **row))


def row_of(line: str, codec: LineCodec) -> dict[str, dict[str, str]]:
    """The row of a line, with the largest numbers that there are."""
    return row_item(Row("f" * 32, codec.labourer_id, codec.payload(line), 9_999_999_999.999999, -9_999_999_999_999))


def size_in_dynamodb(item: dict[str, dict[str, str]]) -> int:
    """Bytes of an item as DynamoDB's documentation counts them."""
    sizes = {"S": lambda text: len(text.encode()), "N": lambda text: len(text.strip("-").replace(".", "")) // 2 + 2}
    return sum(len(name) + sizes[kind](value) for name, typed in item.items() for kind, value in typed.items())


@given(tasks, labourer_ids, st.booleans())
def test_a_line_is_the_task_with_its_labourer(task: dict[str, Any], labourer_id: str, first: bool) -> None:
    """One line of ASCII JSON, attributes in their order; the labourer last, or first where upstream has it first."""
    line = LineCodec(labourer_id).line(task, 0, labourer_first=first)
    whole = {"labourer_id": labourer_id, **task} if first else {**task, "labourer_id": labourer_id}
    assert json.dumps(whole) == line
    assert line.isascii()
    assert "\n" not in line


@given(tasks, labourer_ids, st.booleans())
def test_a_payload_is_what_sosw_would_make_of_the_line(task: dict[str, Any], labourer_id: str, first: bool) -> None:
    """For any task, labourer and form of the attribute `payload`, to the character."""
    codec = LineCodec(labourer_id)
    line = codec.line(task, 0, labourer_first=first)
    assert upstream_payload(line) == codec.payload(line)


@given(tasks, labourer_ids, labourer_ids)
def test_any_line_of_upstreams_can_be_read(task: dict[str, Any], labourer_id: str, other: str) -> None:
    """Also with other separators, of another labourer, with letters beyond ASCII."""
    row = {"labourer_id": other, **task}
    line = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    assert json.loads(upstream_payload(line)) == json.loads(LineCodec(labourer_id).payload(line))


@pytest.mark.parametrize(
    ("task", "payload"),
    [
        ({"a": 1, "b": [2]}, '{"a": 1, "b": [2]}'),
        ({}, "{}"),
        ({"word": "größe"}, '{"word": "gr\\u00f6\\u00dfe"}'),
        ({"payload": {"a": 1, "b": 2}, "b": 3}, '{"a": 1, "b": 3}'),
        ({"b": 3, "payload": '{"a": 1, "b": 2}'}, '{"a": 1, "b": 3}'),
        ({"payload": "plain", "b": 3}, '{"payload": "plain", "b": 3}'),
        ({"payload": [1], "b": 3}, '{"payload": [1], "b": 3}'),
        ({"payload": None}, '{"payload": null}'),
        ({"note": 'the "payload" of it'}, '{"note": "the \\"payload\\" of it"}'),
        ({"inner": {"payload": {"a": 1}}}, '{"inner": {"payload": {"a": 1}}}'),
        ({"inner": {"labourer_id": "puller"}}, '{"inner": {"labourer_id": "puller"}}'),
    ],
)
def test_payloads(task: dict[str, Any], payload: str) -> None:
    """An object in `payload` is merged, its names first and the task's values above its own."""
    assert payload == CODEC.payload(CODEC.line(task, 0))


def test_a_row_has_sosws_attributes_and_types() -> None:
    """Nothing else, and numbers without exponents."""
    row = Row("0" * 32, "puller", '{"a": 1}', 1795431627.651599, 2000)
    assert {
        "task_id": {"S": "0" * 32},
        "labourer_id": {"S": "puller"},
        "created_at": {"N": "1795431627.651599"},
        "greenfield": {"N": "2000"},
        "attempts": {"N": "0"},
        "payload": {"S": '{"a": 1}'},
    } == row_item(row)


@given(st.floats(0, 1e11), st.integers(-(10**15), 10**15))
def test_numbers_are_written_out(created_at: float, greenfield: int) -> None:
    """`1e9` would stop sosw's Orchestrator."""
    item = row_item(Row("0" * 32, "puller", "{}", created_at, greenfield))
    assert set() == set("eE") & {*item["created_at"]["N"], *item["greenfield"]["N"]}


@given(tasks, labourer_ids)
def test_a_row_is_not_larger_than_its_line_says(task: dict[str, Any], labourer_id: str) -> None:
    """So that nothing has to be measured twice. Only JSON in `payload` may grow, which `line` measures itself."""
    codec = LineCodec(labourer_id)
    if isinstance(task.get("payload"), str):
        del task["payload"]
    line = codec.line(task, 0)
    assert size_in_dynamodb(row_of(line, codec)) <= row_size_of_line(len(line))


def largest_task(codec: LineCodec) -> int:
    """The length of the longest text that is accepted, by bisection."""
    low, high = 0, 2 * DYNAMODB_ITEM_LIMIT
    while low + 1 < high:
        middle = (low + high) // 2
        try:
            codec.line({"text": "x" * middle}, 0)
        except TaskTooLarge:
            high = middle
        else:
            low = middle
    return low


def test_the_largest_task_fits_into_dynamodb() -> None:
    """And little room is wasted."""
    line = CODEC.line({"text": "x" * largest_task(CODEC)}, 0)
    size = size_in_dynamodb(row_of(line, CODEC))
    assert DYNAMODB_ITEM_LIMIT - 100 < size <= DYNAMODB_ITEM_LIMIT


def test_the_largest_task_fits_into_an_invocation() -> None:
    """Where Lambda's limit is the lower one, as it was until 2025."""
    codec = LineCodec("puller", lambda_payload_limit=256 * 1024)
    line = codec.line({"text": "x" * largest_task(codec)}, 0)
    row = {"task_id": "f" * 32, "labourer_id": "puller", "created_at": 9_999_999_999.999999, "greenfield": 10**12}
    event = json.dumps({**json.loads(codec.payload(line)), **row, "attempts": 10})
    assert 256 * 1024 - 100 < len(event) <= 256 * 1024


def test_a_task_that_is_too_large_is_named() -> None:
    """With its number, its size as it counts, the limit, its largest attribute and its beginning."""
    with pytest.raises(TaskTooLarge) as refused:
        CODEC.line({"id": 7, "words": ["x" * 400_000], "topics": ["y" * 10_000]}, 41)
    assert str(refused.value).startswith("Task number 42 of the job has 410,193")
    assert (
        " bytes; the limit of a DynamoDB item is 409,600 bytes. Nothing was written. Fix: isolate its largest "
        'attribute, \'words\', or lower its max_..._per_batch. The task begins: {"id": 7, "words": ["xxx'
    ) in str(refused.value)
    assert (41, 409_600) == (refused.value.index, refused.value.limit)


def test_the_size_that_is_told_is_above_the_limit() -> None:
    """Even for one byte too many: nobody has to add up overheads."""
    with pytest.raises(TaskTooLarge) as refused:
        CODEC.line({"text": "x" * (largest_task(CODEC) + 1)}, 0)
    assert 409_601 == refused.value.size


def test_lambdas_limit_is_named_as_the_setting_that_it_is() -> None:
    """`lambda_payload_limit` of the Connection."""
    with pytest.raises(TaskTooLarge, match=r"the limit of a Lambda payload \(lambda_payload_limit\) is 1,000 bytes"):
        LineCodec("puller", lambda_payload_limit=1000).line({"text": "x" * 900}, 0)


def test_json_in_payload_counts_as_large_as_it_becomes() -> None:
    """Merged, it has blanks that its text had not: 90,000 numbers go from 180 to 270 KB."""
    codec = LineCodec("puller", lambda_payload_limit=256 * 1024)
    numbers = '{"numbers":[' + ",".join("1" for _ in range(90_000)) + "]}"
    with pytest.raises(TaskTooLarge) as refused:
        codec.line({"payload": numbers}, 0)
    assert 270_000 < refused.value.size
