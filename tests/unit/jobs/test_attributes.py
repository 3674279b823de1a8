"""Chunkable attributes and the spellings of their flags (sosw rule 5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.jobs.attributes import attributes_of, batch_size_of

SECTION, STORE = attributes_of(["section", "store"])


def test_one_attribute_for_each_level() -> None:
    """In the order of the schema, under the plural name."""
    assert ["sections", "stores"] == [each.plural for each in (SECTION, STORE)]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"sections": 1}, "sections"),
        ({"section": 1}, "section"),
        ({"stores": 1}, None),
        ({"sections": None}, "sections"),
    ],
)
def test_an_attribute_is_found_under_both_spellings(job: dict[str, Any], expected: str | None) -> None:
    """The plural one or the singular one."""
    assert expected == SECTION.spelling_in(job)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"sections": ["a", "b"]}, ["a", "b"]),
        ({"section": ("a", "b")}, ["a", "b"]),
        ({"sections": "a"}, ["a"]),
        ({"sections": {"a": None}}, [{"a": None}]),
        ({"sections": 7}, [7]),
        ({"sections": []}, []),
        ({"sections": {}}, []),
        ({"sections": 0}, []),
        ({"sections": None}, []),
        ({}, []),
    ],
)
def test_values_are_a_sequence(job: dict[str, Any], expected: list[Any]) -> None:
    """One value is a list of one; nothing, and what counts as false, is none."""
    assert expected == list(SECTION.values_in(job))


def test_flags_of_all_levels_are_inherited() -> None:
    """Those of the schema's attributes in each spelling; others are plain data."""
    flags = {"isolate_section": 0, "isolate_stores": True, "max_store_per_batch": 1, "max_sectionss_per_batch": 2}
    other = {"isolate_days": True, "isolate_product": True, "sections": []}
    assert flags == SECTION.flags_of({**flags, **other})


def test_one_more_spelling_counts_where_chunking_starts() -> None:
    """Upstream looks for `isolate_sectionss` there, and below it does not."""
    assert {"isolate_sectionss", "max_sectionss_per_batch"} == set(SECTION.flags_at_top) - set(SECTION.flags)


@pytest.mark.parametrize(
    ("job", "outer", "expected"),
    [
        ({}, {}, None),
        ({"max_sections_per_batch": 2}, {}, 2),
        ({"max_section_per_batch": 2}, {}, 2),
        ({}, {"max_sections_per_batch": 3}, 3),
        ({"max_sections_per_batch": 2}, {"max_sections_per_batch": 3}, 2),
        ({"max_section_per_batch": 2}, {"max_sections_per_batch": 3}, 2),
        ({"max_section_per_batch": 2, "max_sections_per_batch": 4}, {}, 4),
        ({"max_stores_per_batch": 2}, {}, None),
    ],
)
def test_an_inner_batch_size_beats_an_outer_one(job: Any, outer: Any, expected: int | None) -> None:
    """And the plural spelling beats the singular one."""
    assert expected == SECTION.batch_size(job, outer)


@given(st.integers(1))
def test_a_batch_size_is_a_whole_number(size: int) -> None:
    """Digits as text are fine, also with blanks around them."""
    assert [size, size, size] == [batch_size_of(value) for value in (size, str(size), f" {size} ")]


@pytest.mark.parametrize("wrong", [0, -1, "0", "-1", "x", "", "1.5", "٣", "1_000", 1.5, None, True, False, [], {}])
def test_what_is_no_batch_size(wrong: Any) -> None:
    """None of these is a number of values."""
    assert batch_size_of(wrong) is None


def test_a_whole_float_is_a_whole_number() -> None:
    """Some JSON writers know only floats."""
    assert 5 == batch_size_of(5.0)
