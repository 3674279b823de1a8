"""Short texts of values from outside, for messages. Safe for every value: deep, endless, huge, or broken."""

from __future__ import annotations

from datetime import date
from itertools import islice
from typing import Any

from sosw_airflow.jobs.redaction import is_secret_name, redacted

__all__ = ["excerpt", "printable"]

#: Characters of an excerpt.
_ROOM = 60

#: Characters of a text in which secrets are searched.
_MASKED = 20_000

#: Characters of a name in a path.
_NAME = 80

#: Python does not write integers with more digits than this; these bits have fewer.
_MOST_BITS = 14_000


def excerpt(value: object, *, name: str = "") -> str:
    """The value as Python writes it, at most 60 characters, without secrets.

    :param name: of the attribute that has the value, which may say that it is a secret.
    """
    text = _written(value, _ROOM, name)
    return text if len(text) <= _ROOM else f"{text[: _ROOM - 3]}..."


def printable(name: str) -> str:
    """A name for a path: short, and without code points that UTF-8 cannot hold."""
    name = name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def _written(value: Any, room: int, name: object = "") -> str:
    """Like `repr`, but it ends as soon as there are more than ``room`` characters."""
    if isinstance(value, str) and room > 0:
        # Before it is cut: half a secret is no longer known as one.
        return repr(redacted({name: value[:_MASKED]})[name][: room + 1])
    if isinstance(value, (str, bytes, bytearray)):
        return repr(value[: room + 1]) if room > 0 else "..."
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"<an integer of {value.bit_length():,} bits>"
    if value is None or isinstance(value, (int, float, date)):
        return repr(value)
    return _container(value, room, name) or f"<{type(value).__name__}>"


def _container(value: Any, room: int, name: object) -> str | None:
    below = room - 2
    if type(value) is dict:
        secret = name if is_secret_name(name) else None
        pairs = (f"{_written(key, below)}: {_written(each, below, secret or key)}" for key, each in value.items())
        return _listed(pairs, "{", "}", room)
    if type(value) is list or (type(value) is tuple and len(value) > 1):
        left, right = "[]" if type(value) is list else "()"
        return _listed((_written(each, below, name) for each in value), left, right, room)
    if isinstance(value, (set, frozenset)):
        return _listed(sorted(_written(each, below, name) for each in islice(value, _ROOM)), "{", "}", room)
    return None


def _listed(texts: Any, left: str, right: str, room: int) -> str:
    if room <= 0:
        return f"{left}...{right}"
    written = left
    for number, text in enumerate(texts):
        written += f", {text}" if number else text
        if len(written) > room:
            return written
    return f"{written}{right}"
