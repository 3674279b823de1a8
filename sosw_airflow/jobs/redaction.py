"""Hides secrets in what leaves towards a log, an error, a record or a terminal.

A masker of log lines cannot do it alone: in JSON text a secret may be escaped or cut in two, and the name of its
attribute is out of sight. So values go through `redacted` before they become text. What a worker needs never does.

The shell installs Airflow's masker, which also knows the secrets of Connections and Variables. Without it the names of
attributes decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = [
    "HIDDEN_PAYLOAD",
    "hides_payloads",
    "install",
    "is_secret_name",
    "redacted",
    "shown_payload",
    "without_secrets",
]

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

#: What stands in the place of a payload that Airflow's configuration hides.
HIDDEN_PAYLOAD = "hidden by [sosw] hide_payloads"


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
_hides_payloads: Callable[[], bool] = bool


def install(redact: Callable[[Any], Any] | None, *, hides_payloads: Callable[[], bool] = bool) -> None:
    """Use this masker from now on, in the whole process; None: the names of attributes.

    :param hides_payloads: whether `shown_payload` shows none, asked each time.
    """
    global _redact, _hides_payloads
    _redact, _hides_payloads = redact or _by_names, hides_payloads


def redacted(value: Any) -> Any:
    """A copy of a JSON value in which secrets are replaced."""
    return _redact(value)


def hides_payloads() -> bool:
    """Whether Airflow's configuration hides payloads."""
    return _hides_payloads()


def shown_payload(payload: Any) -> Any:
    """What of a task's payload, or of its worker's answer, may be shown: all but secrets, or that it is hidden."""
    return HIDDEN_PAYLOAD if _hides_payloads() else redacted(payload)


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
