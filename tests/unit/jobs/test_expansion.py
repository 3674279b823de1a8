"""The expansion of a job: rules 3 to 5 of sosw. What differs from the real sosw is in tests/differential."""

from __future__ import annotations

import itertools
import json
import tracemalloc
import warnings
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sosw_airflow.exceptions import Fault, InvalidJob
from sosw_airflow.jobs import Expansion, JobSchema, JobWarning, expand, parse_event
from tests.unit.jobs.calendars import last_mondays
from tests.unit.jobs.strategies import SCHEMA, jobs

MONDAY = date(2026, 11, 23)


def expansion_of(job: Any, schema: Any = SCHEMA, **options: Any) -> Expansion:
    """The job, checked, on Monday."""
    return Expansion(job, **{"schema": schema, "reference_date": MONDAY, **options})


def tasks_of(job: Any, schema: Any = SCHEMA, **options: Any) -> list[dict[str, Any]]:
    """Its tasks."""
    return list(expansion_of(job, schema, **options))


def faults_of(job: Any, schema: Any = SCHEMA, **options: Any) -> list[Fault]:
    """The faults with which a job is refused."""
    with pytest.raises(InvalidJob) as refused:
        expansion_of(job, schema, **options)
    return list(refused.value.faults)


def paths_of(job: Any, schema: Any = SCHEMA, **options: Any) -> list[str]:
    """Their paths."""
    return [fault.path for fault in faults_of(job, schema, **options)]


def warnings_of(job: Any, schema: Any = SCHEMA) -> tuple[str, ...]:
    """What the author of the job is told."""
    return expansion_of(job, schema).warnings


class TestTheGate:
    """Rule 3: whether there is anything to chunk."""

    def test_a_job_that_asks_for_nothing_is_one_task(self) -> None:
        """As it is, in its order, flags and period raw."""
        job = {"period": "last_2_days", "sections": {"a": {"stores": ["x"]}}, "isolate_sections": False, "note": None}
        assert [list(job.items())] == [list(task.items()) for task in tasks_of(job)]
        assert expansion_of(job).passed_whole

    @pytest.mark.parametrize(
        ("job", "schema"),
        [
            ({"isolate_days": True}, SCHEMA),
            ({}, {}),
            ({}, {"chunkable_attrs": []}),
            ({}, {**SCHEMA, "expand_period": "always"}),
        ],
    )
    def test_a_job_goes_through_dates_without_chunking(self, job: dict[str, Any], schema: Any) -> None:
        """With `isolate_days`, with a schema without attributes, or with `expand_period: always`."""
        assert [{"note": 1, "date_list": ["2026-11-22"]}] == tasks_of({**job, "note": 1, "period": "yesterday"}, schema)

    @pytest.mark.parametrize(
        "flag",
        [
            "isolate_sections",
            "isolate_section",
            "isolate_sectionss",
            "max_sections_per_batch",
            "max_section_per_batch",
            "max_sectionss_per_batch",
        ],
    )
    def test_each_flag_of_the_first_level_asks_for_chunking(self, flag: str) -> None:
        """In each of its spellings."""
        assert not expansion_of({"sections": ["a"], flag: 1}).passed_whole

    def test_a_flag_deep_inside_asks_for_chunking(self) -> None:
        """Wherever the attribute of its level can stand."""
        job = {"sections": {"a": None, "b": {"stores": {"x": {"products": [1, 2], "isolate_products": True}}}}}
        assert [
            {"sections": ["a"]},
            {"sections": ["b"], "stores": ["x"], "isolate_products": True, "products": [1]},
            {"sections": ["b"], "stores": ["x"], "isolate_products": True, "products": [2]},
        ] == tasks_of(job)

    def test_a_labourer_alone_is_a_task_without_attributes(self) -> None:
        """As upstream schedules it."""
        assert [{}] == tasks_of({"lambda_name": "puller"})


