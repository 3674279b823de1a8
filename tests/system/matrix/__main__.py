"""Try each release of Airflow: `python -m tests.system.matrix --uv .uv/bin/uv [--only-install] [VERSION...]`.

Makes an environment below `.matrix/` for each, with the newest amazon provider that goes with it, runs what depends on
Airflow, then one DAG in a running Airflow; prints a table. What cannot be installed here is a line of the table too.
Ends with code 1 if a release could be installed and failed, or if none could be installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
HOME = ROOT / ".matrix"

#: Airflow → the Python that it is tried with, if this machine has it; otherwise the one that runs this.
RELEASES = {"2.10.5": "3.10", "2.11.2": "3.12", "3.0.6": "3.12", "3.1.8": "3.11", "3.2.2": "3.13", "3.3.2": "3.13"}

#: What keeps an old release installable beside packages that are newer than it. Its own constraints say the same.
HELD_BACK = {
    "2.10.5": ["sqlalchemy<2", "pendulum<3.1", "connexion<3"],
    "2.11.2": ["sqlalchemy<2", "connexion<3"],
    # Without FAB this one shows the form of no provider's Connections; its image has it.
    "3.0.6": ["sqlalchemy<2", "cadwyn<6", "fastapi<0.117", "apache-airflow-providers-fab"],
    "3.2.2": ["fastapi<0.136"],
}

TESTS = [
    "tests/integration/operators",
    "tests/integration/decorators",
    "tests/integration/hooks",
    "tests/integration/testing",
    "tests/integration/triggers",
    "tests/integration/ui",
    "tests/integration/test_assets.py",
    "tests/integration/test_import_manners.py",
    "tests/integration/test_parse_time.py",
    "tests/unit/links",
    "tests/unit/triggers",
    "tests/unit/test_run_context.py",
    "tests/unit/test_provider_info.py",
]
REAL_RUN = ["tests/system/airflow_runs/test_scheduled_runs.py", "-k", "catchup and reschedule"]


@dataclass
class Result:
    """A line of the table."""

    airflow: str
    python: str
    amazon: str = ""
    tests: str = "not run"
    run: str = "not run"

    @property
    def failed(self) -> bool:
        """Whether something was tried and was not right."""
        return self.tests.startswith("FAILED") or self.run.startswith("FAILED")


def main() -> int:
    """Try them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.matrix", description=__doc__)
    parser.add_argument("--uv", default="uv", help="the uv command")
    parser.add_argument(
        "--only-install", action="store_true", help="make the environments that are missing, try nothing"
    )
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"default: {' '.join(RELEASES)}")
    arguments = parser.parse_args()
    HOME.mkdir(exist_ok=True)
    results: list[Result] = []
    for version in arguments.versions or RELEASES:
        if arguments.only_install:
            log = HOME / f"{version}.log"
            if not (HOME / version / "bin" / "airflow").exists() and not _install(arguments.uv, version, log):
                print(f"Airflow {version} is NOT INSTALLED: {_last_line(log)}")
            continue
        results.append(_try(arguments.uv, version))
        print(_table(results), flush=True)
    installed = [result for result in results if result.amazon]
    return int(bool(results and not installed) or any(result.failed for result in results))


def _install(uv: str, version: str, log: Path) -> bool:
    """Make the environment of a release; whether it could be made."""
    python, where = _python(uv, RELEASES.get(version)), HOME / version
    log.write_text("")
    install = [uv, "pip", "install", "--quiet", "--python", str(where), "--group", "test", "--editable", "."]
    return _run([uv, "venv", "--quiet", "--clear", "--python", python, str(where)], log) and _run(
        [*install, "hatchling", f"apache-airflow=={version}", *HELD_BACK.get(version, [])], log
    )


def _try(uv: str, version: str) -> Result:
    log, interpreter = HOME / f"{version}.log", HOME / version / "bin" / "python"
    result = Result(version, "")
    print(f"Airflow {version}: {log.relative_to(ROOT)}", flush=True)
    if not _install(uv, version, log):
        result.tests = f"NOT INSTALLED: {_last_line(log)}"
        return result
    script = "import sys, importlib.metadata as m; v = sys.version_info; print(*v[:3], sep='.'); "
    script += "print(m.version('apache-airflow-providers-amazon'))"
    told = subprocess.run([interpreter, "-c", script], capture_output=True, text=True, check=True)
    result.python, result.amazon = told.stdout.split()
    result.tests = _tests(interpreter, TESTS, log)
    result.run = _tests(interpreter, REAL_RUN, log)
    return result


def _python(uv: str, wanted: str | None) -> str:
    found = subprocess.run([uv, "python", "find", wanted or ""], capture_output=True, text=True, check=False)
    return found.stdout.strip() if wanted and found.returncode == 0 else sys.executable


def _tests(python: Path, tests: list[str], log: Path) -> str:
    began = time.monotonic()
    good = _run([str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], log)
    counted = _last_line(log).strip("= ").partition(" in ")[0]
    return f"{'' if good else 'FAILED: '}{counted} ({time.monotonic() - began:.0f} s)"


def _run(command: list[str], log: Path) -> bool:
    with log.open("a") as written:
        print("$", *command, file=written, flush=True)
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
        )
    return done.returncode == 0


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _table(results: list[Result]) -> str:
    rows = [["Airflow", "Python", "amazon", "tests", "a real run"], ["---"] * 5]
    rows += [[each.airflow, each.python, each.amazon, each.tests, each.run] for each in results]
    return "\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
