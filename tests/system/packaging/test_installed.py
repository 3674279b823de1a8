"""The wheel in a user's Airflow, through Airflow's own commands."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

import sosw_airflow
from tests.system.packaging.conftest import Installed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()


def entries(output: str) -> list[dict[str, Any]]:
    """The JSON list at the end of a command's output, before which Airflow may log."""
    parsed: list[dict[str, Any]] = json.loads(
        output[output.rindex("\n[{") if "\n[{" in output else output.index("[{") :]
    )
    return parsed


def test_airflow_lists_the_provider(installed: Installed) -> None:
    """`airflow providers list` shows it with its version."""
    listed = entries(installed.run("airflow", "providers", "list", "--output", "json"))
    versions = {provider["package_name"]: provider["version"] for provider in listed}
    assert versions["airflow-provider-sosw"] == sosw_airflow.__version__


def test_airflow_finds_the_hooks(installed: Installed) -> None:
    """`airflow providers hooks` imports the hook of each connection type."""
    listed = entries(installed.run("airflow", "providers", "hooks", "--output", "json"))
    hooks = {hook["connection_type"]: hook["class"] for hook in listed}
    assert hooks["sosw"].endswith("SoswHook")
    assert hooks["sosw_labourer"].endswith("SoswLabourerHook")


def test_commands_of_the_readme(installed: Installed) -> None:
    """The README's commands to connect are accepted; the Connection is of our type and has the same extras."""
    commands = [line for line in README.splitlines() if line.startswith(("airflow connections ", "airflow variables "))]
    for command in commands:
        installed.run(*shlex.split(command))
    [connection] = entries(installed.run("airflow", "connections", "get", "sosw_default", "--output", "json"))
    extra = connection["extra_dejson"]
    assert (connection["conn_type"], json.loads(extra) if isinstance(extra, str) else extra) == (
        "sosw",
        {"queue_bucket": "my-queue-bucket", "region_name": "us-west-2"},
    )
    assert len(commands) == 3


def test_labourer_can_be_a_connection(installed: Installed) -> None:
    """`airflow connections add` takes the other connection type too."""
    installed.run("airflow", "connections", "add", "some_function", "--conn-type", "sosw_labourer")


def test_example_dags_are_imported(installed: Installed) -> None:
    """The DAG files load from the installed package, without the repository and without test dependencies."""
    files = entries(installed.run("airflow", "dags", "report", "--output", "json"))
    imported = {dag_id for file in files for dag_id in file["dags"]}
    assert {file.stem for file in (ROOT / "dags").glob("*.py")} <= imported


def test_command_starts(installed: Installed) -> None:
    """`sosw-airflow` is on the path and explains itself."""
    assert installed.run("sosw-airflow", "--help").startswith("usage: sosw-airflow")