class TestDates:
    """Rule 4, beyond the periods themselves."""

    def test_days_together(self) -> None:
        """One date_list with all days, after the job's own attributes."""
        job = {"period": "last_2_days", "sections": ["a"], "isolate_sections": True}
        assert [{"isolate_sections": True, "date_list": ["2026-11-21", "2026-11-22"], "sections": ["a"]}] == tasks_of(
            job
        )

    def test_days_apart_are_the_outermost_loop(self) -> None:
        """All tasks of one day, then all of the next."""
        job = {"period": "last_2_days", "isolate_days": True, "sections": ["a", "b"], "isolate_sections": True}
        assert [("2026-11-21", "a"), ("2026-11-21", "b"), ("2026-11-22", "a"), ("2026-11-22", "b")] == [
            (*task["date_list"], *task["sections"]) for task in tasks_of(job)
        ]

    def test_a_date_list_of_the_job_is_replaced(self) -> None:
        """In its place."""
        job = {"date_list": ["1999-01-01"], "isolate_days": True, "note": 1, "period": "today"}
        assert [[("date_list", ["2026-11-23"]), ("note", 1)]] == [list(task.items()) for task in tasks_of(job)]

    @pytest.mark.parametrize("period", [None, "", 0, {}])
    def test_without_a_period_there_are_no_dates(self, period: Any) -> None:
        """A date_list of the job stays, `isolate_days` goes."""
        job = {"date_list": ["1999-01-01"], "isolate_days": True, "period": period}
        assert [{"date_list": ["1999-01-01"]}] == tasks_of(job)

    def test_the_reference_date_is_the_only_clock(self) -> None:
        """The same job on another day has other dates and is else the same."""
        job = {"period": "today", "isolate_days": True}
        assert [{"date_list": ["2020-02-29"]}] == tasks_of(job, reference_date=date(2020, 2, 29))

    def test_an_explicit_range(self) -> None:
        """As text and as a mapping."""
        text = tasks_of({"period": "2026-01-31..2026-02-01", "isolate_days": True})
        mapping = tasks_of({"period": {"start": "2026-01-31", "end": "2026-02-01"}, "isolate_days": True})
        assert [{"date_list": ["2026-01-31"]}, {"date_list": ["2026-02-01"]}] == text == mapping

    def test_the_data_interval(self) -> None:
        """Its days come from the DAG run."""
        found = tasks_of({"period": "data_interval"}, {}, data_interval=(date(2026, 3, 1), date(2026, 3, 2)))
        assert [{"date_list": ["2026-03-01", "2026-03-02"]}] == found

    def test_a_custom_period(self) -> None:
        """By a function of the job schema."""
        schema = {"custom_period_patterns": {"last_[0-9]+_mondays": last_mondays}}
        assert [{"date_list": ["2026-11-09", "2026-11-16"]}] == tasks_of({"period": "last_2_mondays"}, schema)

    def test_a_period_below_the_job_itself_is_data(self) -> None:
        """Only the job's own period is expanded."""
        job = {"sections": {"a": {"period": "today"}}, "isolate_sections": True}
        assert [{"isolate_sections": True, "sections": ["a"], "period": "today"}] == tasks_of(job)

    def test_the_dates_can_be_asked_for(self) -> None:
        """Without looking into a task; None where the period is not expanded."""
        assert ("2026-11-22",) == expansion_of({"period": "yesterday", "isolate_days": True}).dates
        assert expansion_of({"period": "yesterday"}).dates is None


