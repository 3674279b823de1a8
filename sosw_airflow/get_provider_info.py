"""What Airflow learns about this provider.

Airflow calls `get_provider_info` from the entry point `apache_airflow_provider` at the start of every `airflow`
command, since 3.2 before its own configuration is loaded. So this module needs the standard library alone, and cannot
fail.
"""

from __future__ import annotations

from typing import Any

from sosw_airflow.connection_forms import LABOURER_FORM, SOSW_FORM

__all__ = ["OPTIONS", "get_provider_info"]

#: The section ``[sosw]`` of Airflow's configuration: each option with its declaration.
OPTIONS: dict[str, dict[str, Any]] = {
    "custom_period_modules": {
        "description": "Modules whose functions a job schema may name for its custom periods, separated by commas. A "
        "module stands for those below it as well. Empty: a schema in a Variable or a template names no code, and only "
        "DAG files give functions.",
        "version_added": "0.2.0",
        "type": "string",
        "example": "my_company.periods",
        "default": "",
    },
    "max_tasks": {
        "description": "The most tasks that a job may become, unless the operator has a max_tasks of its own. A larger "
        "job is refused before anything is written.",
        "version_added": "0.2.0",
        "type": "integer",
        "example": None,
        "default": "1000000",
    },
    "max_simultaneous_invocations": {
        "description": "Tasks of a labourer that run at once if Airflow invokes them and the labourer names no "
        "max_simultaneous_invocations of its own.",
        "version_added": "0.2.0",
        "type": "integer",
        "example": None,
        "default": "10",
    },
    "hide_payloads": {
        "description": "Leave the payloads of tasks, and what workers returned, out of logs, errors, pages, and the "
        "commands that show tasks.",
        "version_added": "0.2.0",
        "type": "boolean",
        "example": None,
        "default": "False",
    },
    "wire": {
        "description": "Who writes and reads the JSON of DynamoDB's requests. ready: this provider, in a fraction of "
        "the processor time. botocore: botocore, which checks and copies each member.",
        "version_added": "0.2.0",
        "type": "string",
        "example": "botocore",
        "default": "ready",
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, in the form of Airflow's `provider_info.schema.json`."""
    return {
        "package-name": "airflow-provider-sosw",
        "name": "sosw",
        "description": "Jobs for `sosw <https://docs.sosw.app>`__, the Serverless Orchestrator of Serverless Workers.",
        "integrations": [
            {"integration-name": "sosw", "external-doc-url": "https://docs.sosw.app", "tags": ["aws", "serverless"]},
        ],
        "operators": [
            {
                "integration-name": "sosw",
                "python-modules": [
                    "sosw_airflow.operators.sosw",
                    "sosw_airflow.operators.repair",
                    "sosw_airflow.operators.drain",
                    "sosw_airflow.operators.doctor",
                    "sosw_airflow.operators.orchestrate",
                ],
            },
        ],
        "sensors": [{"integration-name": "sosw", "python-modules": ["sosw_airflow.sensors.sosw"]}],
        "triggers": [
            {
                "integration-name": "sosw",
                "python-modules": [
                    "sosw_airflow.triggers.sosw",
                    "sosw_airflow.triggers.several_jobs",
                    "sosw_airflow.triggers.orchestrate",
                ],
            },
        ],
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
        # Airflow 2 shows a serialized DAG's links only if their classes are listed.
        "extra-links": [
            "sosw_airflow.links.sosw.JobPageLink",
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
