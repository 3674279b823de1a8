"""Connections and Variables in the environment, which is all that a test has: there is no metadata database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

SetConnection = Callable[..., None]
SetVariable = Callable[[str, Any], None]

#: Airflow 3.0 and 3.1 refuse such a Connection where they read it from the environment; others leave it to us.
FAULTY_EXTRAS = "Connection {}: (has extras that are not|cannot be read .* whose extra is) a JSON object"


@pytest.fixture
def only_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look nowhere else, as where a deployment has secrets backends only."""
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    from sosw_airflow import _compat

    backend = EnvironmentVariablesBackend()

    def find_connection(conn_id: str) -> Any:
        return _compat.find_connection(conn_id) if backend.get_conn_value(conn_id) else None

    for user in ("sosw", "labourer"):
        monkeypatch.setattr(f"sosw_airflow.hooks.{user}.find_connection", find_connection)
    monkeypatch.setattr("sosw_airflow.hooks.sosw.get_variable", backend.get_variable)


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> SetConnection:
    """Make a Connection (default: of type sosw). `extra` is an object, or its text where that is no good JSON."""

    def make(conn_id: str, *, conn_type: str = "sosw", extra: Any = None, **fields: str) -> None:
        document = {"conn_type": conn_type, "extra": extra, **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(document))

    return make


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> SetVariable:
    """Make a Variable of this document."""

    def make(name: str, document: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", json.dumps(document))

    return make
