"""The types of the values in a job's lists. Long flat lists are the usual case: each is read once."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from itertools import chain, islice
from operator import countOf, itemgetter
from typing import Any, NamedTuple

from sosw_airflow.jobs.streamed_values import StreamedValues

__all__ = [
    "ListTypes",
    "PlainText",
    "Siblings",
    "SmallInt",
    "are_flat",
    "are_objects",
    "joined_types",
    "types_of",
]

#: Values from which on it is quicker to remember what was found than to search again.
_LONG = 10

#: Values that are read at once, so that no copy of a whole list comes to be.
_TOGETHER = 4000

#: Nodes of an object from which on it is quicker to check all of them at once than one after the other.
_SEVERAL = 3

#: What JSON writes in another way than it is, beside letters beyond ASCII.
_ESCAPED = bytes(range(32)) + b'"\\\x7f'


class PlainText(str):
    """In a set of types it stands for `str` if no value has anything to escape in JSON."""

    __slots__ = ()


class SmallInt(int):
    """In a set of types it stands for `int` if all values have 31 bits at the most, and a sign."""


class Siblings(NamedTuple):
    """What the nodes of an object have in common, of which each has one flat list and nothing else.

    :ivar name: of the list in each node. It is ASCII.
    :ivar types: of the values of all lists, of which none is empty.
    """

    name: str
    types: frozenset[type]


_PLAIN: frozenset[type] = frozenset({PlainText})
_TEXT: frozenset[type] = frozenset({str})
_SMALL: frozenset[type] = frozenset({SmallInt})
_USUAL: frozenset[type] = frozenset({str, PlainText, int, SmallInt, float, bool})


class ListTypes:
    """Remembers the types of long lists, and which nodes are siblings. For one document, which must not change."""

    def __init__(self) -> None:
        self._found: dict[int, frozenset[type]] = {}
        self._siblings: dict[int, Siblings | None] = {}
        self._shared_siblings: dict[Siblings, Siblings] = {}
        self._shared: dict[frozenset[type], frozenset[type]] = {}

    def __reduce__(self) -> tuple[type[ListTypes], tuple[()]]:
        return ListTypes, ()  # a copy goes with copies of the lists, which stand elsewhere in memory

    def of(self, values: Sequence[Any]) -> frozenset[type]:
        """The types of the values of a list that belongs to the document, so that it lives as long as this object."""
        if len(values) < _LONG or isinstance(values, StreamedValues):
            return types_of(values)
        found = self._found.get(id(values))
        if found is None:
            found = types_of(values)
            self._found[id(values)] = found = self._shared.setdefault(found, found)
        return found

    def siblings(self, parent: dict[str, Any]) -> Siblings | None:
        """What all nodes of an object of the document have in common; None if one of them has anything else.

        Where there are few nodes it is None, too: it would not be quicker to treat them together.
        """
        if len(parent) < _SEVERAL:
            return None
        key = id(parent)
        if key in self._siblings:
            return self._siblings[key]
        first = next(iter(parent.values()))
        found = _siblings_of(parent) if type(first) is dict and len(first) == 1 else None
        if found is not None:
            found = self._shared_siblings.setdefault(found, found)
        self._siblings[key] = found
        return found


def types_of(values: Sequence[Any]) -> frozenset[type]:
    """The types of the values of any list."""
    if not values:
        return frozenset()
    if isinstance(values, StreamedValues):
        return values.types
    first = type(values[0])
    if first is str:
        try:
            return _PLAIN if _is_plain(values) else _TEXT
        except TypeError:  # they are not all text
            pass
    elif first is int and _are_small(values):
        return _SMALL
    elif countOf(map(type, values), first) == len(values):
        return frozenset({first})
    return frozenset(map(type, values))


def joined_types(one: frozenset[type], other: frozenset[type]) -> frozenset[type]:
    """The types of the values of two lists together."""
    types = one | other
    return types - {PlainText if str in types else None, SmallInt if int in types else None}


def are_flat(types: frozenset[type]) -> bool:
    """Whether values of these types are text, numbers, true or false."""
    return types <= _USUAL or all(issubclass(each, (str, int, float)) for each in types)


def are_objects(types: frozenset[type]) -> bool:
    """Whether values of these types are all objects."""
    return all(issubclass(each, dict) for each in types)


def _is_plain(texts: Sequence[str]) -> bool:
    plain = True
    for start in range(0, len(texts), _TOGETHER):
        together = "".join(texts[start : start + _TOGETHER])  # a TypeError if one is no text
        if plain:
            plain = together.isascii() and len(together.encode().translate(None, _ESCAPED)) == len(together)
    return plain


def _are_small(values: Sequence[Any]) -> bool:
    """Whether all values are of the type `int` itself, and of 31 bits at the most.

    `marshal` writes such a one as "i" and four bytes, and nothing else so: a third of the time of asking each.
    """
    for start in range(0, len(values), _TOGETHER):
        part: Any = values[start : start + _TOGETHER]
        try:
            sum(part)  # refuses lists and objects, which might be endless when they are written out
            text = marshal.dumps(part, 2)
        except (TypeError, ValueError, OverflowError):
            return False
        if text[5::5] != b"i" * len(part):
            return False
    return True


def _siblings_of(parent: dict[str, Any]) -> Siblings | None:
    nodes, number = parent.values(), len(parent)
    if countOf(map(type, nodes), dict) != number:
        return None
    names = list(chain.from_iterable(nodes))
    name = names[0]
    if (
        len(names) != number
        or countOf(map(type, names), str) != number
        or names.count(name) != number
        or not name.isascii()
    ):
        return None
    lists = list(map(itemgetter(name), nodes))
    if countOf(map(type, lists), list) != number or not all(lists):
        return None
    values = chain.from_iterable(lists)
    types: frozenset[type] = frozenset()
    while part := list(islice(values, _TOGETHER)):
        these = types_of(part)
        types = these if not types or these == types else joined_types(types, these)
    return Siblings(name, types) if are_flat(types) else None
