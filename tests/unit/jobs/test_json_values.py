"""Whether a document is JSON, wholly."""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import InvalidJob
from sosw_airflow.jobs.json_documents import read_json
from sosw_airflow.jobs.json_values import JsonCheck, as_json, dotted, json_faults
from tests.unit.jobs.strategies import json_values


class Colour(str, Enum):
    """A text that is more than a text."""

    RED = "red"


def paths_of(document: Any) -> list[str]:
    """The paths of the faults of a document."""
    return [fault.path for fault in json_faults(document)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ""),
        (("sections",), "sections"),
        (("sections", "a", "stores"), "sections.a.stores"),
        (("sections", "a", 0), "sections.a[0]"),
        (("rows", 2, 0, "name"), "rows[2][0].name"),
    ],
)
def test_paths_are_dotted(path: tuple[str | int, ...], expected: str) -> None:
    """Names with dots between them, positions in brackets."""
    assert expected == dotted(path)


@given(json_values)
def test_json_has_no_faults(document: Any) -> None:
    """Whatever JSON can hold, is accepted."""
    assert [] == paths_of(document)


@pytest.mark.parametrize("document", [(1, 2), {"a": (1, [2])}, OrderedDict(a=1), Colour.RED, [Colour.RED, 1.5]])
def test_what_the_encoder_takes_is_accepted(document: Any) -> None:
    """Tuples, ordered dicts and texts of a kind become plain JSON."""
    json.dumps(document)
    assert [] == paths_of(document)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_does_not_know(wrong: float) -> None:
    """The message says what to do."""
    (fault,) = json_faults({"a": [0, 1.5, wrong]})
    assert ("a[2]", f"is {wrong}, which JSON does not know: leave it out, or use null") == (fault.path, fault.problem)


@pytest.mark.parametrize("wrong", [date(2026, 1, 1), {1, 2}, Decimal(1), b"x", object, iter([])])
def test_types_that_json_does_not_know(wrong: Any) -> None:
    """The type is named, with those that are known."""
    (fault,) = json_faults({"a": {"b": wrong}})
    expected = f"is of the type {type(wrong).__name__}, which JSON does not know"
    assert ("a.b", True) == (fault.path, fault.problem.startswith(expected))


@pytest.mark.parametrize("key", [7, None, 1.5, date(2026, 1, 1), (1, 2)])
def test_keys_are_text(key: Any) -> None:
    """`json.dumps` would turn some of them into text, and two keys into one."""
    (fault,) = json_faults({"a": {key: 1}})
    assert ("a", f"has the key {key!r}; keys must be text in JSON: write {str(key)!r}") == (fault.path, fault.problem)


def test_every_fault_is_found() -> None:
    """Also below a key that is none, and several in one place."""
    document = {"a": [1, {2}, {"b": {3}}], "c": {7: {4}, 8: 0}, "d": "fine"}
    assert ["a[1]", "a[2].b", "c", "c", "c[7]"] == paths_of(document)


@pytest.mark.parametrize("times", [1, 2])
def test_a_document_that_contains_itself_is_refused(times: int) -> None:
    """At the first place, however many there are: twice in itself means endlessly many paths."""
    document: dict[str, Any] = {"fine": 1}
    document["below"] = {f"again{number}": document for number in range(times)}
    check = JsonCheck(document)
    (fault,) = check.faults
    assert ("below.again0", "contains itself: give a copy without this value") == (fault.path, fault.problem)
    assert check.endless


def test_shared_values_are_checked_once() -> None:
    """40 levels, each of which has the next one twice: 2 to the power of 40 paths, refused with the place."""
    document: Any = ["leaf"]
    for _ in range(40):
        document = [document, document]
    check = JsonCheck({"tree": document})
    (fault,) = check.faults
    assert fault.problem.startswith("shares objects or lists, and has ")
    assert fault.path.startswith("tree[0][0]")
    assert check.endless


def test_a_shared_value_with_a_fault_is_reported_once() -> None:
    """At its first place."""
    shared = {"wrong": {1}}
    assert ["a.wrong"] == paths_of({"a": shared, "b": [shared, shared]})


def test_a_shared_value_may_be_too_deep_at_one_of_its_places() -> None:
    """The depth is that of each place."""
    shared: Any = 1
    for _ in range(60):
        shared = [shared]
    deep: Any = shared
    for _ in range(60):
        deep = {"x": deep}
    assert [] == paths_of({"a": shared})
    (fault,) = json_faults({"a": shared, "b": deep})
    assert ("b.x.x.x.x.x.x.x....", "is nested more than 100 levels deep") == (fault.path, fault.problem)


def test_a_hundred_levels_are_the_most() -> None:
    """One more is refused."""
    levels: Any = 1
    for _ in range(100):
        levels = [levels]
    assert [] == paths_of(levels)
    assert [f"{'[0]' * 8}...."] == paths_of([levels])


@pytest.mark.parametrize("place", [lambda value: {"a": value}, lambda value: {"a": [value]}, lambda value: {value: 1}])
def test_lone_surrogates_are_refused(place: Any) -> None:
    """UTF-8 cannot hold them: as a value, in a list, as a key."""
    (fault,) = json_faults({"document": place("x\ud800")})
    assert "which UTF-8 cannot hold (a lone surrogate)" in fault.problem
    fault.path.encode()


@pytest.mark.parametrize("wrong", [10**4300, -(10**4300)], ids=["large", "small"])
@pytest.mark.parametrize("place", [lambda value: value, lambda value: [1, value], lambda value: ["text", value]])
def test_integers_of_too_many_digits_are_refused(wrong: int, place: Any) -> None:
    """Python neither writes nor reads them."""
    (fault,) = json_faults({"a": place(wrong)})
    assert fault.problem.startswith("is an integer of more than 4,300 digits")
    assert [] == paths_of({"a": place(10**4300 - 1)})


def test_a_long_list_is_checked_quickly() -> None:
    """A million texts and numbers take one look at their types, not a million steps of Python."""
    document = {"words": ["word", 7] * 500_000}
    assert [] == json_faults(document)


@given(
    st.recursive(
        st.floats() | st.text(max_size=3) | st.dates() | st.none(),
        lambda below: (
            st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), below, max_size=3)
        ),
    )
)
def test_as_json_is_json(document: Any) -> None:
    """Whatever comes in: what comes out has no faults, so that the rest of a document can be checked."""
    assert [] == paths_of(as_json(document))


@given(json_values)
def test_as_json_leaves_json_as_it_is(document: Any) -> None:
    """Only what is faulty is replaced."""
    assert document == as_json(document)


def test_only_the_number_that_is_too_long_is_refused() -> None:
    """The others beside it are read as they are."""
    with pytest.raises(InvalidJob) as refused:
        read_json(f'{{"long": {"9" * 5000}, "short": 7}}', InvalidJob)
    assert [fault.path for fault in refused.value.faults] == ["long"]
