"""`advice_on`: what may not be meant, though it is allowed."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.lint import Advice, advice_on

TODAY = date(2026, 3, 2)


def advice(job: dict[str, Any], *attributes: str) -> Advice:
    """What is said of a job whose schema has these attributes."""
    schema = {"chunkable_attrs": attributes or ("section", "store")}
    return advice_on(Expansion(job, schema=schema, reference_date=TODAY), TODAY)


def places(job: dict[str, Any], *attributes: str) -> list[str]:
    """The paths that warnings are about."""
    return [text.partition(":")[0] for text in advice(job, *attributes).warnings]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("isolated_stores", "isolate_stores"),
        ("isolate-stores", "isolate_stores"),
        ("isolateStores", "isolate_stores"),
        ("isolate_stroes", "isolate_stores"),
        ("max_stores_batch", "max_stores_per_batch"),
        ("max_store_per_bach", "max_stores_per_batch"),
        ("isolate_day", "isolate_days"),
        ("perid", "period"),
        ("setions", "sections"),
    ],
)
def test_a_name_that_looks_like_another(name: str, meant: str) -> None:
    """The name that may be meant is told, once."""
    (warning,) = advice({"stores": ["a"], name: 1}).warnings
    assert warning.startswith(f"{name}: ")
    assert f"'{meant}' may be meant" in warning


@pytest.mark.parametrize(
    "name", ["isolate_store", "isolate_stores", "max_store_per_batch", "store", "scores", "isolate"]
)
def test_names_that_are_fine(name: str) -> None:
    """The singular is as good, and other names are the user's own."""
    node = {name: ["x"]} if name == "store" else {name: 2, "stores": ["x"]}
    assert places({"sections": {"a": node}, "isolate_sections": True}) == []


def test_a_misspelling_deep_in_the_job() -> None:
    """Its path is told."""
    job = {"sections": {"a": {"stores": ["x"], "isolated_stores": True}}, "isolate_sections": True}
    assert places(job) == ["sections.a.isolated_stores"]


def test_a_flag_for_no_attribute_deep_in_the_job() -> None:
    """Changes nothing there."""
    job = {"sections": {"a": {"isolate_regions": True}}, "isolate_sections": True}
    assert places(job) == ["sections.a.isolate_regions"]


def test_a_period_without_isolation() -> None:
    """Each task gets all dates."""
    assert places({"sections": ["a"], "isolate_sections": True, "period": "last_2_days"}) == ["period"]
    assert places({"sections": ["a"], "isolate_sections": True, "period": "yesterday"}) == []


def test_isolated_days_without_a_period() -> None:
    """Changes nothing."""
    assert places({"sections": ["a"], "isolate_sections": True, "isolate_days": True}) == ["isolate_days"]


def test_dates_to_come() -> None:
    """They may have no data."""
    job = {"sections": ["a"], "isolate_days": True, "period": "2026-03-01..2026-03-05"}
    (warning,) = advice(job).warnings
    assert "3 of its 5 dates lie after the reference date (2026-03-03" in warning


def test_warnings_of_the_expansion() -> None:
    """Are there as well."""
    (warning,) = advice({"sections": ["a"], "period": "yesterday"}).warnings
    assert "reaches the worker raw" in warning


def test_notes_on_lists_that_are_not_cut() -> None:
    """They are no warnings: a list in each task may be what is wanted."""
    (note,) = advice({"sections": ["a"], "isolate_sections": True, "columns": ["x", "y"]}).notes
    assert note.startswith("columns: is not in the job schema (section, store)")


def test_a_note_on_a_job_that_is_not_cut() -> None:
    """The attributes that could be are named."""
    assert advice({"sections": ["a", "b"]}).notes == (
        "nothing asks for chunking: sections go into one task as they are",
    )


@pytest.mark.parametrize("name", ["max_words_per_batch_total", "not_isolate_words", "isolate_words!"])
def test_an_attribute_below_that_only_begins_like_a_flag(name: str) -> None:
    """It is data, as at the top."""
    below = {"isolate_stores": True, "sections": {"a": {name: 1, "stores": ["x"]}}}
    assert places({**below, "isolate_sections": True}) == []
    flag = {"a": {"isolate_words": 1, "stores": ["x"]}}
    assert places({**below, "isolate_sections": True, "sections": flag}) == ["sections.a.isolate_words"]
