"""What the attributes of a row say about the end of its task."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.waiting.task_results import TaskResult, TaskState, attributes_of, invocation_of

NOW = 1_795_431_627


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ({}, None),
        ({"result": {"S": '{"rows": 3}'}}, {"rows": 3}),
        ({"result": {"S": "null"}}, None),
        ({"result": {"S": "not JSON"}}, "not JSON"),
        ({"result": {"S": "NaN"}}, "NaN"),
        ({"result_rows": {"N": "3"}, "result_share": {"N": "0.5"}, "stat_s": {"N": "1"}}, {"rows": 3, "share": 0.5}),
        ({"result_ok": {"BOOL": True}, "result_none": {"NULL": True}}, {"ok": True, "none": None}),
        ({"result_list": {"L": [{"N": "1"}, {"S": "a"}]}, "result_map": {"M": {"a": {"N": "1"}}}}, None),
        ({"result_set": {"NS": ["2", "1"]}, "result_bytes": {"B": b"\x00\xff"}}, {"set": [1, 2], "bytes": "AP8="}),
        ({"result_huge": {"N": "1E+125"}}, {"huge": 1e125}),
        ({"result_whole": {"N": "9" * 38}}, {"whole": int("9" * 38)}),
        ({"result": {"S": "1"}, "result_also": {"S": "a"}}, {"": 1, "also": "a"}),
    ],
)
def test_the_result(item: dict[str, Any], value: Any) -> None:
    """A whole answer, or sosw's mapping of values, in JSON's types."""
    expected = {"list": [1, "a"], "map": {"a": 1}} if "result_list" in item else value
    assert attributes_of(item, "result") == (expected, False)


def test_a_result_that_was_cut() -> None:
    """It is a text, since half a JSON text is none; the mark is no value."""
    item = {"result": {"S": '{"rows": ['}, "result_truncated": {"BOOL": True}}
    assert attributes_of(item, "result") == ('{"rows": [', True)


def test_a_value_of_a_mapping_that_was_cut() -> None:
    """Its name has the mark."""
    item = {"result_text": {"S": "abc"}, "result_text_truncated": {"BOOL": True}}
    assert attributes_of(item, "result") == ({"text": "abc"}, True)


def test_a_result_that_is_named_truncated() -> None:
    """Nothing of that name was cut: it is a value."""
    assert attributes_of({"result_is_truncated": {"BOOL": True}}, "result") == ({"is_truncated": True}, False)


@pytest.mark.parametrize(
    ("greenfield", "expected"),
    [(NOW - 60 + INVOCATION_DELTA, NOW - 60), (1000, None), (NOW - 100, None), (10**12, None)],
)
def test_the_invocation(greenfield: int, expected: int | None) -> None:
    """From the number of an invoked row; a queued row has none, and what lies in the future is none."""
    item = {"greenfield": {"N": str(greenfield)}, "created_at": {"N": str(NOW - 900.5)}}
    assert invocation_of(item, until=NOW) == expected


def test_a_row_without_the_usual_numbers() -> None:
    """It was never invoked, as far as is known."""
    assert invocation_of({"greenfield": {"S": "x"}}, until=NOW) is None


def test_a_task_without_a_row() -> None:
    """Its index is known from its id, everything else is not."""
    assert TaskResult.without_row("a" * 20 + "00000000000f").as_dict() == {
        "index": 15,
        "task_id": "a" * 20 + "00000000000f",
        "state": TaskState.UNKNOWN.value,
        "payload": None,
        "attempts": 0,
        "result": None,
        "stats": None,
        "error": "",
        "error_type": "",
        "truncated": False,
        "invoked_at": None,
        "closed_at": None,
    }
