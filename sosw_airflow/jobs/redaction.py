"""Hides secrets in what leaves towards a log, an error, a record or a terminal.

A masker of log lines cannot do it alone: in JSON text a secret may be escaped or cut in two, and the name of its
attribute is out of sight. So values go through `redacted` before they become text. What a worker needs never does.

The shell installs Airflow's masker, which also knows the secrets of Connections and Variables. Without it the names of
attributes decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["install", "is_secret_name", "redacted", "without_secrets"]

#: Parts of the names of attributes whose values are secrets; most are those of Airflow.
_SECRET_NAMES = (
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "auth_header",
    "authorization",
    "bearer",
    "connection_string",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "token",
)

_HIDDEN = "***"


def is_secret_name(name: object) -> bool:
    """Whether an attribute of this name has a secret as its value."""
    text = name.lower().replace("-", "_") if isinstance(name, str) else ""
    return any(part in text for part in _SECRET_NAMES)


def _by_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hidden(below) if is_secret_name(name) else _by_names(below) for name, below in value.items()}
    return [_by_names(below) for below in value] if isinstance(value, (list, tuple)) else value


def _hidden(value: Any) -> Any:
    """The value with each text in it replaced."""
    if isinstance(value, dict):
        return {name: _hidden(below) for name, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(below) for below in value]
    return _HIDDEN if isinstance(value, str) else value


_redact: Callable[[Any], Any] = _by_names


def install(redact: Callable[[Any], Any] | None) -> None:
    """Use this masker from now on, in the whole process; None: the names of attributes."""
    global _redact  # noqa: PLW0603 - one process has one masker, as it has one log
    _redact = redact or _by_names


def redacted(value: Any) -> Any:
    """A copy of a JSON value in which secrets are replaced."""
    return _redact(value)


def without_secrets(document: Any, path: str, left_out: list[str]) -> Any:
    """A copy of a document without the attributes whose names say that their texts are secrets.

    :param path: of the document, for `left_out`, which gets the path of every such attribute.
    """
    if isinstance(document, (list, tuple)):
        return [without_secrets(below, f"{path}[{index}]", left_out) for index, below in enumerate(document)]
    if not isinstance(document, dict):
        return document
    kept = {}
    for name, below in document.items():
        if is_secret_name(name) and any(_texts(below)):
            left_out.append(f"{path}.{name}")
        else:
            kept[name] = without_secrets(below, f"{path}.{name}", left_out)
    return kept


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value that are not empty; a number of tokens is no secret."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for below in value:
            yield from _texts(below)
    elif isinstance(value, str) and value:
        yield value
