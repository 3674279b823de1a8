"""The demo's own Airflow: metadata database, connections, variables, and the run of a DAG in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from demo.process_tree import started

DAGS = Path(__file__).parents[1] / "dags"


class AirflowFailedError(RuntimeError):
    """A command of Airflow failed. The message has the end of the log and the path of the whole."""


class AirflowHome:
    """An Airflow below `state`, untouched by any other Airflow, AWS profile or proxy of the user."""

    def __init__(self, state: Path) -> None:
        self._home = state / "airflow"
        self._log = state / "airflow.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))}
        self._environment = {
            **kept,
            # `airflow standalone` starts its parts by this name, and the environment need not be activated.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def set_up(self, connections: dict[str, Any], variables: dict[str, Any]) -> None:
        """Make the database if there is none of this version, and import what has changed since the last demo."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_text("")
        migrated = self._home / f".migrated-{version('apache-airflow')}"
        if not migrated.exists():
            # Another version's, or one whose migration was interrupted: sqlite cannot roll that back.
            shutil.rmtree(self._home, ignore_errors=True)
            self.command("db", "migrate")
            migrated.touch()
        self._import("connections", connections, "--overwrite")
        self._import("variables", variables)

    def command(self, *arguments: str) -> None:
        """Run one `airflow` command; its output goes to the log."""
        self._execute([sys.executable, "-m", "airflow", *arguments])

    @contextmanager
    def standalone(self, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """All of Airflow's servers, without a login, for this machine only; ended at the end of the context.

        :raises AirflowFailedError: they have ended by themselves.
        """
        environment = {
            **self._environment,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        }
        command = [sys.executable, "-m", "airflow", "standalone"]
        with self._log.open("a") as log, started(command, cwd=DAGS.parent, log=log, environment=environment) as server:
            yield server
            if server.poll() is not None:
                raise self._failure(f"Airflow ended with code {server.returncode}.")

    def run(self, day: date, *dag_ids: str) -> dict[str, Any]:
        """Run DAGs for this logical date.

        Returns for each DAG id the run's `run_id` and `state`, and the XCom `results` by Airflow task id.
        """
        result = self._home / "runs.json"
        result.unlink(missing_ok=True)
        self._execute([sys.executable, "-m", "demo.run_dags", str(DAGS), str(result), day.isoformat(), *dag_ids])
        runs: dict[str, Any] = json.loads(result.read_text())
        for dag_id, run in runs.items():
            if run["state"] != "success":
                raise self._failure(f"The run {run['run_id']} of {dag_id} ended as {run['state']}.")
        return runs

    def _import(self, kind: str, document: dict[str, Any], *options: str) -> None:
        text = json.dumps(document, indent=2)
        file = self._home / f"{kind}.json"
        imported = self._home / f".{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if imported.exists():
            return
        file.write_text(text)
        self.command(kind, "import", *options, str(file))
        for former in self._home.glob(f".{kind}-*"):
            former.unlink()
        imported.touch()

    def _execute(self, command: list[str]) -> None:
        with self._log.open("a") as log:
            print("$", *command, file=log, flush=True)
            with started(command, cwd=DAGS.parent, log=log, environment=self._environment) as process:
                code = process.wait()
        if code:
            raise self._failure(f"`{' '.join(command[1:])}` failed with code {code}.")

    def _failure(self, what: str) -> AirflowFailedError:
        lines = self._log.read_text(errors="replace").splitlines()
        end = "\n".join(lines[-60:])
        return AirflowFailedError(f"{end}\n\n{what} The end of its log is above, the whole is {self._log}.")
