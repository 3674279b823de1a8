"""`SoswLabourerHook`: a labourer in a Connection."""

from __future__ import annotations

import json

import pytest

from sosw_airflow.config.registry import Labourer
from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.hooks.labourer import SoswLabourerHook
from tests.hooks.conftest import FAULTY_EXTRAS, SetConnection

pytestmark = pytest.mark.usefixtures("only_the_environment")


def test_a_labourer(set_connection: SetConnection) -> None:
    """The Connection's id is its id, the extras are its settings."""
    set_connection("worker", conn_type="sosw_labourer", extra={"arn": "arn:w", "cooldown": 5})
    assert SoswLabourerHook("worker").get_conn() == Labourer("worker", {"arn": "arn:w", "cooldown": 5})


def test_a_labourer_without_settings(set_connection: SetConnection) -> None:
    """Its id alone registers it."""
    set_connection("worker", conn_type="sosw_labourer")
    assert SoswLabourerHook("worker").get_conn() == Labourer("worker", {})


def test_faulty_extras(set_connection: SetConnection) -> None:
    """Are not taken for none."""
    set_connection("worker", conn_type="sosw_labourer", extra="{")
    with pytest.raises(InvalidConfiguration, match=FAULTY_EXTRAS.format("worker")):
        SoswLabourerHook("worker").get_conn()


def test_no_connection() -> None:
    """Its type is told."""
    with pytest.raises(InvalidConfiguration, match="Connection worker: does not exist: create one of type sosw_labour"):
        SoswLabourerHook("worker").get_conn()


def test_the_form() -> None:
    """Only the extras count; the placeholder is a valid Connection."""
    form = SoswLabourerHook.get_ui_field_behaviour()
    assert set(form["hidden_fields"]) == {"host", "port", "login", "password", "schema"}
    assert "arn" in json.loads(form["placeholders"]["extra"])
