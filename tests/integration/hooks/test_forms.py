"""The forms of both connection types, as each Airflow shows them."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any

import pytest

from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.get_provider_info import get_provider_info
from sosw_airflow.hooks.labourer import SoswLabourerHook
from sosw_airflow.hooks.sosw import SoswHook

HOOKS = {"sosw": SoswHook, "sosw_labourer": SoswLabourerHook}
FORMS = {each["connection-type"]: each for each in get_provider_info()["connection-types"]}


def test_the_form_has_every_setting() -> None:
    """Each extra of the Connection is a field, and no other."""
    assert list(FORMS["sosw"]["conn-fields"]) == [
        *("queue_bucket", "s3_prefix", "aws_conn_id", "region_name", "endpoint_url"),
        *("tasks_table", "index_greenfield", "closed_tasks_table", "closed_tasks_index"),
        *("retry_tasks_table", "jobs_table", "meta_table", "max_rows_per_second", "lambda_payload_limit", "namespace"),
        *("server_side_encryption", "kms_key_id"),
    ]
    assert set(FORMS["sosw"]["conn-fields"]) == {each.name for each in fields(SoswSettings)}


def test_defaults_are_those_of_the_settings() -> None:
    """A form that was only filled in where it must be gives the same as no extras."""
    defaults = {each.name: each.default for each in fields(SoswSettings) if each.default is not MISSING}
    shown = {name: field["schema"].get("default") for name, field in FORMS["sosw"]["conn-fields"].items()}
    saved = SoswSettings.of({**shown, "queue_bucket": "b"}, conn_id="x")
    assert {name: getattr(saved, name) for name in defaults} == defaults


@pytest.mark.parametrize("connection_type", HOOKS)
def test_each_field_explains_itself(connection_type: str) -> None:
    """A label, and a sentence."""
    for name, field in FORMS[connection_type]["conn-fields"].items():
        assert field["label"], name
        assert field["description"].endswith("."), name


@pytest.mark.parametrize("connection_type", HOOKS)
def test_placeholder_of_the_extras_is_json(connection_type: str) -> None:
    """It can be pasted."""
    assert json.loads(FORMS[connection_type]["ui-field-behaviour"]["placeholders"]["extra"])


def shown_fields(connection_type: str) -> dict[str, Any]:
    """Label, description and default of each field, as this Airflow's UI shows them."""
    try:
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
    except ImportError:
        widgets = HOOKS[connection_type].get_connection_form_widgets()
        return {
            name: (str(field.args[0]), field.kwargs["description"], field.kwargs["default"])
            for name, field in widgets.items()
        }
    (hook,) = [each for each in HookMetaService.hook_meta_data() if each.connection_type == connection_type]
    return {
        name: (
            field["schema"].get("title"),
            field["description"],
            field["value"],
        )
        for name, field in hook.extra_fields.items()
    }


@pytest.mark.parametrize("connection_type", HOOKS)
def test_airflow_shows_the_fields(connection_type: str) -> None:
    """All of them, with their labels, help texts and defaults."""
    expected = {
        name: (field["label"], field["description"], field["schema"].get("default"))
        for name, field in FORMS[connection_type]["conn-fields"].items()
    }
    assert shown_fields(connection_type) == expected


@pytest.mark.parametrize("connection_type", HOOKS)
def test_airflow_hides_what_means_nothing(connection_type: str) -> None:
    """Host, port, login, password, schema."""
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    hidden = manager.field_behaviours[connection_type]["hidden_fields"]
    assert set(hidden) == {"host", "port", "login", "password", "schema"}
    assert f"extra__{connection_type}__{next(iter(FORMS[connection_type]['conn-fields']))}" in (
        manager.connection_form_widgets
    )
