"""`max_bytes_per_batch`: batches that are cut by the bytes of their values as well as by their number."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import Fault, InvalidJob, InvalidJobSchema, TooManyTasks
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import fingerprint
from sosw_airflow.jobs.planning import plan_job
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
    st.integers(100, 160),  # a text of 8 characters needs 100 bytes at most: 12 for one beyond the first plane
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
    assert "needs 44 bytes as a batch of its own, but max_bytes_per_batch is 40: raise the limit" in fault.problem


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


def test_a_job_that_is_not_cut_says_that_it_changes_nothing() -> None:
    """The job goes into one task as it is."""
    assert "max_bytes_per_batch: changes nothing" in str(
        expansion_of({"topics": {}, "max_bytes_per_batch": 9}).warnings
    )


def test_a_limit_in_a_branch_beats_the_outer_one() -> None:
    """As the inner number of values does, also where a branch has nothing but values."""
    job = {
        "topics": {
            "cars": {"words": ["a", "b", "c"], "max_bytes_per_batch": 10},
            "bikes": {"words": ["a", "b", "c"]},
        },
        "max_words_per_batch": 3,
        "max_bytes_per_batch": 5,
    }
    assert batches(job) == [["a", "b"], ["c"], ["a"], ["b"], ["c"]]
    assert expansion_of(job).tasks == 5


def test_a_part_that_stands_twice_is_counted_under_both_limits() -> None:
    """One object in two branches of different limits: the count is that of the expansion."""
    part = {"words": {"a": None, "b": None}, "note": "x"}
    job = {
        "sections": {
            "one": {"topics": {"t": part}, "max_bytes_per_batch": 5},
            "two": {"topics": {"t": part}, "max_bytes_per_batch": 50},
        },
        "max_words_per_batch": 2,
    }
    expansion = expansion_of(job, {"chunkable_attrs": ["section", "topic", "word"]})
    assert expansion.tasks == len(list(expansion)) == 3


def test_a_wrong_limit_in_a_branch_is_named() -> None:
    """With its path, before a row is written."""
    job = {"topics": {"cars": {"words": ["a"], "max_bytes_per_batch": 0}}, "max_words_per_batch": 2}
    (fault,) = faults_of(job)
    assert fault.path == "topics.cars.max_bytes_per_batch"


def test_a_name_that_is_too_large_is_named() -> None:
    """The values may be the names of an object."""
    job = {"words": {"a": None, "b" * 9: None}, "max_words_per_batch": 2, "max_bytes_per_batch": 6}
    (fault,) = faults_of(job, {"chunkable_attrs": ["word"]})
    assert fault.path == f"words.{'b' * 9}"


def test_the_bytes_are_those_of_the_row() -> None:
    """The payload is ASCII text: an accent has six bytes, an emoji twelve."""
    job = {"words": ["é", "é", "😀"], "max_words_per_batch": 3, "max_bytes_per_batch": 20}
    assert batches(job, {"chunkable_attrs": ["word"]}) == [["é", "é"], ["😀"]]
    assert len(json.dumps(["é", "é"]).encode()) == 20


def test_the_number_of_tasks_is_limited_by_the_exact_count() -> None:
    """`max_tasks` refuses the job before a task is made."""
    job = {"words": ["aaaa"] * 10, "max_words_per_batch": 10, "max_bytes_per_batch": 8}
    schema = {"chunkable_attrs": ["word"]}
    assert Expansion(job, schema=schema, reference_date=MONDAY, max_tasks=10).tasks == 10
    with pytest.raises(TooManyTasks, match="10 tasks"):
        Expansion(job, schema=schema, reference_date=MONDAY, max_tasks=9)


def test_a_plan_notes_the_limit() -> None:
    """With its bytes, and the number of tasks that follow."""
    job = {"words": ["a", "b", "c"], "max_words_per_batch": 3, "max_bytes_per_batch": "1000"}
    plan = plan_job(expansion_of(job, {"chunkable_attrs": ["word"]}), labourer_id="p", reference_date=MONDAY)
    assert "max_bytes_per_batch: a batch ends before the JSON text of its values exceeds 1,000 bytes" in plan.notes
    assert (plan.tasks, plan.attributes[0].most_in_a_task) == (1, 3)


def test_a_job_without_it_keeps_its_fingerprint() -> None:
    """A retry after an upgrade finds the job that the former version has planned."""
    schema = JobSchema.of({"chunkable_attrs": ["word"]})
    assert schema.as_dict() == {"chunkable_attrs": ["word"]}
    found = fingerprint({"words": ["a"], "max_words_per_batch": 3}, schema, MONDAY, None)
    assert found == "0c8719a205b2847f3b87a5e6490a90ae6657722f8ab9dd8922f2fe322eb5d9fe"


def test_an_attribute_named_byte_keeps_its_flag() -> None:
    """Then it is that attribute's batch size, as in sosw."""
    job = {"bytes": ["a", "b", "c"], "max_bytes_per_batch": 2}
    assert [task["bytes"] for task in expansion_of(job, {"chunkable_attrs": ["byte"]})] == [["a", "b"], ["c"]]
