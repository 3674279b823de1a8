"""What the provider tells Airflow about itself is true."""

from __future__ import annotations

import importlib
import json
import pkgutil
from importlib.metadata import distribution, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import sosw_airflow
from sosw_airflow._compat import BaseHook, BaseOperator, BaseTrigger
from sosw_airflow.get_provider_info import get_provider_info

CONNECTION_TYPES = get_provider_info()["connection-types"]


def airflow_schema() -> Any:
    """Airflow's own schema of a provider's description, without importing Airflow."""
    spec = find_spec("airflow")
    assert spec
    assert spec.submodule_search_locations
    [schema] = [Path(place, "provider_info.schema.json") for place in spec.submodule_search_locations][:1]
    return json.loads(schema.read_text())


def test_provider_info_follows_the_schema_of_airflow() -> None:
    """Airflow validates the description at start, and an invalid one breaks every command."""
    jsonschema.validate(get_provider_info(), airflow_schema())


def test_entry_point_leads_to_the_provider_info() -> None:
    """Airflow finds the description by the entry point of the installed distribution."""
    [entry_point] = [e for e in entry_points(group="apache_airflow_provider") if e.value.startswith("sosw_airflow.")]
    assert entry_point.load()() == get_provider_info()


def test_package_name_is_that_of_the_distribution() -> None:
    """Airflow refuses a provider whose description names another distribution."""
    installed = distribution(get_provider_info()["package-name"])
    assert installed.version == sosw_airflow.__version__


@pytest.mark.parametrize("described", CONNECTION_TYPES, ids=lambda entry: entry["connection-type"])
def test_connection_type_names_its_hook(described: dict[str, str]) -> None:
    """The hook that is named exists, and says of itself what the description says of it."""
    module, _, name = described["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (described["connection-type"], described["hook-name"])


@pytest.mark.parametrize(
    ("kind", "base"),
    [("operators", BaseOperator), ("sensors", BaseOperator), ("triggers", BaseTrigger), ("hooks", BaseHook)],
)
def test_every_module_is_listed(kind: str, base: type) -> None:
    """Each module that defines something to use is listed, and nothing else is."""
    package = importlib.import_module(f"sosw_airflow.{kind}")
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    defining = {
        module.__name__
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
        if "Base" not in value.__name__
    }
    listed = {module for group in get_provider_info()[kind] for module in group["python-modules"]}
    assert listed == defining
