"""A real Airflow: an AIRFLOW_HOME of its own, free ports, sqlite, LocalExecutor."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import psutil

from tests.support.emulators.server_process import free_port
from tests.system.airflow_runs.versions import User, due, ready, services, settings

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).parents[3]
PROCESS_TREE = Path(__file__).with_name("process_tree.py")
#: Generous: machines that run tests are busy with other tests.
PATIENCE = 300.0
COMMAND_SECONDS = 300.0


#: Imported by the scheduler, whose forks run the Airflow tasks: else each of them imports boto3 and its provider anew.
PRELOAD = """
import sys

if "scheduler" in sys.argv:
    import boto3
    import airflow.providers.amazon.aws.hooks.base_aws
    import sosw_airflow.scheduling.scheduler
"""


class AirflowTrouble(AssertionError):
    """A command failed, or what was waited for did not come. The message has the end of the logs."""


@dataclass(frozen=True)
class Run:
    """A DAG run, as the database has it."""

    dag_id: str
    run_id: str
    run_type: str
    state: str
    due: date


@dataclass(frozen=True)
class Instance:
    """An Airflow task instance, as the database has it."""

    run_id: str
    task_id: str
    map_index: int
    state: str | None
    try_number: int
    max_tries: int


class Airflow:
    """A deployment in the folder `home`, empty until `with` starts it.

    DAGs are paused when they are new; `unpause` lets one begin. Nothing of the user's own Airflow, AWS or proxies is in
    its environment.

    dags: text of each DAG file by its name. environment: further variables, such as AIRFLOW_CONN_...
    parallelism: Airflow tasks at once.
    """

    def __init__(
        self, home: Path, *, dags: Mapping[str, str], environment: Mapping[str, str], parallelism: int = 2
    ) -> None:
        self.home = home
        self._dags = dags
        self._port = free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "100",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__SCHEDULER__MAX_DAGRUNS_TO_CREATE_PER_LOOP": "20",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            **settings(self._port),
            **environment,
        }
        self.user = User(self._port, self.environment, self._log("user"))

    # -- life ----------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._write_dags()
            self.command("db", "migrate")
            # While the API server starts: the first tasks need it, but nothing is unpaused before it answers.
            for name, arguments in services(self._port).items():
                if name == "scheduler":
                    self._import_dags()
                self._start(name, arguments)
            self.wait_until(lambda: ready(self._port), "the API server answers")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all of its processes, those of running Airflow tasks as well. Safe to call twice."""
        self.user.close()
        for process in reversed(self._processes.values()):
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for process in self._processes.values():
            process.wait(90)

    def _write_dags(self) -> None:
        folder = self.home / "dags"
        folder.mkdir(parents=True)
        for name, text in self._dags.items():
            (folder / name).write_text(text)

        (self.home / "config").mkdir()
        (self.home / "config" / "airflow_local_settings.py").write_text(PRELOAD)

    def _import_dags(self) -> None:
        self.command("dags", "reserialize")
        missing = {name.removesuffix(".py") for name in self._dags} - {row[0] for row in self._rows("dag", "dag_id")}
        if missing:
            raise AirflowTrouble(f"not imported: {', '.join(sorted(missing))}\n{self._ends_of_logs()}")

    def _start(self, name: str, arguments: list[str]) -> None:
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, str(PROCESS_TREE), sys.executable, "-m", "airflow", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    # -- what one does with it -----------------------------------------------------------------------------------------

    def command(self, *arguments: str) -> str:
        """Run an `airflow` command to its end; its output."""
        log = self._log("commands")
        with log.open("a") as written:
            print("$ airflow", *arguments, file=written, flush=True)
            begin = written.tell()
            with subprocess.Popen(
                [sys.executable, str(PROCESS_TREE), sys.executable, "-m", "airflow", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process:
                code = process.wait(COMMAND_SECONDS)
        output = log.read_bytes()[begin:].decode(errors="replace")
        if code:
            raise AirflowTrouble(f"airflow {' '.join(arguments)}: code {code}\n{output[-6000:]}")
        return output

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler begin with a DAG."""
        with contextlib.closing(self._database()) as database, database:
            database.execute("UPDATE dag SET is_paused = 0 WHERE dag_id = ?", (dag_id,))

    def delete_run(self, run: Run) -> None:
        """Delete a DAG run and its task instances, as the UI does."""
        with contextlib.closing(self._database()) as database, database:
            database.execute("PRAGMA foreign_keys = ON")  # so that what belongs to the run goes with it
            database.execute("DELETE FROM dag_run WHERE dag_id = ? AND run_id = ?", (run.dag_id, run.run_id))

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the scheduler still between two of its transactions.

        A command with a long transaction, such as `backfill create`, fails on sqlite ("database is locked") when
        anybody else has written since the transaction began, however long it would be willing to wait.
        """
        process_tree = psutil.Process(self._processes["scheduler"].pid)
        self.wait_until(lambda: bool(process_tree.children()), "the scheduler has begun")
        (scheduler,) = process_tree.children()
        self.wait_until(lambda: self._suspend(scheduler), "the scheduler is between two transactions")
        try:
            yield
        finally:
            scheduler.resume()

    def first_attempt_ended(self, run: Run) -> None:
        """Wait for it, after a clear of an Airflow task that ran."""
        self.wait_until(
            lambda: all(
                ti.try_number == 2 or ti.state not in ("running", "restarting") for ti in self.instances(run.dag_id)
            ),
            f"the first attempt of {run.dag_id} has ended",
            lambda: self.instances(run.dag_id),
        )

    def _suspend(self, scheduler: psutil.Process) -> bool:
        scheduler.suspend()
        with contextlib.closing(self._database(timeout=0)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                scheduler.resume()
                return False
        return True

    def runs(self, dag_id: str) -> list[Run]:
        """Its runs, in the order of the days on which they are due."""
        logical = "logical_date" if "logical_date" in self._columns("dag_run") else "execution_date"
        found = self._rows("dag_run", "run_id", "run_type", "state", logical, dag_id=dag_id)
        runs = [
            Run(dag_id, run_id, run_type, state, due(datetime.fromisoformat(moment).date()))
            for run_id, run_type, state, moment in found
        ]
        return sorted(runs, key=lambda run: run.due)

    def instances(self, dag_id: str, task_id: str = "schedule") -> list[Instance]:
        """Its Airflow task instances of all runs, in the order of run and map index."""
        columns = ("run_id", "task_id", "map_index", "state", "try_number", "max_tries")
        found = self._rows("task_instance", *columns, dag_id=dag_id, task_id=task_id)
        return sorted((Instance(*row) for row in found), key=lambda each: (each.run_id, each.map_index))

    def finished(self, dag_id: str, *, runs: int = 1, patience: float = PATIENCE) -> list[Run]:
        """Wait until so many runs of the DAG, all that it has, are over; these runs. ``patience``: in seconds."""

        def over() -> bool:
            states = [run.state for run in self.runs(dag_id)]
            return len(states) == runs and set(states) <= {"success", "failed"}

        self.wait_until(over, f"{runs} runs of {dag_id} are over", lambda: [*self.runs(dag_id)], patience=patience)
        return self.runs(dag_id)

    def seconds_of(self, run: Run) -> float:
        """From the begin of a DAG run that is over to its end."""
        ((start, end),) = self._rows("dag_run", "start_date", "end_date", dag_id=run.dag_id, run_id=run.run_id)
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()

    def processor_seconds(self) -> float:
        """Of all its processes so far; those that have ended are in what their parents have waited for."""
        total = 0.0
        for process in self._processes.values():
            root = psutil.Process(process.pid)
            for each in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += sum(each.cpu_times()[:4])
        return total

    def wait_until(
        self,
        condition: Callable[[], bool],
        what: str,
        status: Callable[[], Any] = lambda: "",
        *,
        patience: float = PATIENCE,
    ) -> None:
        """Wait for something to become true while all of the deployment's processes live."""
        deadline = time.monotonic() + patience
        while not condition():
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                trouble = f"{', '.join(dead)} ended" if dead else f"not within {patience:.0f} s"
                raise AirflowTrouble(f"waiting until {what}: {trouble}. {status()}\n{self._ends_of_logs()}")
            time.sleep(0.2)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _rows(self, table: str, *columns: str, **where: str) -> list[tuple[Any, ...]]:
        condition = " AND ".join(f"{name} = ?" for name in where) or "1"
        query = f"SELECT {', '.join(columns)} FROM {table} WHERE {condition}"  # noqa: S608 - names of our own
        with contextlib.closing(self._database()) as database:
            return database.execute(query, tuple(where.values())).fetchall()

    def _database(self, timeout: float = 60) -> sqlite3.Connection:
        return sqlite3.connect(self.home / "airflow.db", timeout=timeout)

    def _columns(self, table: str) -> set[str]:
        with contextlib.closing(self._database()) as database:
            return {row[1] for row in database.execute(f"PRAGMA table_info({table})")}

    def _log(self, name: str) -> Path:
        self.home.mkdir(parents=True, exist_ok=True)
        return self.home / f"{name}.log"

    def _ends_of_logs(self) -> str:
        logs = [*self.home.glob("*.log"), *(self.home / "logs").rglob("attempt=*.log")]
        newest = sorted(logs, key=lambda log: log.stat().st_mtime)[-5:]
        return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-2500:]}" for log in newest)