class TestChunking:
    """Rule 5."""

    def test_the_job_of_the_tutorial(self) -> None:
        """Topics with words, two days: one task for each."""
        job = {
            "topics": {"cars": {"words": ["bmw", "audi"]}, "food": {"words": ["meal"]}},
            "period": "last_2_days",
            "isolate_days": True,
            "isolate_words": True,
        }
        found = tasks_of(job, {"chunkable_attrs": ["topic", "word"]})
        assert {"isolate_words": True, "date_list": ["2026-11-21"], "topics": ["cars"], "words": ["bmw"]} == found[0]
        assert ["bmw", "audi", "meal", "bmw", "audi", "meal"] == [task["words"][0] for task in found]

    def test_flags_and_the_schemas_name_stay_in_the_tasks(self) -> None:
        """Workers may read them."""
        flags = {"isolate_sections": True, "max_stores_per_batch": 5, "job_schema_name": "retail"}
        assert [{**flags, "sections": ["a"]}] == tasks_of({"sections": ["a"], **flags})

    def test_isolation_stops_at_its_level(self) -> None:
        """What lies below is passed on whole."""
        stores = {"x": {"products": [1, 2]}, "y": None}
        job = {"isolate_sections": True, "sections": {"a": {"stores": stores}, "b": None}}
        assert [
            {"isolate_sections": True, "sections": ["a"], "stores": stores},
            {"isolate_sections": True, "sections": ["b"]},
        ] == tasks_of(job)

    def test_isolation_reaches_through_the_levels_above(self) -> None:
        """An isolated product is one of its store and its section."""
        job = {
            "isolate_products": True,
            "sections": {"a": {"stores": {"x": {"products": [1]}, "y": {"products": [2]}}}},
        }
        assert [("a", "x", 1), ("a", "y", 2)] == [
            (*task["sections"], *task["stores"], *task["products"]) for task in tasks_of(job)
        ]

    def test_names_without_anything_below_are_values(self) -> None:
        """An object of nulls is a list of its names."""
        job = {"sections": {"a": None, "b": None, "c": None}, "max_sections_per_batch": 2}
        assert [["a", "b"], ["c"]] == [task["sections"] for task in tasks_of(job)]

    def test_names_with_and_without_something_below(self) -> None:
        """Each is a task; batches are for flat values."""
        job = {"sections": {"a": None, "b": {"note": 1}, "c": None}, "max_sections_per_batch": 2}
        assert [["a"], ["b"], ["c"]] == [task["sections"] for task in tasks_of(job)]

    def test_a_list_of_objects(self) -> None:
        """Each is taken for itself."""
        job = {"sections": [{"a": None, "b": None}, {"c": {"note": 1}}], "isolate_sections": True}
        assert [["a"], ["b"], ["c"]] == [task["sections"] for task in tasks_of(job)]

    @pytest.mark.parametrize(("value", "expected"), [("a", ["a"]), (7, [7]), (True, [True]), (1.5, [1.5])])
    def test_a_scalar_is_chunked_as_a_list_of_one(self, value: Any, expected: list[Any]) -> None:
        """Only there."""
        assert [expected] == [task["sections"] for task in tasks_of({"sections": value, "isolate_sections": True})]

    def test_a_scalar_that_is_not_chunked_stays_one(self) -> None:
        """At a level that nobody isolates."""
        job = {"isolate_sections": True, "sections": {"a": {"stores": "x"}}}
        assert ["x"] == [task["stores"] for task in tasks_of(job)]

    def test_the_last_level_may_carry_attributes(self) -> None:
        """They become the task's, and beat those from above."""
        schema = {"chunkable_attrs": ["section"]}
        job = {"isolate_sections": True, "limit": 1, "sections": {"a": {"limit": 2, "x": 3}, "b": None}}
        assert [
            {"isolate_sections": True, "limit": 2, "sections": ["a"], "x": 3},
            {"isolate_sections": True, "limit": 1, "sections": ["b"]},
        ] == tasks_of(job, schema)

    def test_attributes_of_each_level_reach_the_tasks_below_it(self) -> None:
        """And no others."""
        job = {
            "root": 0,
            "isolate_stores": True,
            "sections": {"a": {"of_a": 1, "stores": ["x"]}, "b": {"stores": ["y"]}},
        }
        assert [{"root": 0, "of_a": 1}, {"root": 0}] == [
            {name: task[name] for name in ("root", "of_a") if name in task} for task in tasks_of(job)
        ]

    def test_an_outer_flag_beats_an_inner_one(self) -> None:
        """`isolate_products: false` of the job switches off a nested true."""
        job = {
            "isolate_products": False,
            "sections": {"a": {"stores": {"x": {"isolate_products": True, "products": [1]}}}},
        }
        assert expansion_of(job).passed_whole

    def test_an_inner_batch_size_beats_an_outer_one(self) -> None:
        """Each branch may have its own."""
        job = {
            "max_stores_per_batch": 3,
            "sections": {"a": {"stores": [1, 2, 3]}, "b": {"stores": [4, 5, 6], "max_stores_per_batch": 2}},
        }
        assert [[1, 2, 3], [4, 5], [6]] == [task["stores"] for task in tasks_of(job)]

    def test_a_batch_size_beats_isolation(self) -> None:
        """Both at once mean batches."""
        job = {"isolate_sections": True, "max_sections_per_batch": 2, "sections": [1, 2, 3]}
        assert [[1, 2], [3]] == [task["sections"] for task in tasks_of(job)]

    def test_a_branch_without_the_isolated_attribute_is_one_task(self) -> None:
        """While other branches have it, chunked or not."""
        job = {"isolate_stores": True, "sections": {"a": {"stores": ["x"]}, "b": {"note": 1}}}
        assert [("a", ["x"]), ("b", None)] == [(*task["sections"], task.get("stores")) for task in tasks_of(job)]

    def test_an_attribute_counts_as_present_where_it_is_not_chunked(self) -> None:
        """One branch asks for batches that it has not; another has the attribute and asks for none."""
        job = {"isolate_sections": True, "sections": {"a": {"stores": ["x"]}, "b": {"max_stores_per_batch": 2}}}
        assert [("a", ["x"]), ("b", None)] == [(*task["sections"], task.get("stores")) for task in tasks_of(job)]

    @given(st.lists(st.integers() | st.text(max_size=3), min_size=1), st.integers(1, 10))
    def test_batches_hold_all_values_in_order(self, values: list[Any], size: int) -> None:
        """Put together they are the list; all but the last are full."""
        found = [task["sections"] for task in tasks_of({"sections": values, "max_sections_per_batch": size})]
        assert values == list(itertools.chain(*found))
        assert [size] * (len(found) - 1) == [len(batch) for batch in found[:-1]]
        assert 1 <= len(found[-1]) <= size

    @given(
        st.dictionaries(
            st.text(max_size=3),
            st.dictionaries(
                st.text(max_size=3), st.lists(st.integers(), min_size=1, max_size=4), min_size=1, max_size=3
            ),
            min_size=1,
            max_size=3,
        )
    )
    def test_isolation_gives_each_product_once(self, shops: dict[str, dict[str, list[int]]]) -> None:
        """With its own store and section, in the order of the job."""
        job = {
            "isolate_products": True,
            "sections": {
                section: {"stores": {store: {"products": products} for store, products in stores.items()}}
                for section, stores in shops.items()
            },
        }
        expected = [
            (section, store, product)
            for section, stores in shops.items()
            for store, products in stores.items()
            for product in products
        ]
        assert expected == [(*task["sections"], *task["stores"], *task["products"]) for task in tasks_of(job)]


