"""What is found out about the values of long lists, once."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.jobs.list_types import ListTypes, PlainText, SmallInt, are_flat, are_objects, types_of
from tests.unit.jobs.strategies import json_values


@given(st.lists(json_values))
def test_the_types_are_those_of_the_values(values: list[Any]) -> None:
    """Where all are text, they may be told to be plain text, and where all are integers, small ones."""
    types = types_of(values)
    assert {{PlainText: str, SmallInt: int}.get(each, each) for each in types} == set(map(type, values))


@given(st.lists(st.text(), min_size=1))
def test_plain_text_is_written_as_it_is(values: list[str]) -> None:
    """Plain is what JSON only puts quotes around."""
    plain = all(json.dumps(value) == f'"{value}"' for value in values)
    assert (types_of(values) == {PlainText}) == plain


@pytest.mark.parametrize("character", [chr(number) for number in (0, 10, 31, 34, 92, 127, 128, 0x2028, 0x1F600)])
def test_one_character_is_enough(character: str) -> None:
    """Anywhere in a long list."""
    values = ["plain"] * 12_000
    assert types_of(values) == {PlainText}
    values[10_000] = f"x{character}"
    assert types_of(values) == {str}


@pytest.mark.parametrize(
    ("values", "flat", "objects"),
    [
        (["a", 1, 1.5, True], True, False),
        (["a", None], False, False),
        ([{"a": 1}, {}], False, True),
        ([{"a": 1}, "a"], False, False),
        ([["a"]], False, False),
    ],
)
def test_flat_lists_and_lists_of_objects(values: list[Any], *, flat: bool, objects: bool) -> None:
    """Text, numbers, true and false are flat; null and what has values of its own is not."""
    types = types_of(values)
    assert (flat, objects) == (are_flat(types), are_objects(types))


def test_a_long_list_is_looked_through_once() -> None:
    """Whoever asks next gets what was found."""

    class Counted(list[int]):
        looks = 0

        def __getitem__(self, place: Any) -> Any:
            Counted.looks += isinstance(place, slice)
            return super().__getitem__(place)

    types, values = ListTypes(), Counted(range(1000))
    assert types.of(values) == types.of(values) == {SmallInt}
    assert Counted.looks == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda types: pickle.loads(pickle.dumps(types))])
def test_a_copy_knows_nothing(copied: Any) -> None:
    """What was found belongs to the lists at their places in memory."""
    types, values = ListTypes(), list(range(1000))
    types.of(values)
    assert {} == copied(types)._found
    assert types._found
