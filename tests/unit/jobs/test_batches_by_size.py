"""`max_bytes_per_batch`: batches that are cut by the bytes of their values as well as by their number."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import Fault, InvalidJob, InvalidJobSchema
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.schema import JobSchema

MONDAY = date(2026, 11, 23)
WORDS = {"chunkable_attrs": ["topic", "word"]}


def expansion_of(job: dict[str, Any], schema: Any = WORDS) -> Expansion:
    """The job, checked, on Monday."""
    return Expansion(job, schema=schema, reference_date=MONDAY)


def batches(job: dict[str, Any], schema: Any = WORDS) -> list[list[Any]]:
    """The words of each task."""
    return [task["words"] for task in expansion_of(job, schema)]


def faults_of(job: dict[str, Any], schema: Any = WORDS) -> tuple[Fault, ...]:
    """Why the job is refused."""
    with pytest.raises(InvalidJob) as refused:
        expansion_of(job, schema)
    return tuple(refused.value.faults)


def test_a_batch_has_as_many_values_as_both_limits_allow() -> None:
    """`["aa", "b"]` has 11 bytes; a third value would be over 3 values, or over 16 bytes."""
    words = ["aa", "b", "c", "d", "a-long-word", "e"]
    job = {"topics": {"cars": {"words": words}}, "max_words_per_batch": 3, "max_bytes_per_batch": 16}
    assert batches(job) == [["aa", "b", "c"], ["d"], ["a-long-word"], ["e"]]


@given(
    st.lists(st.text(max_size=8) | st.integers(-1000, 1000), min_size=1, max_size=40),
    st.integers(2, 7),
    st.integers(60, 120),
    st.booleans(),
)
def test_no_batch_is_over_a_limit_and_none_has_room_for_the_next_value(
    values: list[Any], most: int, size: int, nested: bool
) -> None:
    """Order is kept, nothing is lost, the count is right, and the queue file has the same tasks."""
    limits = {"max_words_per_batch": most, "max_bytes_per_batch": size}
    job: dict[str, Any] = {**limits, "topics": {"cars": {"words": values}}}
    if not nested:
        job["topics"]["cars"]["note"] = "not a leaf of values alone"
    found = batches(job)
    assert [value for batch in found for value in batch] == values
    for batch, following in zip(found, [*found[1:], None], strict=True):
        assert len(batch) <= most
        assert len(json.dumps(batch)) <= size
        assert following is None or len(batch) == most or len(json.dumps([*batch, following[0]])) > size
    expansion = expansion_of(job)
    lines = [line for block in blocks_of(expansion, LineCodec("puller")) for line in block.lines()]
    assert expansion.tasks == len(found)
    assert lines == [json.dumps({**task, "labourer_id": "puller"}) for task in expansion]


def test_a_block_that_is_too_long_is_made_task_by_task() -> None:
    """The parts of a run that is cut by bytes are the run."""
    words = ["x" * length for length in (100, 7, 90, 90, 30, 3)]
    job = {"words": words, "max_words_per_batch": 2, "max_bytes_per_batch": 120, "payload": '{"a": 1}'}
    expansion = expansion_of(job, {"chunkable_attrs": ["word"]})
    (series,) = expansion.leaves()
    parts = [series.part(start, 2) for start, _ in list(series.bounds())[::2]]
    assert [task for part in parts for task in part.tasks()] == list(expansion)
    assert [len(json.loads(line)["words"]) for block in blocks_of(expansion, LineCodec("p")) for line in block.lines()]


def test_a_value_that_is_too_large_is_named() -> None:
    """It would fit into no batch."""
    job = {"topics": {"cars": {"words": ["a", "b" * 40]}}, "max_words_per_batch": 3, "max_bytes_per_batch": 40}
    (fault,) = faults_of(job)
    assert fault.path == "topics.cars.words[1]"
    assert "needs 44 bytes as a batch of its own, more than max_bytes_per_batch allows (40)" in fault.problem


@pytest.mark.parametrize("wrong", [0, -1, "many", 1.5, None, True, "9" * 5000])
def test_what_is_no_number_of_bytes(wrong: Any) -> None:
    """In the job and in the schema."""
    job = {"words": ["a"], "max_words_per_batch": 3, "max_bytes_per_batch": wrong}
    (fault,) = faults_of(job, {"chunkable_attrs": ["word"]})
    assert (fault.path, fault.problem.partition(",")[0]) == ("max_bytes_per_batch", "must be a whole number of bytes")
    if wrong is not None:
        with pytest.raises(InvalidJobSchema, match="max_bytes_per_batch: must be a whole number of bytes"):
            JobSchema.of({"chunkable_attrs": ["word"], "max_bytes_per_batch": wrong})


def test_the_schema_has_it_for_jobs_that_say_nothing_else() -> None:
    """The job's own wins."""
    schema = {"chunkable_attrs": ["word"], "max_bytes_per_batch": 10}
    job = {"words": ["a", "b", "c"], "max_words_per_batch": 3}
    assert batches(job, schema) == [["a", "b"], ["c"]]
    assert batches({**job, "max_bytes_per_batch": 100}, schema) == [["a", "b", "c"]]
    assert JobSchema.of(schema).as_dict() == schema


def test_it_alone_changes_nothing_and_says_so() -> None:
    """It is a limit beside that of the number of values."""
    expansion = expansion_of(
        {"topics": {"cars": {"words": ["a", "b"]}}, "isolate_words": True, "max_bytes_per_batch": 9}
    )
    assert [task["words"] for task in expansion] == [["a"], ["b"]]
    assert expansion.warnings == (
        "max_bytes_per_batch: changes nothing, since no max_..._per_batch cuts values into batches",
    )


def test_an_attribute_named_byte_keeps_its_flag() -> None:
    """Then it is that attribute's batch size, as in sosw."""
    job = {"bytes": ["a", "b", "c"], "max_bytes_per_batch": 2}
    assert [task["bytes"] for task in expansion_of(job, {"chunkable_attrs": ["byte"]})] == [["a", "b"], ["c"]]
