"""`plan_job`: what a job would become, in figures."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given

from sosw_airflow.exceptions import InvalidJob, TaskTooLarge
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.pages import PageLimits, cut_pages, write_units
from sosw_airflow.jobs.planning import JobPlan, WritingTerms, plan_job
from sosw_airflow.jobs.rows import LineCodec, row_size_of_line
from tests.unit.jobs.strategies import SCHEMA as THREE_LEVELS
from tests.unit.jobs.strategies import jobs

TODAY = date(2026, 3, 2)
SCHEMA = {"chunkable_attrs": ["section", "store"]}
JOB: dict[str, Any] = {
    "sections": {"garden": {"stores": ["berlin", "lisbon"]}, "kitchen": {"stores": ["oslo"]}},
    "period": "last_2_days",
    "isolate_days": True,
    "isolate_stores": True,
}


def planned(job: dict[str, Any] = JOB, *, schema: Any = SCHEMA, **settings: Any) -> JobPlan:
    """The plan of a job for one labourer."""
    expansion = Expansion(job, schema=schema, reference_date=TODAY)
    return plan_job(expansion, labourer_id="worker", reference_date=TODAY, **settings)


def test_tasks_by_day() -> None:
    """In the order of the tasks."""
    assert [(each.dates, each.tasks) for each in planned().days] == [("2026-02-28", 3), ("2026-03-01", 3)]


def test_days_that_are_not_isolated() -> None:
    """Stand together, with their number."""
    job = {**JOB, "period": "last_3_days", "isolate_days": False}
    assert [(each.dates, each.tasks) for each in planned(job).days] == [("2026-02-27 .. 2026-03-01 (3)", 3)]


def test_a_job_without_dates() -> None:
    """Has no days."""
    assert planned({"stores": ["a"], "x": 1}).days == ()


def test_tasks_by_attribute() -> None:
    """Each attribute of the schema, with its values and the tasks that have them."""
    sections, stores = planned().attributes
    assert (sections.name, sections.tasks, sections.values, sections.most_in_a_task) == ("sections", 6, 2, 1)
    assert sections.frequent == (("garden", 4), ("kitchen", 2))
    assert dict(stores.frequent) == {"berlin": 2, "lisbon": 2, "oslo": 2}


def test_values_in_batches() -> None:
    """The largest batch is told."""
    (words,) = planned(
        {"words": list("abcde"), "max_words_per_batch": 2}, schema={"chunkable_attrs": ["word"]}
    ).attributes
    assert (words.tasks, words.values, words.most_in_a_task) == (3, 5, 2)


def test_very_many_values() -> None:
    """Are not all told apart, so that memory stays small."""
    job = {"words": [f"w{n}" for n in range(10_001)], "isolate_words": True}
    (words,) = planned(job, schema={"chunkable_attrs": ["word"]}).attributes
    assert (words.tasks, words.values) == (10_001, None)


def test_samples() -> None:
    """First and last tasks, none of them twice."""
    plan = planned(samples=2)
    assert [task["stores"] for task in plan.first + plan.last] == [["berlin"], ["lisbon"], ["lisbon"], ["oslo"]]
    assert len(planned(samples=5).last) == 1


@given(jobs)
def test_figures_are_those_of_the_writer(job: dict[str, Any]) -> None:
    """Sizes, pages and write units of any job are what its lines give."""
    try:
        expansion = Expansion(job, schema=THREE_LEVELS, reference_date=TODAY)
    except InvalidJob:
        assume(False)
    codec, limits = LineCodec("worker"), PageLimits(rows=3)
    lines = [codec.line(task, n, labourer_first=expansion.passed_whole) for n, task in enumerate(expansion)]
    sizes = [row_size_of_line(len(line)) for line in lines]

    plan = plan_job(expansion, labourer_id="worker", reference_date=TODAY, terms=WritingTerms(pages=limits))

    assert plan.tasks == len(lines)
    assert plan.queue_file_bytes == sum(len(line) + 1 for line in lines)
    assert plan.pages == len(list(cut_pages(lines, limits)))
    assert plan.write_units.index == sum(write_units(len(line)) for line in lines)
    assert (plan.row_bytes[0], plan.row_bytes[2]) == (min(sizes), max(sizes))
    assert plan.row_bytes[1] == pytest.approx(sum(sizes) / len(sizes))
    assert plan.largest_task == sizes.index(max(sizes)) + 1
    assert plan.largest_payload == len(codec.payload(lines[plan.largest_task - 1]))


def test_write_units_with_the_meta_table() -> None:
    """Two for each of its rows; pages are up to the terms."""
    units = planned(terms=WritingTerms(pages=PageLimits(rows=49), with_meta=True)).write_units
    assert (units.tasks_table, units.index, units.jobs_table, units.meta_table, units.total) == (12, 6, 2, 12, 32)


@pytest.mark.parametrize(
    ("terms", "seconds"),
    [
        (WritingTerms(), 0.006),
        (WritingTerms(units_per_second=2.0), 3.0),
        (WritingTerms(rows_per_second=0.5), 12.0),
        (WritingTerms(pages=PageLimits(rows=1), pages_per_second=1.0), 6.0),
    ],
)
def test_time(terms: WritingTerms, seconds: float) -> None:
    """The slowest of the limits counts; on demand it is that of one partition of the index."""
    assert planned(terms=terms).seconds == pytest.approx(seconds)


def test_a_task_that_is_too_large() -> None:
    """The writer's own error."""
    with pytest.raises(TaskTooLarge, match="Task number 2 of the job"):
        planned({"words": ["a", "b" * 1_100_000], "isolate_words": True}, schema={"chunkable_attrs": ["word"]})


def test_the_limit_of_lambda() -> None:
    """Can be lower."""
    with pytest.raises(TaskTooLarge):
        planned(terms=WritingTerms(lambda_payload_limit=250))


def test_as_json() -> None:
    """All of it survives JSON."""
    document = json.loads(json.dumps(planned().as_dict()))
    assert (document["tasks"], document["write_units"]["total"]) == (6, 20)
    assert Counter(document["attributes"][0]["frequent"]) == {"garden": 4, "kitchen": 2}


def test_memory_does_not_grow_with_the_number_of_tasks() -> None:
    """40,000 tasks take what 4,000 take."""

    def peak(days: int) -> int:
        words = {f"t{n}": {"words": list("abcdefghij")} for n in range(40)}
        job = {"topics": words, "isolate_words": True, "isolate_days": True, "period": f"last_{days}_days"}
        tracemalloc.start()
        plan = planned(job, schema={"chunkable_attrs": ["topic", "word"]})
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert plan.tasks == 400 * days
        return memory

    assert peak(100) < peak(10) + 100_000