class TestAnExpansion:
    """What holds for every job."""

    @given(jobs)
    def test_it_can_be_repeated(self, job: dict[str, Any]) -> None:
        """The same tasks each time, also in turns, and for the job as JSON text."""
        expansion = accepted(job)
        assert list(expansion) == list(expansion) == tasks_of(json.dumps(job))
        assert all(one == two for one, two in zip(expansion, expansion, strict=True))

    @given(jobs)
    def test_it_does_not_change_the_job(self, job: dict[str, Any]) -> None:
        """Not by checking, not by expanding, not by what a consumer does to a task's own attributes."""
        before = json.dumps(job)
        for task in accepted(job):
            task["sections"] = task["note"] = None
        assert before == json.dumps(job)

    @given(jobs)
    def test_a_task_cannot_change_its_neighbours(self, job: dict[str, Any]) -> None:
        """Each task is an object of its own."""
        expected = list(accepted(job))
        for task, unchanged in zip(accepted(job), expected, strict=True):
            assert unchanged == task
            task.clear()

    @given(jobs)
    def test_runs_are_the_tasks(self, job: dict[str, Any]) -> None:
        """`leaves` and iteration say the same."""
        expansion = accepted(job)
        assert list(expansion) == [task for leaf in expansion.leaves() for task in leaf.tasks()]

    @given(jobs, st.dates(date(2000, 1, 1)))
    def test_the_reference_date_changes_dates_alone(self, job: dict[str, Any], other: date) -> None:
        """As many tasks, with the same attributes, on any day."""
        without_dates = [{**task, "date_list": None} for task in accepted(job)]
        assert without_dates == [{**task, "date_list": None} for task in tasks_of(job, reference_date=other)]

    @given(jobs)
    def test_period_and_isolate_days_do_not_reach_chunked_tasks(self, job: dict[str, Any]) -> None:
        """Dates stand in their place."""
        expansion = accepted(job)
        assume(not expansion.passed_whole)
        assert set() == {name for task in expansion for name in ("period", "isolate_days") if name in task}

    def test_a_parsed_event_is_taken_as_it_is(self) -> None:
        """An attribute `job` of the job is data then, not another event."""
        request = parse_event({"job": {"lambda_name": "puller", "job": "clerk"}})
        assert [{"job": "clerk"}] == tasks_of(request)

    def test_the_labourer_is_told(self) -> None:
        """Where the job names one."""
        assert "puller" == expansion_of({"lambda_name": "puller:live", "a": 1}).lambda_name

    def test_a_schema_may_be_either_form(self) -> None:
        """A JobSchema, or its mapping."""
        job = {"topics": [1, 2], "isolate_topics": True}
        assert tasks_of(job, JobSchema(("topic",))) == tasks_of(job, {"chunkable_attrs": [["topic", {}]]})


