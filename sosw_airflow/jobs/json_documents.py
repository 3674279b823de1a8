"""The gate for JSON from outside: job texts, Variables, extras, files, lines of queue files, stored rows.

Whatever passes is JSON wholly: UTF-8, finite numbers, integers that Python reads, no key twice, at most 100 levels.
Whatever does not is refused with the place, as an error of this package that the caller chooses.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sosw_airflow.exceptions import Fault
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_values import DEEPEST, Path, dotted, json_faults

__all__ = ["NotJson", "Refusal", "parse_json", "read_json", "read_object"]

#: Makes the error that is raised, from the faults.
Refusal = Callable[[Iterable[Fault]], Exception]

#: An integer of more digits becomes one that `json_faults` refuses with its place.
_MOST_DIGITS = 4300


class NotJson(ValueError):
    """A text is not JSON, or has a key twice.

    :ivar faults: each with its path in the text.
    :ivar readable: it is JSON by its grammar, but too deep, or with a key twice.
    """

    def __init__(self, faults: list[Fault], *, readable: bool) -> None:
        self.faults = faults
        self.readable = readable
        super().__init__("; ".join(map(str, faults)))

    def at(self, place: str, subject: str = "") -> list[Fault]:
        """The faults, with the place of the text before their paths.

        :param subject: what the message calls the text itself, such as ``"the job "``.
        """
        return [
            Fault(_joined(place, each.path), each.problem if each.path else f"{subject}{each.problem}")
            for each in self.faults
        ]


def read_object(given: object, refuse: Refusal, *, place: str = "", form: str = "") -> dict[str, Any]:
    """An object from its JSON text, or from itself.

    :param refuse: makes the error.
    :param place: what the paths of the faults begin with.
    :param form: how the object should be, for the message.
    """
    document = read_json(given, refuse, place=place)
    if not isinstance(document, dict):
        of_the_form = f" of the form {form}" if form else ""
        raise refuse([Fault(place, f"must be an object{of_the_form}, not {excerpt(document)}")])
    return document


def read_json(given: object, refuse: Refusal, *, place: str = "") -> Any:
    """Any JSON value from its text, or from itself. The parameters are those of `read_object`."""
    document = dict(given) if isinstance(given, Mapping) else given
    if isinstance(given, (str, bytes, bytearray)):
        try:
            document = parse_json(given)
        except NotJson as error:
            raise refuse(error.at(place)) from None
    faults = json_faults(document)
    if faults:
        raise refuse([Fault(_joined(place, each.path), each.problem.removeprefix("the document ")) for each in faults])
    return document


def parse_json(text: str | bytes | bytearray) -> Any:
    """The document of a text. Its values are still to be checked, with `json_faults`.

    :raises NotJson: the text cannot be read, or an object has a key twice.
    """
    doubled: list[tuple[dict[str, Any], list[str]]] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) != len(pairs):
            doubled.append(
                (document, [name for name, number in Counter(name for name, _ in pairs).items() if number > 1])
            )
        return document

    try:
        if isinstance(text, (bytes, bytearray)):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        document = _decode(text.removeprefix("\ufeff"), unique)
    except RecursionError:
        raise NotJson([Fault("", f"is nested more than {DEEPEST} levels deep")], readable=True) from None
    except UnicodeDecodeError as error:
        problem = f"is not valid JSON (it is not UTF-8 text: {error.reason}, byte {error.start})"
        raise NotJson([Fault("", problem)], readable=False) from None
    except ValueError as error:
        raise NotJson([Fault("", f"is not valid JSON ({error})")], readable=False) from None
    if doubled:
        raise NotJson(_doubled_faults(document, doubled), readable=True)
    return document


def _decode(text: str, unique: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> Any:
    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of too many digits
        return json.loads(text, object_pairs_hook=unique, parse_int=_bounded)


def _bounded(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _doubled_faults(document: Any, doubled: list[tuple[dict[str, Any], list[str]]]) -> list[Fault]:
    """A fault for each key that an object has twice, with its place."""
    names = {id(each): twice for each, twice in doubled}
    faults = []
    stack: list[tuple[Any, Path]] = [(document, ())]
    while stack:
        value, path = stack.pop()
        if isinstance(value, dict):
            problem = "occurs twice in the text, and only one of both values would count: keep one"
            faults += [Fault(dotted((*path, name)), problem) for name in names.get(id(value), ())]
            stack += [(below, (*path, name)) for name, below in value.items() if isinstance(below, (dict, list))]
        elif isinstance(value, list):
            stack += [(below, (*path, at)) for at, below in enumerate(value) if isinstance(below, (dict, list))]
    return sorted(faults, key=lambda fault: fault.path)


def _joined(place: str, path: str) -> str:
    return f"{place}{path}" if not place or not path or path.startswith("[") else f"{place}.{path}"
