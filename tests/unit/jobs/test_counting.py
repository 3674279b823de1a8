"""The number of tasks, counted before any of them is made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import InvalidJob, TooManyTasks
from sosw_airflow.jobs import Expansion
from tests.unit.jobs.strategies import SCHEMA, jobs

MONDAY = date(2026, 11, 23)


def expansion_of(job: Any, schema: Any = SCHEMA, **options: Any) -> Expansion:
    """The job, checked, on Monday."""
    return Expansion(job, **{"schema": schema, "reference_date": MONDAY, **options})


@given(jobs, st.data())
def test_the_count_is_that_of_the_expansion(job: dict[str, Any], data: st.DataObject) -> None:
    """For every job; also if some of its objects are one and the same object in memory."""
    shared = share(deepcopy(job), data)
    try:
        expansion = expansion_of(shared)
    except InvalidJob:
        with pytest.raises(InvalidJob):
            expansion_of(deepcopy(shared))
        return
    tasks = list(expansion)
    assert expansion.tasks == len(tasks)
    assert expansion.tasks == expansion_of(unshared(shared)).tasks
    assert tasks == list(expansion_of(unshared(shared)))


def share(value: Any, data: st.DataObject) -> Any:
    """Put objects of the job into other places of it, as YAML anchors do."""
    found: list[Any] = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            for name, below in node.items():
                if isinstance(below, dict) and found and data.draw(st.booleans()):
                    node[name] = data.draw(st.sampled_from(found))
                else:
                    collect(below)
            found.append(node)

    collect(value)
    return value


def unshared(value: Any) -> Any:
    """The same with a copy at each place."""
    if isinstance(value, dict):
        return {name: unshared(below) for name, below in value.items()}
    return [unshared(below) for below in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("job", "tasks"),
    [
        ({"note": 1}, 1),
        ({"sections": ["a", "b", "c"], "isolate_sections": True}, 3),
        ({"sections": list(range(10)), "max_sections_per_batch": 4}, 3),
        ({"sections": ["a", "b"], "isolate_sections": True, "isolate_days": True, "period": "last_3_days"}, 6),
        ({"sections": ["a", "b"], "isolate_sections": True, "period": "last_3_days"}, 2),
        ({"isolate_days": True, "period": "last_week"}, 7),
    ],
)
def test_the_count_of_plain_jobs(job: dict[str, Any], tasks: int) -> None:
    """Days times values, by hand."""
    assert expansion_of(job).tasks == tasks


@contextmanager
def few_calls(most: int) -> Iterator[None]:
    """Inside, at most so many Python functions are called: far fewer than there are tasks or paths."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    former = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(former)
    assert calls < most


def millions(shared: bool) -> dict[str, Any]:
    """A job of 7,300,000 tasks: a typo in the year of a period, or the same stores at each of many sections."""
    if shared:
        stores = {f"x{number}": {"products": list(range(73))} for number in range(1000)}
        return {"isolate_products": True, "sections": {f"s{number}": {"stores": stores} for number in range(100)}}
    sections = {"sections": list(range(10)), "isolate_sections": True, "isolate_days": True}
    return {**sections, "period": "0026-01-01..2024-09-02"}


@pytest.mark.parametrize(
    ("shared", "calls", "multiplier"),
    [
        (False, 1_000, "isolate_days (period '0026-01-01..2024-09-02') multiplies most, by 730,000"),
        (True, 1_500_000, "stores multiplies most, by 1,000"),
    ],
)
def test_millions_of_tasks_are_refused_at_once(shared: bool, calls: int, multiplier: str) -> None:
    """Before they are expanded, with their number and with what multiplies most."""
    job = millions(shared)
    with few_calls(calls), pytest.raises(TooManyTasks) as refused:
        expansion_of(job, max_tasks=1_000_000)
    assert refused.value.tasks == 7_300_000
    assert "The job has 7,300,000 tasks, max_tasks allows 1,000,000. Nothing was written. " in str(refused.value)
    assert multiplier in str(refused.value)
    assert "set max_tasks=7300000 at the operator" in str(refused.value)


def test_as_many_tasks_as_allowed() -> None:
    """The limit itself is allowed, one task more is not."""
    job = {"sections": ["a", "b", "c"], "isolate_sections": True}
    assert expansion_of(job, max_tasks=3).tasks == 3
    with pytest.raises(TooManyTasks):
        expansion_of(job, max_tasks=2)


def test_faults_come_before_the_number_of_tasks() -> None:
    """A job that is wrong as well says what is wrong."""
    with pytest.raises(InvalidJob):
        expansion_of({**millions(shared=False), "task_id": "x"}, max_tasks=1000)


def test_dates_that_fit_into_no_task_are_refused_before_they_are_made() -> None:
    """A period that is not isolated goes into each task, with all of its dates."""
    with pytest.raises(InvalidJob, match="period: has 3,652,059 days, which are more dates than a task has room for"):
        expansion_of({"period": "0001-01-01..9999-12-31", "sections": ["a"], "isolate_sections": True})


@pytest.mark.parametrize("depth", [30, 90])
def test_a_job_of_shared_objects_is_checked_in_linear_time(depth: int) -> None:
    """Anchors in anchors: 2 to the power of 30 paths would take hours."""
    tree: Any = {"leaf": None}
    for _ in range(depth):
        tree = {"left": tree, "right": tree}
    for name in ("sections", "other"):
        with pytest.raises(InvalidJob, match="shares objects or lists"):
            expansion_of({name: tree, "isolate_sections": True, **({"sections": ["a"]} if name == "other" else {})})


def test_shared_objects_below_a_chunked_level() -> None:
    """A million paths to the last level, none of which asks for chunking: searched once."""
    products = {"products": ["p"], "note": 1}
    stores = {"stores": {f"x{number}": products for number in range(1000)}}
    job = {"sections": {f"s{number}": stores for number in range(1000)}}
    with few_calls(100_000):
        assert expansion_of(job).tasks == 1
