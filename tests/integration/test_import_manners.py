"""What an import loads: operators are imported with each DAG file, the provider info before all of Airflow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

REPORT = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def loaded_by(module: str | None) -> set[str]:
    """Names of the modules in a fresh interpreter after importing this one (None: after its bare start)."""
    script = f"import {module}\n{REPORT}" if module else REPORT
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return set(modules)


def top_level(modules: set[str]) -> set[str]:
    """Names of the packages that the modules belong to."""
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("module", ["sosw_airflow", "sosw_airflow.get_provider_info", "sosw_airflow.exceptions"])
def test_loads_the_standard_library_alone(module: str) -> None:
    """Airflow asks for the provider info before its own configuration is loaded."""
    loaded = top_level(loaded_by(module) - loaded_by(None))
    assert loaded - sys.stdlib_module_names == {"sosw_airflow"}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("sosw_airflow.jobs", {"airflow", "boto3", "botocore"}),
        ("sosw_airflow.config.settings", {"airflow", "boto3", "botocore"}),
        ("sosw_airflow.scheduling.scheduler", {"airflow"}),
        ("sosw_airflow.cli", {"airflow", "boto3", "botocore"}),
        (
            "sosw_airflow.operators.sosw, sosw_airflow.hooks.sosw, sosw_airflow.hooks.labourer",
            {"boto3", "botocore", "airflow.providers.amazon.aws"},
        ),
    ],
)
def test_leaves_out_what_it_does_not_need_yet(module: str, absent: set[str]) -> None:
    """The core and the stores know no Airflow, and what a DAG file imports loads no AWS.

    (The empty package `airflow.providers.amazon` is there whatever one imports: Airflow reads its provider info.)
    """
    assert loaded_by(module) & absent == set()


def test_a_dag_file_loads_only_the_modules_of_its_operator() -> None:
    """Every module costs a DAG file time whenever it is parsed. Those of Airflow are there before."""
    before = "sosw_airflow; from sosw_airflow._compat import BaseOperator, BaseOperatorLink"
    loaded = loaded_by(f"{before}; import sosw_airflow.operators.sosw") - loaded_by(before)
    assert loaded == {
        f"sosw_airflow.{each}" for each in ("links", "links.sosw", "operators", "operators.base", "operators.sosw")
    }


def test_the_plugin_loads_nothing_else() -> None:
    """Every process of Airflow loads plugins: scheduler, workers, triggerer, commands."""
    plugins = "airflow.plugins_manager, airflow.configuration"
    loaded = loaded_by(f"{plugins}, sosw_airflow.ui.plugin") - loaded_by(plugins)
    assert top_level(loaded) - sys.stdlib_module_names == {"sosw_airflow"}
