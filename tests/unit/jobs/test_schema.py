"""Job schemas (sosw rules 2.1 to 2.3)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from sosw_airflow.exceptions import Fault, InvalidJobSchema
from sosw_airflow.jobs import JobSchema
from sosw_airflow.jobs.periods import InvalidPeriod, resolve_period
from tests.unit.jobs.calendars import last_mondays


def faults_of(schema: Any) -> list[Fault]:
    """The faults with which a schema is refused."""
    with pytest.raises(InvalidJobSchema) as refused:
        JobSchema.of(schema)
    return list(refused.value.faults)


@pytest.mark.parametrize(
    "attributes",
    [
        ["section", "store"],
        ("section", "store"),
        [["section", {}], ["store", {}]],
        [("section", {}), "store"],
        [["section"], ["store", {"anything": 1}, 2]],
    ],
)
def test_entries_are_names_or_begin_with_one(attributes: Any) -> None:
    """Only the first element of an entry counts, and a plain name is as good."""
    assert ("section", "store") == JobSchema.of({"chunkable_attrs": attributes}).chunkable_attrs


@pytest.mark.parametrize("empty", [{}, {"chunkable_attrs": []}, {"chunkable_attrs": ()}, JobSchema()])
def test_a_schema_may_have_no_attributes(empty: Any) -> None:
    """Its jobs are cut by their dates alone."""
    assert JobSchema() == JobSchema.of(empty)


def test_a_schema_is_itself() -> None:
    """`of` gives a schema back as it is."""
    schema = JobSchema(("topic",))
    assert schema is JobSchema.of(schema)


def test_a_list_is_as_good_as_a_tuple() -> None:
    """The constructor takes what a user writes."""
    assert JobSchema(("topic",)) == JobSchema(["topic"])  # type: ignore[arg-type]


def test_other_settings_are_passed_over() -> None:
    """A schema of upstream can be pasted as it is."""
    assert JobSchema(("topic",)) == JobSchema.of({"chunkable_attrs": ["topic"], "description": "hashtags"})


def test_a_document_without_any_setting_is_refused() -> None:
    """It is a misspelling, or something else altogether."""
    (fault,) = faults_of({"chunkable_attributes": ["topic"]})
    assert "must have 'chunkable_attrs' (a list of singular names), but has only: chunkable_attributes" == fault.problem


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("topics", "'topics' ends in 's': write the singular form, as sosw asks"),
        ("", "must be the name of an attribute, not ''"),
        (None, "must be the name of an attribute, not None"),
        (7, "must be the name of an attribute, not 7"),
        ([], "must be the name of an attribute, not []"),
        ("day", "'day' has a meaning of its own in a job (dates): use another name"),
        ("period", "'period' has a meaning of its own in a job (dates): use another name"),
        ("date_list", "'date_list' has a meaning of its own in a job (dates): use another name"),
        ("word", "'word' is named twice"),
    ],
)
def test_names_that_cannot_be_attributes(name: Any, problem: str) -> None:
    """Each is refused with its place in the schema and the reason."""
    assert [Fault("chunkable_attrs[1]", problem)] == faults_of({"chunkable_attrs": ["word", name]})


@pytest.mark.parametrize("wrong", ["topic", {"topic", "word"}, {"topic": {}}, 7, None])
def test_attributes_must_be_a_list(wrong: Any) -> None:
    """A text is no list of letters, and a set has no order."""
    given = "{'topic', 'word'}" if isinstance(wrong, set) else repr(wrong)
    problem = f"must be a list of singular names, outermost first, not {given}"
    assert [Fault("chunkable_attrs", problem)] == faults_of({"chunkable_attrs": wrong})
    with pytest.raises(InvalidJobSchema, match="must be a list of singular names"):
        JobSchema(wrong)


@pytest.mark.parametrize("wrong", ["topic", ["topic"], None, 7])
def test_a_schema_must_be_a_mapping(wrong: Any) -> None:
    """Anything else is refused."""
    assert [Fault("", f"must be a JobSchema or a mapping, not {type(wrong).__name__}")] == faults_of(wrong)


def test_every_fault_is_told() -> None:
    """A schema with many faults is refused once, with all of them. Pattern and function have faults of their own."""
    schema = {
        "chunkable_attrs": ["topics", "word", "word"],
        "expand_period": "sometimes",
        "custom_period_patterns": {"(": "moons:full", "moon": 7},
    }
    assert [
        "chunkable_attrs[0]",
        "chunkable_attrs[2]",
        "expand_period",
        "custom_period_patterns.(",
        "custom_period_patterns.(",
        "custom_period_patterns.moon",
    ] == [fault.path for fault in faults_of(schema)]


@pytest.mark.parametrize("setting", [None, True, "Always"])
def test_expand_period_has_two_values(setting: Any) -> None:
    """`chunked` and `always`, nothing else."""
    (fault,) = faults_of({"chunkable_attrs": [], "expand_period": setting})
    assert Fault("expand_period", f"must be 'chunked' or 'always', not {setting!r}") == fault


@pytest.mark.parametrize(
    "wrong", ["moons", "moons.full", "a:b:c", ":full", "..a:full", ".a:full", "a:", "a:b.c", "a b:c", b"a:b", 7, None]
)
def test_a_custom_period_needs_a_function(wrong: Any) -> None:
    """Its import path is a module, a colon and a name; no relative import, no bytes."""
    problem = f"must be a function or its import path 'package.module:function', not {wrong!r}"
    expected = [Fault("custom_period_patterns.full_moon", problem)]
    assert expected == faults_of({"custom_period_patterns": {"full_moon": wrong}})


@pytest.mark.parametrize("path", ["cProfile:run", "os:system", "my_company_evil.periods:run", "my:run"])
def test_a_document_names_no_code_of_other_modules(path: str) -> None:
    """Documents come from Variables and templates: only the listed modules and what is below them."""
    with pytest.raises(InvalidJobSchema) as refused:
        JobSchema.of({"custom_period_patterns": {"x": path}}, period_modules=["my_company", "my.periods"])
    (fault,) = refused.value.faults
    assert fault.path == "custom_period_patterns.x"
    assert "does not list (listed: my_company, my.periods). Fix: add it to custom_period_modules" in fault.problem


@pytest.mark.parametrize("path", ["tests.unit.jobs.calendars:last_mondays", "tests:x"])
def test_a_document_may_name_code_of_the_listed_modules(path: str) -> None:
    """The module itself, and those below it."""
    assert JobSchema.of({"custom_period_patterns": {"x": path}}, period_modules=["tests"])


def test_what_a_listed_module_has_imported_is_not_its_own() -> None:
    """The module that defines the function counts, not one that imports it."""
    schema = JobSchema.of(
        {"custom_period_patterns": {"x": "tests.unit.jobs.calendars:timedelta"}}, period_modules=["tests"]
    )
    with pytest.raises(InvalidPeriod, match="is defined in 'datetime', which custom_period_modules does not list"):
        resolve_period("x", schema=schema, reference_date=date(2026, 1, 1), data_interval=None)


@pytest.mark.parametrize("pattern", [b"x", 7, None])
def test_a_pattern_is_text(pattern: Any) -> None:
    """Bytes match no period."""
    (fault,) = faults_of({"custom_period_patterns": {pattern: last_mondays}})
    assert fault.problem == f"must be a regular expression as text, not {pattern!r}"


def test_custom_periods_in_upstreams_form_are_refused_with_the_right_one() -> None:
    """Upstream lists patterns, whose methods a subclass has; here each has its function."""
    (fault,) = faults_of({"chunkable_attrs": [], "custom_period_patterns": ["last_[0-9]+_moons"]})
    assert fault.problem.startswith("must map each pattern to a function's import path 'package.module:function'")


def test_custom_periods_as_a_mapping_or_as_pairs() -> None:
    """The constructor takes both."""
    pairs = JobSchema(custom_period_patterns=(("full_moon", "moons:full"),))
    assert pairs == JobSchema(custom_period_patterns={"full_moon": "moons:full"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "schema",
    [
        JobSchema(),
        JobSchema(("section", "store")),
        JobSchema(("section",), "always", (("full_moon", "moons:full"),)),
    ],
)
def test_a_schema_is_what_its_document_says(schema: JobSchema) -> None:
    """`of` reads what `as_dict` writes."""
    assert schema == JobSchema.of(schema.as_dict(), period_modules=["moons"])


def test_a_function_is_written_as_its_import_path() -> None:
    """So that schemas can be stored and compared."""
    schema = JobSchema(custom_period_patterns=(("last_[0-9]+_mondays", last_mondays),))
    expected = {"last_[0-9]+_mondays": "tests.unit.jobs.calendars:last_mondays"}
    assert expected == schema.as_dict()["custom_period_patterns"]
