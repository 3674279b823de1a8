"""The extras of a Connection."""

from __future__ import annotations

import json
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
            return dict(connection.extra_dejson)  # read in this way, Airflow masks what is secret in them
        problem = f"has extras that are not a JSON object, but of the type {type(document).__name__}"
    raise InvalidConfiguration([Fault(f"Connection {conn_id}", problem)])
