"""Checks of single places of a job."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.exceptions import Fault
from sosw_airflow.jobs.attributes import attributes_of
from sosw_airflow.jobs.job_checks import ROW_NAMES, excerpt, row_faults, structure_faults, untrue_text

ATTRIBUTES = attributes_of(["section", "store"])


def structure(job: dict[str, Any]) -> tuple[list[Fault], list[str]]:
    """Faults and warnings of a job."""
    found: list[str] = []
    return list(structure_faults(job, ATTRIBUTES, 0, (), found)), found


def test_a_sound_job_has_neither_faults_nor_warnings() -> None:
    """One spelling, numbers for sizes, flags that are true or false."""
    job = {"sections": {"a": {"store": ["x"], "max_store_per_batch": "5"}}, "isolate_stores": True}
    assert ([], []) == structure(job)


def test_both_spellings_are_refused_at_each_level() -> None:
    """The path is that of the singular one."""
    problem = "stands beside 'stores', the other spelling of the same attribute: keep one of them"
    job = {"sections": [{"a": {"store": 1, "stores": 2}}, {"b": {"stores": None, "store": []}}]}
    assert [Fault("sections[0].a.store", problem), Fault("sections[1].b.store", problem)] == structure(job)[0]


def test_sizes_are_checked_for_every_attribute_at_every_level() -> None:
    """Also where they are only inherited."""
    job = {
        "max_stores_per_batch": 0,
        "section": {"a": {"max_section_per_batch": "x", "stores": {"y": {"max_stores_per_batch": None}}}},
    }
    paths = [fault.path for fault in structure(job)[0]]
    assert [
        "max_stores_per_batch",
        "section.a.max_section_per_batch",
        "section.a.stores.y.max_stores_per_batch",
    ] == paths


def test_what_stands_outside_of_the_levels_is_data() -> None:
    """The worker's own objects may have such names."""
    assert ([], []) == structure({"worker": {"max_stores_per_batch": 0, "store": 1, "stores": 2}})


def test_there_are_not_more_warnings_than_anybody_reads() -> None:
    """Twenty of them, of a thousand."""
    job = {"sections": {f"s{number}": {"isolate_stores": "false"} for number in range(1000)}}
    assert 20 == len(structure(job)[1])


@pytest.mark.parametrize("name", sorted(ROW_NAMES))
def test_names_of_sosws_rows_are_refused(name: str) -> None:
    """They would crash sosw, or change the row."""
    problem = "is a name that sosw uses for its own rows: rename this attribute"
    assert [Fault(f"sections.a.{name}", problem)] == list(row_faults({name: 1, "x": 1}, ("sections", "a")))


@pytest.mark.parametrize("value", ["yes", "true", "1", "", False, 0, None])
def test_what_is_no_untrue_text(value: Any) -> None:
    """Texts that mean true, and values that are false."""
    assert [] == list(untrue_text(("isolate_days",), value))


def test_long_values_are_cut_in_messages() -> None:
    """To sixty characters."""
    assert ("[1, 2]", 60) == (excerpt([1, 2]), len(excerpt(list(range(1000)))))
