"""The only module of this folder that knows what differs between Airflow 2 and 3.

| what            | Airflow 2.10, 2.11                       | Airflow 3.0 and later                       |
| --------------- | ---------------------------------------- | ------------------------------------------- |
| processes       | scheduler                                | scheduler, API server                       |
| executor        | LocalExecutor, in spite of sqlite        | LocalExecutor                               |
| a backfill      | `dags backfill`, runs in the command     | `backfill create`, run by the scheduler     |
| the same again  | finished runs are left alone             | `--reprocess-behavior none`                 |
| anew            | `--reset-dagruns`                        | `--reprocess-behavior completed`            |
| a user          | a process that has Airflow imported      | the API server, as the UI does it           |
| a daily run for | the day after its logical date           | its logical date                            |
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

VERSION = tuple(int(part) for part in version("apache-airflow").split(".")[:2])
AIRFLOW_2 = VERSION < (3, 0)


def settings(port: int) -> dict[str, str]:
    """Airflow's configuration, beyond what both have in common."""
    if AIRFLOW_2:
        return {
            # One process at a time would do for sqlite, but starts a new interpreter for each Airflow task.
            "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
            # The scheduler's own DAG processor has to run: it is what fails an Airflow task that has lost its process.
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "600",
            # How soon an Airflow task notices that it was cleared: the longer one of the two.
            "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "3600",
        }
    return {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": "the same for all processes of one deployment, in a test anything will do",
        # Airflow 3.0 writes None into its tokens otherwise, which today's PyJWT refuses.
        "AIRFLOW__API_AUTH__JWT_ISSUER": "airflow",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "15",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }


def services(port: int) -> dict[str, list[str]]:
    """The `airflow` commands that stay, by the name of their log; in the order in which they are started."""
    scheduler = {"scheduler": ["scheduler", "--skip-serve-logs"]}
    if AIRFLOW_2:
        return scheduler
    server = ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return {"api-server": [*server, "--apps", "all"], **scheduler}


def ready(port: int) -> bool:
    """Whether the scheduler can be started: its tasks need the API server from their first moment."""
    if AIRFLOW_2:
        return True
    try:
        return bool(_request(port, "GET", "/api/v2/version", None, {}))
    except (urllib.error.URLError, OSError):
        return False


def backfill(dag_id: str, first: date, last: date, *, reprocess: str = "none") -> list[str]:
    """The `airflow` command for the runs that are due on these days, the last one included.

    reprocess: which runs that exist are run again: `none`, `completed`, `failed` (Airflow 3 only).
    """
    if AIRFLOW_2:
        begin, end = (str(day - timedelta(days=1)) for day in (first, last))
        options = {"none": [], "completed": ["--reset-dagruns", "--yes"]}[reprocess]
        return ["dags", "backfill", dag_id, "-s", begin, "-e", end, *options]
    dates = ["--from-date", str(first), "--to-date", str(last)]
    return ["backfill", "create", "--dag-id", dag_id, *dates, "--reprocess-behavior", reprocess]


def due(logical_date: date) -> date:
    """The day on which the daily run with this logical date is due, which is when sosw's Scheduler would have run."""
    return logical_date + timedelta(days=1) if AIRFLOW_2 else logical_date


def start_date(first_due: date) -> date:
    """The `start_date` of a daily DAG whose first run is due on this day."""
    return first_due - timedelta(days=1) if AIRFLOW_2 else first_due


class User:
    """Does what a user does in the UI."""

    def __init__(self, port: int, environment: Mapping[str, str], log: Path) -> None:
        self._port = port
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def clear(self, dag_id: str, run_id: str, task_id: str, map_index: int | None = None) -> None:
        """Clear an Airflow task of a run, or one of its mapped instances."""
        if AIRFLOW_2:
            self._by_process("clear", dag_id, run_id, task_id, map_index)
        else:
            body = {
                "dry_run": False,
                "only_failed": False,
                "dag_run_id": run_id,
                "task_ids": [task_id if map_index is None else [task_id, map_index]],
                "reset_dag_runs": True,
            }
            _ask(self._port, "POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark an Airflow task as `failed` or `success`."""
        if AIRFLOW_2:
            self._by_process("mark", dag_id, run_id, task_id, state)
        else:
            path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
            _ask(self._port, "PATCH", path, {"new_state": state})

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """The extra links of an Airflow task: address by name."""
        if AIRFLOW_2:
            found = self._by_process("links", dag_id, run_id, task_id)
        else:
            path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/links"
            found = _ask(self._port, "GET", path)["extra_links"]
        return dict(found)

    def page(self, path: str) -> str:
        """A page of this provider, as HTML."""
        if AIRFLOW_2:
            return str(self._by_process("page", path))
        token = _request(self._port, "GET", "/auth/token", None, {})["access_token"]
        return _text(self._port, "GET", path, None, {"Authorization": f"Bearer {token}"})

    def trigger(self, dag_id: str, run_id: str, day: date) -> None:
        """Make a run by hand, with this run id and logical date."""
        if AIRFLOW_2:
            self._by_process("trigger", dag_id, run_id, str(day))
        else:
            body = {"dag_run_id": run_id, "logical_date": f"{day}T00:00:00Z"}
            _ask(self._port, "POST", f"/api/v2/dags/{dag_id}/dagRuns", body)

    def backfill(self, dag_id: str, first: date, last: date, reprocess: str) -> None:
        """Airflow 3: as the command does, one run at a time."""
        days = {"from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z"}
        body = {"dag_id": dag_id, **days, "reprocess_behavior": reprocess, "max_active_runs": 1}
        _ask(self._port, "POST", "/api/v2/backfills", body)

    def end_backfills(self, dag_id: str) -> None:
        """End the DAG's backfills, whose runs are over: up to half a minute before the scheduler would note it."""
        if AIRFLOW_2:
            return
        for each in _ask(self._port, "GET", f"/api/v2/backfills?dag_id={dag_id}")["backfills"]:
            if each["completed_at"] is None:
                try:
                    _ask(self._port, "PUT", f"/api/v2/backfills/{each['id']}/cancel")
                except RuntimeError as error:
                    if "already completed" not in str(error):
                        raise

    def close(self) -> None:
        """End what it has started."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait(30)

    def _by_process(self, *command: Any) -> Any:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.airflow_runs.user"],
                cwd=Path(__file__).parents[3],
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log.open("a"),
                text=True,
            )
        stdin, stdout = _pipes(self._process)
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()
        for line in stdout:
            if line.startswith("done "):
                return json.loads(line.removeprefix("done "))
        raise RuntimeError(f"it failed: {self._log}")


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _ask(port: int, method: str, path: str, body: Any = None) -> Any:
    token = _request(port, "GET", "/auth/token", None, {})["access_token"]
    return _request(port, method, path, body, {"Authorization": f"Bearer {token}"})


def _request(port: int, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
    return json.loads(_text(port, method, path, body, headers))


def _text(port: int, method: str, path: str, body: Any, headers: Mapping[str, str]) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=data,
        method=method,
        headers={"Content-Type": "application/json", **headers},
    )
    for attempt in range(5):
        try:
            with opener.open(request, timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:  # noqa: PERF203 - that is what a retry is
            if error.code < 500 or attempt == 4:  # sqlite may be locked for a moment
                raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error
            time.sleep(0.5)
    raise AssertionError