def accepted(job: dict[str, Any]) -> Expansion:
    """The expansion of a generated job; one that isolates what it has not is refused and passed over."""
    try:
        return expansion_of(job)
    except InvalidJob:
        assume(False)
        raise


class TestStreaming:
    """Memory does not grow with the number of tasks."""

    def test_the_first_of_a_million_tasks_comes_at_once(self) -> None:
        """A thousand days of a thousand values: neither checking nor the first task makes the others."""
        job = {
            "period": "2024-01-01..2026-09-26",
            "isolate_days": True,
            "isolate_sections": True,
            "sections": list(range(1000)),
        }
        tracemalloc.start()
        try:
            tasks = iter(expansion_of(job))
            first = next(tasks)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert {"isolate_sections": True, "date_list": ["2024-01-01"], "sections": [0]} == first
        assert peak < 1_000_000

    def test_tasks_are_not_kept(self) -> None:
        """A hundred thousand of them, one after the other, need no more room than a few."""
        job = {"period": "last_100_days", "isolate_days": True, "isolate_sections": True, "sections": list(range(1000))}
        expansion = expansion_of(job)
        tracemalloc.start()
        try:
            number = sum(1 for _ in expansion)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert 100_000 == number
        assert peak < 1_000_000


class TestRefusals:
    """Every fault of a job, each with its path."""

    def test_faults_of_all_kinds_are_reported_together(self) -> None:
        """What JSON does not know, a reserved name, a batch size, both spellings, a period, a wrong type."""
        job = {
            "when": MONDAY,
            "labourer_id": "me",
            "max_stores_per_batch": 0,
            "period": "lately",
            "isolate_products": True,
            "sections": {
                "a": {"stores": {"x": {"products": [1, None]}, "y": 5}},
                "b": {"stores": {"z": {"product": [1], "products": [2], "task_id": 1}}},
                "c": {"stores": {"z": {"products": [1], "attempts": 3}}},
            },
        }
        assert sorted(
            [
                "when",
                "labourer_id",
                "max_stores_per_batch",
                "period",
                "sections.a.stores.x.products",
                "sections.a.stores.y",
                "sections.b.stores.z.product",
                "sections.b.stores.z.task_id",
                "sections.c.stores.z.attempts",
            ]
        ) == sorted(paths_of(job))

    def test_a_place_is_reported_once(self) -> None:
        """What is no JSON is not also called unknown or wrong."""
        job = {"period": MONDAY, "isolate_sections": True, "sections": {"a": {1, 2}, "b": object()}}
        assert ["period", "sections.a", "sections.b"] == paths_of(job)

    def test_the_message_lists_the_faults(self) -> None:
        """One line for each, the path first."""
        with pytest.raises(InvalidJob) as refused:
            expansion_of({"greenfield": 1, "max_sections_per_batch": "x"})
        assert (
            "The job is refused, nothing was written:\n"
            "  - max_sections_per_batch: must be a whole number, 1 or more, not 'x'\n"
            "  - greenfield: is a name that sosw uses for its own rows: rename this attribute\n"
            "Fix: correct every line above; sosw-airflow plan finds the same faults without a DAG run."
        ) == str(refused.value)

    def test_many_faults_are_counted(self) -> None:
        """The message shows the first and says how many more there are."""
        job = {"sections": {f"s{number}": 5 for number in range(3000)}, "isolate_sections": True}
        with pytest.raises(InvalidJob) as refused:
            expansion_of(job)
        assert (3000, 1000) == (refused.value.total, len(refused.value.faults))
        assert "\n  - and 2,980 more\nFix: " in str(refused.value)

    @pytest.mark.parametrize("wrong", [5, "x", True, ["x"], 0, ""])
    def test_a_name_leads_to_an_object_or_null(self, wrong: Any) -> None:
        """Anything else is refused where it stands."""
        problem = f"must be an object or null where stores are chunked, not {wrong!r}"
        job = {"isolate_stores": True, "sections": {"a": {"stores": {"x": wrong, "y": {}}}}}
        assert [Fault("sections.a.stores.x", problem)] == faults_of(job)

    def test_positions_in_lists_belong_to_the_path(self) -> None:
        """The second object of the list has the fault."""
        assert ["sections[1].b"] == paths_of({"isolate_sections": True, "sections": [{"a": None}, {"b": 5}]})

    @pytest.mark.parametrize("values", [[1, {"a": 1}], [1, None], [["a"]], [None]])
    def test_a_list_has_values_or_objects(self, values: list[Any]) -> None:
        """Not both; the message shows the value that does not fit."""
        wrong = next(value for value in values if not isinstance(value, int))
        (fault,) = faults_of({"isolate_sections": True, "sections": values})
        assert ("sections", True) == (fault.path, fault.problem.endswith(f"but one of its values is {wrong!r}"))

    @pytest.mark.parametrize("job", [{}, {"sections": []}, {"sections": {}}, {"sections": None}, {"sections": [{}]}])
    def test_an_isolated_attribute_without_values(self, job: dict[str, Any]) -> None:
        """The fault names the places that were searched."""
        (fault,) = faults_of({"isolate_sections": True, **job})
        assert ("sections", True) == (fault.path, "(sought in the job itself)" in fault.problem)

    def test_an_attribute_that_is_missing_everywhere_below(self) -> None:
        """The first places are named, the others counted."""
        job = {"isolate_stores": True, "sections": {name: {"note": 1} for name in "abcde"}}
        (fault,) = faults_of(job)
        assert "(sought in sections.a, sections.b, sections.c and 2 more)" in fault.problem

    @pytest.mark.parametrize("name", ["sections", "note"])
    def test_a_job_that_contains_itself(self, name: str) -> None:
        """The place is named; nothing walks through it for ever."""
        job: dict[str, Any] = {"isolate_sections": True, name: {"a": {}}}
        job[name]["a"]["again"] = job[name]
        assert [f"{name}.a.again"] == paths_of(job)

    def test_a_wrong_period_is_the_jobs_fault(self) -> None:
        """With its path."""
        assert ["period"] == paths_of({"isolate_days": True, "period": "last_0_days"})

    def test_a_singular_name_that_becomes_a_column(self) -> None:
        """`attempt` is no column of sosw's rows, but its plural is."""
        job = {"attempt": [1, 2], "isolate_attempts": True}
        assert ["attempt"] == paths_of(job, {"chunkable_attrs": ["attempt"]})

    @pytest.mark.parametrize("name", ["attempt", "attempts"])
    def test_a_column_at_the_last_level(self, name: str) -> None:
        """Most nodes there have nothing but values and are not searched further; these are."""
        job = {"sections": {"a": {name: [1, 2]}}, "isolate_attempts": True}
        assert [f"sections.a.{name}"] == paths_of(job, {"chunkable_attrs": ["section", "attempt"]})

    @pytest.mark.parametrize(
        ("payload", "path"),
        [
            ("[1]", "payload"),
            ("7", "payload"),
            ("1" * 5000, "payload"),
            ('{"a": NaN}', "payload.a"),
            ('{"a": {"b": 1, "b": 2}}', "payload.a.b"),
            ("[" * 100_000, "payload"),
            ('{"a": "\\ud800"}', "payload.a"),
        ],
    )
    def test_a_payload_that_cannot_be_merged(self, payload: str, path: str) -> None:
        """JSON of something else than an object, of too many levels, or with a value that JSON does not know."""
        assert [path] == paths_of({"payload": payload})

    @pytest.mark.parametrize("payload", ["plain text", '{"a": 1}', "{broken", {"a": 1}, None, 7, [1], "[1"])
    def test_a_payload_that_can(self, payload: Any) -> None:
        """An object, its JSON, or anything that is not JSON."""
        assert [{"payload": payload}] == tasks_of({"payload": payload})

    def test_a_refused_job_is_not_changed(self) -> None:
        """The checks replace faulty values in a copy of their own."""
        job = {"a": {1, 2}, "b": [float("nan")], "max_sections_per_batch": "x"}
        before = deepcopy(job)
        faults_of(job)
        assert repr(before) == repr(job)

    def test_values_of_another_level(self) -> None:
        """A store with `stores` below it has no products."""
        flags = {"isolate_sections": True, "isolate_stores": True, "isolate_products": True}
        (fault,) = faults_of({**flags, "sections": {"a": {"stores": {"s": {"stores": ["x", "y"]}}}}})
        assert "products" == fault.path
        assert "sought in sections.a.stores.s" in fault.problem


