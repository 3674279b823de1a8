"""Checks that a document is JSON, wholly. What JSON does not know is refused with its path.

Each object and list is checked once, however many places it stands in: a job may share values (YAML anchors, a dict
that a DAG file uses twice), and written out it may be exponentially larger than it is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sosw_airflow.exceptions import Fault
from sosw_airflow.jobs.excerpts import excerpt, printable
from sosw_airflow.jobs.list_types import ListTypes, PlainText, SmallInt
from sosw_airflow.jobs.streamed_values import StreamedValues

__all__ = ["DEEPEST", "JsonCheck", "Path", "as_json", "dotted", "is_utf8", "json_faults"]

#: Where a value stands in a document: names of attributes and positions in lists.
Path = tuple[str | int, ...]

#: Levels of a document: deeper than any business job.
DEEPEST = 100

#: Objects and lists that sharing may add to a document when it is written out.
_MOST_REPEATS = 4_000_000

#: The least integer that has more digits than Python (and so a worker in Python) reads.
_TOO_LONG = 10**4300

#: Faults that are kept. More are only counted.
_MOST_FAULTS = 1000

_PLAIN = frozenset({str, PlainText, int, SmallInt, bool, float, type(None)})
_ALWAYS_FINE = frozenset({PlainText, SmallInt, bool, type(None)})
#: Objects and lists in a list of plain values, and in a node that has nothing but such a list; and their depths.
_LIST, _NODE = (1, 1), (2, 2)

_TEXT = frozenset({str, PlainText})
_INTEGER = frozenset({int})


def dotted(path: Path) -> str:
    """``("sections", "a", 0)`` → ``sections.a[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{printable(step)}" if text else printable(step)
    return text


def json_faults(value: object, path: Path = ()) -> list[Fault]:
    """Every value of the document that JSON cannot hold, with its path; a thousand at most."""
    return JsonCheck(value, path).faults


class JsonCheck:
    """One check of one document.

    :param path: of the document in another one.
    :param types: gets the types in the lists of the document.
    :ivar faults: what JSON cannot hold, with the paths; a thousand at most.
    :ivar total: the number of all faults.
    :ivar endless: the document contains itself, is too deep or too large: do not walk through it.
    :ivar shared: the ids of objects and lists that stand in several places.
    :ivar streamed: some of its lists are values of sources.
    """

    def __init__(self, value: object, path: Path = (), *, types: ListTypes | None = None) -> None:
        self.faults: list[Fault] = []
        self.total = 0
        self.endless = False
        self.shared: set[int] = set()
        self.streamed = False
        self._types = types or ListTypes()
        self._outermost = len(path)
        # Of each object and list: how many there are in it, written out, and how deep it is. None while it is checked.
        # Few pairs differ, so each is kept once: a job may have a hundred thousand objects.
        self._known: dict[int, tuple[int, int] | None] = {}
        self._pairs: dict[tuple[int, int], tuple[int, int]] = {}
        self._value(value, path)

    def _value(self, value: object, path: Path) -> tuple[int, int]:
        """Check a value. Returns the number of objects and lists in it, and their depth."""
        if isinstance(value, (dict, list, tuple)):
            return self._container(value, path)
        if isinstance(value, str):
            if not is_utf8(value):
                self._fault(path, f"is the text {excerpt(value)}, which UTF-8 cannot hold (a lone surrogate)")
        elif isinstance(value, float):
            if not math.isfinite(value):
                self._fault(path, f"is {value}, which JSON does not know: leave it out, or use null")
        elif isinstance(value, int):
            if not -_TOO_LONG < value < _TOO_LONG:
                self._fault(
                    path, "is an integer of more than 4,300 digits, which Python does not read: give it as text"
                )
        elif isinstance(value, StreamedValues):
            self.streamed = True
        elif value is not None:
            order = "; a list keeps the order of its tasks" if isinstance(value, (set, frozenset)) else ""
            self._fault(
                path,
                f"is of the type {type(value).__name__}, which JSON does not know: give text, numbers, true, false, "
                f"null, lists or objects{order}",
            )
        return 0, 0

    def _container(self, value: dict[Any, Any] | Sequence[Any], path: Path) -> tuple[int, int]:
        key = id(value)
        if key in self._known:
            known = self._known[key]
            if known is None:
                return self._ends(path, "contains itself: give a copy without this value")
            self.shared.add(key)
            if len(path) - self._outermost + known[1] > DEEPEST:
                return self._ends(path, f"is nested more than {DEEPEST} levels deep")
            return known
        if len(path) - self._outermost >= DEEPEST:
            return self._ends(path, f"is nested more than {DEEPEST} levels deep")
        self._known[key] = None
        found = (1, 1)
        if isinstance(value, dict):
            self._check_keys(value, path)
            if not _all_plain(value.values(), set(map(type, value.values()))):
                found = self._siblings(value, path) or self._below(
                    ((key if type(key) is int else str(key), below) for key, below in value.items()), path
                )
        elif not _all_plain(value, self._types.of(value)):
            found = self._below(enumerate(value), path)
        self._known[key] = found = self._pairs.setdefault(found, found)
        if found[0] > _MOST_REPEATS + len(self._known) and not self.endless:
            repeats = "shares objects or lists, and has"
            return self._ends(path, f"{repeats} {found[0]:,} of them written out: give the worker less")
        return found

    def _siblings(self, parent: dict[str, Any], path: Path) -> tuple[int, int] | None:
        """Check the nodes of an object together, if they are siblings in which nothing is wrong or shared."""
        siblings = self._types.siblings(parent)
        if siblings is None or len(path) - self._outermost + 2 >= DEEPEST:
            return None
        nodes = parent.values()
        lists = [node[siblings.name] for node in nodes]
        if not (siblings.types <= _ALWAYS_FINE or all(_all_plain(values, siblings.types) for values in lists)):
            return None
        found = {**dict.fromkeys(map(id, nodes), _NODE), **dict.fromkeys(map(id, lists), _LIST)}
        if len(found) != 2 * len(parent) or not self._known.keys().isdisjoint(found):
            return None
        self._known.update(found)
        return 2 * len(parent) + 1, 3

    def _below(self, items: Iterable[tuple[str | int, Any]], path: Path) -> tuple[int, int]:
        containers, depth = 1, 0
        for step, below in items:
            if below is None or below is True or below is False:
                continue
            number, deep = self._value(below, (*path, step))
            containers += number
            depth = max(depth, deep)
        return containers, depth + 1

    def _check_keys(self, value: dict[Any, Any], path: Path) -> None:
        if set(map(type, value)) <= _TEXT and all(map(str.isascii, value)):
            return
        subject = "" if path else "the document "
        for key in value:
            if not isinstance(key, str):
                problem = f"{subject}has the key {excerpt(key)}; keys must be text in JSON: write {excerpt(_text(key))}"
                self._fault(path, problem)
            elif not is_utf8(key):
                self._fault(path, f"{subject}has the key {excerpt(key)}, which UTF-8 cannot hold (a lone surrogate)")

    def _ends(self, path: Path, problem: str) -> tuple[int, int]:
        place = path if len(path) <= 8 else (*path[:8], "...")
        if not self.endless:
            self._fault(place, problem)
        self.endless = True
        return 0, 0

    def _fault(self, path: Path, problem: str) -> None:
        self.total += 1
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(dotted(path), problem))


