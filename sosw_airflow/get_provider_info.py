"""What Airflow learns about this provider.

Airflow calls `get_provider_info` from the entry point `apache_airflow_provider` at the start of every `airflow`
command, since 3.2 before its own configuration is loaded. So this module needs the standard library alone, and cannot
fail.
"""

from __future__ import annotations

from typing import Any

from sosw_airflow.config.options import OPTIONS
from sosw_airflow.connection_forms import LABOURER_FORM, SOSW_FORM

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, in the form of Airflow's `provider_info.schema.json`."""
    return {
        "package-name": "airflow-provider-sosw",
        "name": "sosw",
        "description": "Jobs for `sosw <https://docs.sosw.app>`__, the Serverless Orchestrator of Serverless Workers.",
        "integrations": [
            {"integration-name": "sosw", "external-doc-url": "https://docs.sosw.app", "tags": ["aws", "serverless"]},
        ],
        "operators": [{"integration-name": "sosw", "python-modules": ["sosw_airflow.operators.sosw"]}],
        "sensors": [{"integration-name": "sosw", "python-modules": ["sosw_airflow.sensors.sosw"]}],
        "triggers": [{"integration-name": "sosw", "python-modules": ["sosw_airflow.triggers.sosw"]}],
        "asset-uris": [
            {
                "schemes": ["sosw"],
                "handler": "sosw_airflow.assets.sanitize_uri",
                "factory": "sosw_airflow.assets.create_asset",
                "to_openlineage_converter": "sosw_airflow.assets.to_openlineage",
            },
        ],
        # The same for Airflow 2.
        "dataset-uris": [
            {
                "schemes": ["sosw"],
                "handler": "sosw_airflow.assets.sanitize_uri",
                "factory": "sosw_airflow.assets.create_asset",
            },
        ],
        # Airflow 2 shows a serialized DAG's links only where their classes are listed.
        "extra-links": [
            "sosw_airflow.links.sosw.QueueFileLink",
            "sosw_airflow.links.sosw.TaskRowsLink",
            "sosw_airflow.links.sosw.FunctionLink",
            "sosw_airflow.links.sosw.FunctionLogsLink",
        ],
        "hooks": [
            {
                "integration-name": "sosw",
                "python-modules": ["sosw_airflow.hooks.sosw", "sosw_airflow.hooks.labourer"],
            },
        ],
        "config": {
            "sosw": {"description": "Settings of the sosw provider for this whole deployment.", "options": OPTIONS},
        },
        # `airflow sosw ...`, since Airflow 3.2; older ones pass it over.
        "cli": ["sosw_airflow.cli.airflow_commands.get_sosw_commands"],
        "task-decorators": [{"class-name": "sosw_airflow.decorators.sosw.sosw_task", "name": "sosw"}],
        "connection-types": [
            {
                "connection-type": "sosw",
                "hook-class-name": "sosw_airflow.hooks.sosw.SoswHook",
                "hook-name": "sosw",
                **SOSW_FORM,
            },
            {
                "connection-type": "sosw_labourer",
                "hook-class-name": "sosw_airflow.hooks.labourer.SoswLabourerHook",
                "hook-name": "sosw labourer",
                **LABOURER_FORM,
            },
        ],
    }