class TestWarnings:
    """What is accepted, but may not mean what its author thinks."""

    def test_a_raw_period(self) -> None:
        """It reaches the worker as it is."""
        (warning,) = warnings_of({"period": "today", "a": 1})
        assert warning.startswith("period: 'today' reaches the worker raw")

    def test_a_period_with_a_surplus(self) -> None:
        """It is read as its beginning."""
        assert ("period: 'todayish' is read as 'today', as sosw does",) == warnings_of({"period": "todayish"}, {})

    @pytest.mark.parametrize("text", ["false", "False", "no", "off", "0", "None", " null "])
    def test_texts_that_look_false(self, text: str) -> None:
        """They count as true, at any level."""
        job = {"isolate_days": text, "sections": {"a": {"isolate_stores": text, "stores": [1]}}}
        assert (
            f"sections.a.isolate_stores: the text {text!r} counts as true; use false without quotes",
            f"isolate_days: the text {text!r} counts as true; use false without quotes",
        ) == warnings_of(job)

    def test_a_flag_for_an_attribute_that_the_schema_has_not(self) -> None:
        """A misspelling, or a forgotten schema."""
        (warning,) = warnings_of({"sections": [1], "isolate_sectoins": True})
        assert (
            "isolate_sectoins: is for no chunkable attribute of the job schema (section, store, product), "
            "so it changes nothing"
        ) == warning

    def test_a_flag_whose_attribute_is_not_where_it_belongs(self) -> None:
        """Nothing is chunked then, as in sosw; the warning says where products are looked for."""
        (warning,) = warnings_of({"products": [1, 2], "isolate_products": True})
        assert (
            "isolate_products: changes nothing, since there are no products where they belong, "
            "sections.<name>.stores.<name>.products"
        ) == warning

    def test_a_flag_of_the_level_below_the_first(self) -> None:
        """The place where its values belong is named."""
        (warning,) = warnings_of({"stores": [1, 2], "isolate_stores": True})
        place = "there are no stores where they belong, sections.<name>.stores"
        assert f"isolate_stores: changes nothing, since {place}" == warning

    @pytest.mark.parametrize("name", ["max_words_per_batch_total", "isolate_words!", "not_isolate_words", "isolate_"])
    def test_an_attribute_that_only_begins_like_a_flag(self, name: str) -> None:
        """It is data, and no flag without effect."""
        assert () == warnings_of({"isolate_sections": True, "sections": [1], name: 3})

    def test_a_good_job_has_none(self) -> None:
        """Also with flags that are off, or attributes that are named like flags of others."""
        job = {"isolate_sections": True, "sections": [1], "isolate_stores": False, "max_age": 3, "isolated": True}
        assert () == warnings_of(job)

    def test_expand_gives_them_as_python_warnings(self) -> None:
        """At the call, and pointing at the caller."""
        with pytest.warns(JobWarning, match="reaches the worker raw") as caught:
            expand({"period": "today", "a": 1}, schema=SCHEMA, reference_date=MONDAY)
        assert [__file__] == [warning.filename for warning in caught]

    def test_expand_checks_at_the_call(self) -> None:
        """Not only when somebody iterates."""
        with warnings.catch_warnings(), pytest.raises(InvalidJob):
            expand({"task_id": 1}, schema=SCHEMA, reference_date=MONDAY)