def as_json(value: Any, copies: dict[int, Any] | None = None) -> Any:
    """A copy in which each value that JSON cannot hold is replaced by one that it can.

    Its shape is the same, so that the rest of a faulty document can be checked too. It must not contain itself.
    """
    copies = {} if copies is None else copies
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, dict):
        copies[id(value)] = copy = {_text(key): as_json(below, copies) for key, below in value.items()}
        return copy
    if isinstance(value, (list, tuple, set, frozenset)):
        copies[id(value)] = items = [as_json(below, copies) for below in value]
        return items
    if isinstance(value, str):
        return value if is_utf8(value) else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int):
        return value if -_TOO_LONG < value < _TOO_LONG else 0
    finite = value is None or isinstance(value, StreamedValues) or (isinstance(value, float) and math.isfinite(value))
    return value if finite else excerpt(value)


def _all_plain(values: Collection[Any], kinds: AbstractSet[type]) -> bool:
    """Whether no value is an object, a list, or one that JSON cannot hold.

    Long flat lists are the usual case: of one type, they are decided without a step of Python for each value.
    """
    if kinds <= _ALWAYS_FINE:
        return True
    if kinds == _INTEGER:
        return bool(min(values) > -_TOO_LONG and max(values) < _TOO_LONG)
    if kinds <= _TEXT:
        return all(map(str.isascii, values)) or all(map(is_utf8, values))
    return kinds <= _PLAIN and all(map(_is_fine, values))


def _is_fine(value: Any) -> bool:
    if isinstance(value, str):
        return is_utf8(value)
    if isinstance(value, int):
        return -_TOO_LONG < value < _TOO_LONG
    return not isinstance(value, float) or math.isfinite(value)


def _text(key: object) -> str:
    return as_json(key) if isinstance(key, str) else key.isoformat() if hasattr(key, "isoformat") else excerpt(key)


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can hold the text: it has no lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
