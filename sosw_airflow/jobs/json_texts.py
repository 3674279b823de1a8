"""JSON text of many values at a time, to the character what `json.dumps` makes of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from sosw_airflow.jobs.list_types import PlainText, SmallInt

__all__ = ["Attributes", "encode", "joined", "joiner", "listed", "lists", "quoted"]

#: The text of one value.
encode = json.JSONEncoder().encode

#: The text of a string.
quoted = encode_basestring_ascii

_PLAIN: frozenset[type] = frozenset({PlainText})
_TEXTS: frozenset[type] = frozenset({str, PlainText})
_INTEGERS: frozenset[type] = frozenset({int, SmallInt})
_NUMBERS: frozenset[type] = frozenset({int, SmallInt, float})

#: Values that are formatted together at the most.
_MANY = 1000

#: Stands between texts that are made together. JSON text has no control characters, so it can be nothing else.
_MARK = "\0"


def joined(values: Sequence[Any], types: frozenset[type], between: str) -> str:
    """The texts of values, joined by ``between``.

    :param types: of the values (see `types_of`). Floats are finite.
    """
    if types <= _INTEGERS and len(values) <= _MANY:
        return (_values_format(len(values)) % tuple(values)).replace(_MARK, between)
    edge, join = joiner(types)
    return f"{edge}{join(f'{edge}{between}{edge}', values)}{edge}"


def joiner(types: frozenset[type]) -> tuple[str, Callable[[str, Sequence[Any]], str]]:
    """What stands on both sides of each value; and what joins values, by a text that has these edges on both sides."""
    if types == _PLAIN:
        return '"', str.join
    text_of = quoted if types <= _TEXTS else repr if types <= _NUMBERS else encode
    return "", lambda between, values: between.join(map(text_of, values))


def listed(values: Sequence[Any], types: frozenset[type]) -> str:
    """The text of a list of values; ``types`` as for `joined`."""
    if types <= _INTEGERS and 0 < len(values) <= _MANY:
        return _lists_format(len(values), len(values)) % tuple(values)
    if types == _PLAIN:
        between = '", "'
        return f'["{between.join(values)}"]'
    return encode(values)


def lists(values: Sequence[Any], types: frozenset[type], size: int) -> list[str]:
    """The texts of lists of ``size`` values each, the last one of what is left; ``types`` as for `joined`."""
    if types <= _INTEGERS and 0 < len(values) <= _MANY:
        return (_lists_format(len(values), size) % tuple(values)).split(_MARK)
    return [listed(values[start : start + size], types) for start in range(0, len(values), size)]


# Integers are formatted together: a third quicker than to make a text of each. They are of the type `int` itself, for
# which %s is a tenth quicker than %d.


@lru_cache(maxsize=16)
def _values_format(values: int) -> str:
    return _MARK.join(["%s"] * values)


@lru_cache(maxsize=16)
def _lists_format(values: int, size: int) -> str:
    return _MARK.join(f"[{', '.join(['%s'] * min(size, values - start))}]" for start in range(0, values, size))


class Attributes:
    """Texts of the attributes of tasks. What consecutive tasks share is encoded once.

    :param raw: an object that stands for a text which is not known yet, and what is put in its place.
    """

    def __init__(self, raw: tuple[Any, str] | None = None) -> None:
        self._known: dict[str, tuple[Any, str]] = {}
        self._placeholder: Any
        self._placeholder, self._raw_text = raw or (self, "")

    def text(self, attributes: Mapping[str, Any]) -> str:
        """The text of an object without its braces."""
        parts = []
        for name, value in attributes.items():
            known = self._known.get(name)
            # The same object as in the task before, which is still held here: so no other object can have its address.
            if known is None or known[0] is not value:
                text = self._raw_text if value is self._placeholder else encode(value)
                known = self._known[name] = (value, f"{quoted(name)}: {text}")
            parts.append(known[1])
        return ", ".join(parts)
