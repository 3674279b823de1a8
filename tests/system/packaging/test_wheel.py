"""What is in the wheel."""

from __future__ import annotations

import zipfile
from configparser import ConfigParser
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import sosw_airflow

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
INFO = f"airflow_provider_sosw-{sosw_airflow.__version__}.dist-info"


@pytest.fixture(scope="module")
def files(wheel: Path) -> dict[str, str]:
    """Text of each file of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(files: dict[str, str]) -> Message:
    """The wheel's METADATA."""
    return Parser().parsestr(files[f"{INFO}/METADATA"])


def test_holds_the_package_and_nothing_else(files: dict[str, str]) -> None:
    """Each file of the package, typed, what the pages load, and none of the tests, the demo or the example DAGs."""
    kinds = (".py", ".typed", ".html", ".css", ".js", ".json")
    package = {str(file.relative_to(ROOT)) for file in (ROOT / "sosw_airflow").rglob("*") if file.suffix in kinds}
    assert {name for name in files if not name.startswith(INFO)} == package
    assert {"sosw_airflow/py.typed", "sosw_airflow/ui/static/sosw.css", "sosw_airflow/config/prices.json"} <= package


def test_entry_points(files: dict[str, str]) -> None:
    """Airflow finds the provider and the pages, and the shell finds the command."""
    parser = ConfigParser()
    parser.read_string(files[f"{INFO}/entry_points.txt"])
    assert {section: dict(parser[section]) for section in parser.sections()} == {
        "apache_airflow_provider": {"provider_info": "sosw_airflow.get_provider_info:get_provider_info"},
        "airflow.plugins": {"sosw": "sosw_airflow.ui.plugin:SoswPlugin"},
        "console_scripts": {"sosw-airflow": "sosw_airflow.cli:main"},
    }


def test_licence_comes_along(files: dict[str, str], metadata: Message) -> None:
    """The licence is named and its text is shipped."""
    assert metadata["License-Expression"] == "Apache-2.0"
    assert files[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_text()


def test_needs_few_packages(metadata: Message) -> None:
    """Test dependencies, sosw above all, are no run-time dependencies."""
    needed = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert needed == [
        "apache-airflow-providers-amazon>=8.28",
        "apache-airflow>=2.10",
        "argcomplete>=1.10",
        "boto3>=1.35",
        "pyyaml>=6.0",
        "rich>=12.4.4",
    ]


def test_version_has_one_source(metadata: Message) -> None:
    """The wheel has the version that the package says."""
    assert metadata["Version"] == sosw_airflow.__version__


def test_changelog_knows_the_version() -> None:
    """What is released is described."""
    assert f"## [{sosw_airflow.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
