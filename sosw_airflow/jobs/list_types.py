"""The types of the values in a job's lists. Long flat lists are the usual case: each is read once."""

from __future__ import annotations

from collections.abc import Sequence
from operator import countOf
from typing import Any

from sosw_airflow.jobs.streamed_values import StreamedValues

__all__ = ["ListTypes", "PlainText", "are_flat", "are_objects", "types_of"]

#: Values from which on it is quicker to remember what was found than to search again.
_LONG = 10

#: Texts that are joined at once, so that no copy of a whole list comes to be.
_TOGETHER = 1000

#: What JSON writes in another way than it is, beside letters beyond ASCII.
_ESCAPED = bytes(range(32)) + b'"\\\x7f'


class PlainText(str):
    """In a set of types it stands for `str` if no value has anything to escape in JSON."""

    __slots__ = ()


_PLAIN: frozenset[type] = frozenset({PlainText})
_TEXT: frozenset[type] = frozenset({str})
_USUAL: frozenset[type] = frozenset({str, PlainText, int, float, bool})


class ListTypes:
    """Remembers the types of the values of long lists. For one document, which must not change meanwhile."""

    def __init__(self) -> None:
        self._found: dict[int, frozenset[type]] = {}
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
    elif countOf(map(type, values), first) == len(values):
        return frozenset({first})
    return frozenset(map(type, values))


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
