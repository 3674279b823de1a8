"""Sources in a job: a job with a source is the same job with the list of its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosw_airflow import source
from sosw_airflow.exceptions import InvalidJob, TaskTooLarge
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.planning import plan_job
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.sources import SourcedJob, find_sources, moment
from sosw_airflow.sources.spool import Spool, SpooledValues
from tests.unit.jobs.strategies import SCHEMA, jobs

MONDAY = date(2026, 11, 23)
WORDS = {"chunkable_attrs": ["topic", "word"]}


def spooled(spool: Spool, values: list[Any]) -> SpooledValues:
    """The values, as a source gives them."""
    made = SpooledValues(spool)
    for value in values:
        made.add(value, 4 if isinstance(value, int) else len(value))
    made.complete()
    return made


def outcome_of(job: dict[str, Any], schema: Mapping[str, Any]) -> Any:
    """All lines of the queue file with the plan, or why the job is refused."""
    codec = LineCodec("worker", lambda_payload_limit=4000)
    try:
        expansion = Expansion(job, schema=schema, reference_date=MONDAY)
        lines = [block.text for block in blocks_of(expansion, codec)]
        plan = plan_job(expansion, labourer_id="worker", reference_date=MONDAY)
    except (InvalidJob, TaskTooLarge) as error:
        return type(error), str(error)
    return "\n".join(lines), expansion.tasks, expansion.warnings, plan


def sources_for(job: dict[str, Any], data: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, list[Any]]]:
    """The job with lists of text, or of numbers; with sources in place of some; and their values by their urls."""
    values: dict[str, list[Any]] = {}

    def replaced(node: dict[str, Any], level: int) -> tuple[dict[str, Any], dict[str, Any]]:
        name = f"{SCHEMA['chunkable_attrs'][level]}s"
        given = node.get(name)
        if isinstance(given, list):
            listed = given if len(set(map(type, given))) == 1 else list(map(str, given))
            url = f"s3://lists/{len(values)}.json"
            if data.draw(st.integers(0, 3)):
                values[url] = listed
            return {**node, name: listed}, {**node, name: source.s3(url) if url in values else listed}
        if not isinstance(given, dict) or level == 2:
            return node, node
        pairs = {
            key: replaced(each, level + 1) if isinstance(each, dict) else (each, each) for key, each in given.items()
        }
        one, other = ({key: pair[side] for key, pair in pairs.items()} for side in (0, 1))
        return {**node, name: one}, {**node, name: other}

    return *replaced(job, 0), values


@settings(max_examples=300, deadline=None)
@given(jobs, st.data(), st.none() | st.integers(60, 90))
def test_a_source_equals_the_list_of_its_values(job: dict[str, Any], data: Any, most_bytes: int | None) -> None:
    """To the letter: rows, counts, warnings, plans, and what is refused."""
    if most_bytes is not None:
        job = {**job, "max_bytes_per_batch": most_bytes}
    job, given, values = sources_for(job, data)
    sourced = SourcedJob.of(given, SCHEMA)
    with Spool() as spool, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sosw_airflow.sources.spool._BLOCK_VALUES", 2)
        filled = sourced.with_values(lambda one: spooled(spool, values[one.settings["url"]]))
        assert outcome_of(filled, SCHEMA) == outcome_of(job, SCHEMA)


@given(st.lists(st.text(max_size=4), min_size=1) | st.lists(st.integers()), st.integers(1, 5), st.data())
def test_spooled_values_are_a_sequence(values: list[Any], block: int, data: Any) -> None:
    """Any slice, any element, the whole."""
    with Spool() as spool, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sosw_airflow.sources.spool._BLOCK_VALUES", block)
        other, made = spooled(spool, [0, 1, 2]), spooled(spool, values)
        index = data.draw(st.slices(len(values)))
        assert (len(made), list(made), made[index]) == (len(values), values, values[index])
        assert all(made[position] == values[position] for position in range(-len(values), len(values)))
        assert list(other) == [0, 1, 2]
        with pytest.raises(IndexError):
            made[len(values)]


def test_one_document_in_several_places_is_one_source() -> None:
    """It is read once; what stands in several places of the job still does."""
    shared = {"words": source.s3("s3://lists/a.csv")}
    job = {"topics": {"cars": shared, "food": shared, "more": {"words": source.s3("s3://lists/a.csv")}}}
    sourced = SourcedJob.of(job, WORDS)
    assert list(sourced.sources.values()) == ["topics.cars.words"]
    filled = sourced.with_values(lambda _: ["a"])
    assert filled["topics"]["cars"] is filled["topics"]["food"]
    assert filled["topics"]["more"] == {"words": ["a"]}
    assert job["topics"]["cars"]["words"] == source.s3("s3://lists/a.csv")


def test_an_empty_source_gives_no_task() -> None:
    """An empty list in a job is an attribute without values, which is a task."""
    with Spool() as spool:
        topics = {"cars": {"words": spooled(spool, [])}, "food": {"words": spooled(spool, ["soup"])}}
        for flags in ({"isolate_words": True}, {"isolate_topics": True}):
            expansion = Expansion({"topics": topics, **flags}, schema=WORDS, reference_date=MONDAY)
            assert [task["topics"] for task in expansion] == [["food"]]
            assert expansion.tasks == 1
        whole = Expansion({"words": spooled(spool, [])}, schema={"chunkable_attrs": ["word"]}, reference_date=MONDAY)
        assert (whole.tasks, list(whole)) == (0, [])


def test_a_long_source_that_nothing_cuts() -> None:
    """It is refused before its values become one list."""
    with Spool() as spool:
        words = spooled(spool, ["x" * 1000] * 500)
        for job in ({"words": words}, {"topics": {"cars": {"words": words}}, "isolate_topics": True}):
            schema = {"chunkable_attrs": ["word"]} if "words" in job else WORDS
            with pytest.raises(InvalidJob, match="words: gives 500 values of 502,000 bytes, and nothing asks to cut"):
                Expansion(job, schema=schema, reference_date=MONDAY)


def test_a_source_that_is_not_read() -> None:
    """The expansion alone cannot read it."""
    with pytest.raises(InvalidJob, match="words: is a source, which the operators and commands read"):
        Expansion({"words": source.s3("s3://lists/a.csv")}, schema={"chunkable_attrs": ["word"]}, reference_date=MONDAY)


def faults_of(job: dict[str, Any], schema: Any = WORDS) -> list[str]:
    """Why the sources of a job are refused."""
    with pytest.raises(InvalidJob) as refused:
        SourcedJob.of(job, schema)
    return [str(fault) for fault in refused.value.faults]


def faulty() -> Iterator[tuple[Any, str]]:
    """Documents of sources with one fault each, and the beginning of its message."""
    yield "s3://b/a.csv", "words.$source: must be an object such as"
    yield {"kind": "ftp"}, "words.$source.kind: must be one of s3"
    yield {"kind": "s3"}, "words.$source.url: is missing"
    yield {"kind": "s3", "url": "b/a.csv"}, "words.$source.url: must be s3://bucket/key, not 'b/a.csv'"
    yield {"kind": "s3", "url": "s3://b/a", "colunm": "a"}, "words.$source.colunm: is no setting of the kind 's3'"
    yield {"kind": "s3", "url": "s3://b/a", "on_empty": "pass"}, "words.$source.on_empty: must be one of 'fail', 'skip'"
    yield {"kind": "s3", "url": "s3://b/a", "header": "no"}, "words.$source.header: must be true or false, not 'no'"
    yield {"kind": "s3", "url": "s3://b/a", "delimiter": ", "}, "words.$source.delimiter: must be one character"
    yield {"kind": "s3", "url": "s3://b/a", "column": 0}, "words.$source.column: must be the name of a column"
    yield {"kind": "s3", "url": "s3://b/a", "aws_conn_id": "None"}, 'words.$source.aws_conn_id: is the text "None"'


@pytest.mark.parametrize(("document", "message"), list(faulty()))
def test_a_faulty_document(document: Any, message: str) -> None:
    """The path, the value and the rule."""
    [fault] = faults_of({"words": {"$source": document}}, {"chunkable_attrs": ["word"]})
    assert fault.startswith(message)


def test_sources_out_of_place() -> None:
    """Every one is reported."""
    given = source.s3("s3://b/a.csv")
    job = {"topics": {"cars": {"words": ["a", given], "note": given}, "food": given}, "owner": given}
    assert [fault.partition(":")[0] for fault in faults_of(job)] == [
        "owner",
        "topics.cars.note",
        "topics.cars.words[1]",
        "topics.food",
    ]


def test_a_job_without_sources() -> None:
    """Also if something deep in a payload has the name."""
    assert find_sources({"words": ["a"], "filter": {"any": [{"$source": 1}]}}, {"chunkable_attrs": ["word"]}) is None


def test_settings_that_are_null_are_absent() -> None:
    """So that a template may leave one out."""
    given = {"$source": {"kind": "s3", "url": "s3://b/a.csv", "column": None}}
    assert SourcedJob.of({"words": given}, {"chunkable_attrs": ["word"]}).sources == (
        SourcedJob.of({"words": source.s3("s3://b/a.csv")}, {"chunkable_attrs": ["word"]}).sources
    )


def test_moments() -> None:
    """With and without a time zone."""
    texts = ("2026-03-02", "2026-03-02T00:00:00Z", "2026-03-02 01:00:00+01:00")
    assert {moment(text).isoformat() for text in texts} == {"2026-03-02T00:00:00+00:00"}  # type: ignore[union-attr]
    assert moment("yesterday") is None
