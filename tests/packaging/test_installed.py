"""The wheel in a user's Airflow, through Airflow's own commands."""

from __future__ import annotations

import json
from typing import Any

import pytest

import sosw_airflow
from tests.packaging.conftest import Installed

pytestmark = pytest.mark.slow

EXTRA = {"queue_bucket": "some-bucket", "region_name": "us-west-2"}


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


@pytest.mark.parametrize("conn_type", ["sosw", "sosw_labourer"])
def test_connection_can_be_added_and_read(installed: Installed, conn_type: str) -> None:
    """`airflow connections add` takes the connection type, and `get` gives the same extras."""
    conn_id = f"{conn_type}_added"
    installed.run("airflow", "connections", "add", conn_id, "--conn-type", conn_type, "--conn-extra", json.dumps(EXTRA))
    [connection] = entries(installed.run("airflow", "connections", "get", conn_id, "--output", "json"))
    extra = connection["extra_dejson"]
    assert (connection["conn_type"], json.loads(extra) if isinstance(extra, str) else extra) == (conn_type, EXTRA)


def test_example_dags_are_imported(installed: Installed) -> None:
    """The DAG files load from the installed package, without the repository and without test dependencies."""
    files = entries(installed.run("airflow", "dags", "report", "--output", "json"))
    assert {dag_id for file in files for dag_id in file["dags"]} == {
        "sosw_hashtags",
        "sosw_many_labourers",
        "sosw_product_sales",
    }


def test_command_starts(installed: Installed) -> None:
    """`sosw-airflow` is on the path and explains itself."""
    assert installed.run("sosw-airflow", "--help").startswith("usage: sosw-airflow")
