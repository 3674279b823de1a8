"""The only module of this folder that knows what differs between Airflow 2 and 3.

| what            | Airflow 2.10, 2.11                       | Airflow 3.0 and later                       |
| --------------- | ---------------------------------------- | ------------------------------------------- |
| processes       | scheduler                                | scheduler, API server                       |
| executor        | LocalExecutor, in spite of sqlite        | LocalExecutor                               |
| a backfill      | `dags backfill`, runs in the command     | `backfill create`, run by the scheduler     |
| the same again  | finished runs are left alone             | `--reprocess-behavior none`                 |
| anew            | `--reset-dagruns`                        | `--reprocess-behavior completed`            |
| a clear         | a process that has Airflow imported      | the API server, as the UI does it           |
| a daily run for | the day after its logical date           | its logical date                            |
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

VERSION = tuple(int(part) for part in version("apache-airflow").split(".")[:2])
AIRFLOW_2 = VERSION < (3, 0)

#: `clear(dag_id, run_id, task_id, map_index)`; a map index of None is the whole Airflow task.
Clear = Callable[[str, str, str, "int | None"], None]


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
        return bool(_ask(port, "GET", "/api/v2/version"))
    except (urllib.error.URLError, OSError):
        return False


def backfill(dag_id: str, first: date, last: date, *, anew: bool = False) -> list[str]:
    """The `airflow` command for the runs that are due on these days, the last one included."""
    if AIRFLOW_2:
        begin, end = (str(day - timedelta(days=1)) for day in (first, last))
        return ["dags", "backfill", dag_id, "-s", begin, "-e", end, *(["--reset-dagruns", "--yes"] if anew else [])]
    behaviour = "completed" if anew else "none"
    dates = ["--from-date", str(first), "--to-date", str(last)]
    return ["backfill", "create", "--dag-id", dag_id, *dates, "--reprocess-behavior", behaviour]


def due(logical_date: date) -> date:
    """The day on which the daily run with this logical date is due, which is when sosw's Scheduler would have run."""
    return logical_date + timedelta(days=1) if AIRFLOW_2 else logical_date


def start_date(first_due: date) -> date:
    """The `start_date` of a daily DAG whose first run is due on this day."""
    return first_due - timedelta(days=1) if AIRFLOW_2 else first_due


class Clearer:
    """Clears Airflow tasks, as a user of the UI does."""

    def __init__(self, port: int, environment: Mapping[str, str], log: Path) -> None:
        self._port = port
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, dag_id: str, run_id: str, task_id: str, map_index: int | None = None) -> None:
        """Clear an Airflow task of a run, or one of its mapped instances."""
        if AIRFLOW_2:
            self._by_process([dag_id, run_id, task_id, map_index])
        else:
            body = {
                "dry_run": False,
                "only_failed": False,
                "dag_run_id": run_id,
                "task_ids": [task_id if map_index is None else [task_id, map_index]],
                "reset_dag_runs": True,
            }
            _ask(self._port, "POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)

    def close(self) -> None:
        """End what it has started."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait(30)

    def _by_process(self, arguments: Sequence[Any]) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.airflow_runs.clear"],
                cwd=Path(__file__).parents[2],
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log.open("a"),
                text=True,
            )
        stdin, stdout = _pipes(self._process)
        stdin.write(json.dumps(arguments) + "\n")
        stdin.flush()
        for line in stdout:
            if line.startswith("cleared "):
                return
        raise RuntimeError(f"the clear failed: {self._log}")


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _ask(port: int, method: str, path: str, body: Any = None) -> Any:
    token = _request(port, "GET", "/auth/token", None, {}).get("access_token", "") if body is not None else ""
    return _request(port, method, path, body, {"Authorization": f"Bearer {token}"} if token else {})


def _request(port: int, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
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
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:  # noqa: PERF203 - that is what a retry is
            if error.code < 500 or attempt == 4:  # sqlite may be locked for a moment
                raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error
            time.sleep(0.5)
    raise AssertionError
