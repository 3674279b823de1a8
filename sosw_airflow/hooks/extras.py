"""The extras of a Connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration

__all__ = ["extras_of"]


def extras_of(connection: Any, conn_id: str) -> dict[str, Any]:
    """The extras as a mapping; empty where there are none.

    :raises InvalidConfiguration: they are not a JSON object. Airflow itself takes extras that are not JSON for empty.
    """
    text = connection.extra
    if not text or not text.strip():
        return {}
    try:
        document = json.loads(text)
    except ValueError as error:
        problem = f"has extras that are not a JSON object ({error})"
    else:
        if isinstance(document, dict):
            # Read in this way, Airflow masks what is secret in them.
            return _without_doubles(connection.extra_dejson, f"extra__{connection.conn_type}__")
        problem = f"has extras that are not a JSON object, but of the type {type(document).__name__}"
    raise InvalidConfiguration([Fault(f"Connection {conn_id}", problem)])


def _without_doubles(extras: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The button "Test" of Airflow 2 sends each field of the form twice, once as ``extra__sosw__<name>``."""
    return {
        name: value
        for name, value in extras.items()
        if not (name.startswith(prefix) and name.removeprefix(prefix) in extras)
    }
