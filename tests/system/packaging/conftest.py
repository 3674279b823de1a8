"""The built wheel, and environments that have it as a user's would: with its run-time dependencies and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and an Airflow home of its own."""

    prefix: Path
    environment: dict[str, str]

    def run(self, command: str, *arguments: str) -> str:
        """Run a program of the environment, which must succeed, and give its standard output."""
        ended = subprocess.run(
            [self.prefix / "bin" / command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=self.prefix,  # not the repository: nothing of it may be found by accident
        )
        assert ended.returncode == 0, f"{command} {arguments}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(
    scope="session",
    params=[(".venv", "airflow-3.3"), (".venv-2.11", "airflow-2.11")],
    ids=["airflow-3.3", "airflow-2.11"],
)
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a new environment with this Airflow, and a migrated metadata database."""
    development, name = request.param
    constraints = ROOT / "constraints" / f"{name}.txt"
    [airflow] = [line for line in constraints.read_text().splitlines() if line.startswith("apache-airflow==")]
    python = ROOT / development / "bin" / "python"
    if name == "airflow-2.11" and sys.version_info >= (3, 13) and not python.exists():
        pytest.skip("Airflow 2.11 needs Python 3.10 to 3.12, and there is none on this machine")
    assert python.exists(), f"There is no {python}: `make test` makes it."
    prefix = tmp_path_factory.mktemp(name)
    uv("venv", "--python", str(python), str(prefix / "venv"))
    uv("pip", "install", "--python", str(prefix / "venv"), "--constraints", str(constraints), airflow, str(wheel))
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON", "VIRTUAL_ENV"))
    }
    environment = {**kept, "AIRFLOW_HOME": str(prefix / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "dags")
    place = Installed(prefix / "venv", environment)
    place.run("airflow", "db", "migrate")
    return place


def uv(*arguments: str) -> None:
    """Run the uv that `make` has brought, or else the user's."""
    own = ROOT / ".uv" / "bin" / "uv"
    program = own if own.exists() else shutil.which("uv")
    assert program, "There is no uv: `make test` brings it."
    subprocess.run([program, "--quiet", *arguments], check=True)
