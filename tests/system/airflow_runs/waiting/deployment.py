"""An Airflow with triggerers, and what the tests of waiting read in it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil

from sosw_airflow.jobs.identity import JobIdentity
from tests.system.airflow_runs.deployment import Airflow, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

TRIGGERER = "triggerer"
#: In the names of the environment variables that a triggerer does not have.
ONLY_WORKERS = "ONLY_WORKERS"
_FINAL = frozenset({"success", "failed", "skipped", "upstream_failed"})


@dataclass(frozen=True)
class Trigger:
    """A trigger, as the database has it while an Airflow task is deferred."""

    trigger_id: int
    kwargs: dict[str, Any]


class AirflowThatWaits(Airflow):
    """A deployment whose DAGs begin at once, with triggerers that can stall, be killed and started again."""

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.start_triggerer()
            # Not earlier: Airflow 3 fails what begins before its API server answers.
            for name in self._dags:
                self.unpause(name.removesuffix(".py"))
        except BaseException:
            self.stop()
            raise
        return self

    def start_triggerer(self, name: str = TRIGGERER) -> None:
        """Start it; it is not waited for. It lacks the Connections that only workers have."""
        everything = self.environment
        self.environment = {key: value for key, value in everything.items() if ONLY_WORKERS not in key}
        try:
            self._start(name, ["triggerer", "--skip-serve-logs"])
        finally:
            self.environment = everything

    def kill_triggerer(self, name: str = TRIGGERER) -> None:
        """SIGKILL for all of its processes."""
        process_tree = self._processes.pop(name)
        while process_tree.poll() is None:  # a process may have begun another one after it was listed
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in psutil.Process(process_tree.pid).children(recursive=True):
                    process.kill()
            time.sleep(0.1)

    def triggerer_pid(self, name: str = TRIGGERER) -> int:
        """Of the process that has started all others of it."""
        return self._processes[name].pid

    def suspend_triggerer(self, name: str = TRIGGERER) -> None:
        """Let it stall: all of its processes stop."""
        self.suspend(psutil.Process(self._processes[name].pid).children(recursive=True))

    def suspend(self, processes: Sequence[psutil.Process]) -> None:
        """Stop these processes, but not in the middle of a transaction: SQLite would stop all others too."""

        def suspended() -> bool:
            for process in processes:
                process.suspend()
            try:
                with contextlib.closing(self._database(timeout=5)) as database:
                    database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                for process in processes:
                    process.resume()
                return False
            return True

        self.wait_until(suspended, "the processes are stopped while the database is free")

    def wake_triggerer(self, name: str = TRIGGERER) -> None:
        """Let it continue."""
        for process in psutil.Process(self._processes[name].pid).children(recursive=True):
            process.resume()

    def triggerer_log(self, name: str = TRIGGERER) -> str:
        """What it has written, of all its lives."""
        return self._log(name).read_text(errors="replace")

    def worker_of(self, dag_id: str) -> list[psutil.Process]:
        """The process of the running Airflow task and the one that supervises it."""
        ((pid,),) = self._rows("task_instance", "pid", dag_id=dag_id, task_id="schedule")
        process = psutil.Process(pid)
        parent = process.parent()
        assert parent is not None
        return [parent, process]

    # -- what the database has -------------------------------------------------------------------------------------

    def run_of(self, dag_id: str) -> Run:
        """The only run of the DAG; it is waited for."""
        self.wait_until(lambda: bool(self.runs(dag_id)), f"{dag_id} has a run")
        (run,) = self.runs(dag_id)
        return run

    def in_state(self, dag_id: str, *states: str, task_id: str = "schedule", attempt: int = 1) -> Run:
        """Wait until the Airflow task is in one of these states, at this attempt or a later one."""

        def status() -> Any:
            return self.instances(dag_id, task_id)

        def reached() -> bool:
            found = [ti for ti in status() if ti.try_number >= attempt]
            wrong = [ti for ti in found if ti.state in _FINAL and ti.state not in states]
            assert not wrong, f"{wrong}: {self.task_log(dag_id, task_id)[-3000:]}"
            return any(ti.state in states for ti in found)

        self.wait_until(reached, f"{task_id} of {dag_id} is {' or '.join(states)}", status)
        return self.run_of(dag_id)

    def result(self, dag_id: str, task_id: str = "schedule") -> dict[str, Any]:
        """What the Airflow task has returned."""
        ((value,),) = self._rows("xcom", "value", dag_id=dag_id, task_id=task_id, key="return_value")
        while isinstance(value, (str, bytes)):
            value = json.loads(value)
        return dict(value)

    def values(self, dag_id: str, task_id: str) -> list[Any]:
        """What each instance of a mapped Airflow task has returned, in order, as the database has it."""
        found = self._rows("xcom", "map_index", "value", dag_id=dag_id, task_id=task_id, key="return_value")
        return [value for _, value in sorted(found)]

    def partitions(self, dag_id: str) -> list[tuple[str, str]]:
        """The id and the partition key of each run."""
        return [(run_id, key) for run_id, key in self._rows("dag_run", "run_id", "partition_key", dag_id=dag_id)]

    def task_log(self, dag_id: str, task_id: str = "schedule") -> str:
        """What all attempts have logged."""
        folder = self.home / "logs" / f"dag_id={dag_id}"
        files = [path for path in folder.rglob("attempt=*") if f"task_id={task_id}" in str(path) and path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in sorted(files))

    def triggers(self) -> list[Trigger]:
        """All that there are. They are not encrypted in this deployment."""
        return [
            Trigger(trigger_id, _without_types(json.loads(kwargs)))
            for trigger_id, kwargs in self._rows("trigger", "id", "kwargs")
        ]

    def triggerer_of(self, dag_id: str) -> int | None:
        """The id of the triggerer that runs the DAG's trigger."""
        ((found,),) = self._rows("trigger", "triggerer_id", id=str(self.trigger_of(dag_id).trigger_id))
        return None if found is None else int(found)

    def trigger_of(self, dag_id: str) -> Trigger:
        """The one for which the DAG's Airflow task is deferred."""
        ((wanted,),) = self._rows("task_instance", "trigger_id", dag_id=dag_id, task_id="schedule")
        (found,) = (each for each in self.triggers() if each.trigger_id == wanted)
        return found

    def edit(self, trigger: Trigger, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the arguments with which the next triggerer makes the trigger."""
        with contextlib.closing(self._database()) as database, database:
            which = (trigger.trigger_id,)
            ((text,),) = database.execute("SELECT kwargs FROM trigger WHERE id = ?", which)
            stored = json.loads(text)
            change(_arguments(stored))
            database.execute("UPDATE trigger SET kwargs = ? WHERE id = ?", (json.dumps(stored), *which))

    def multiply(self, dag_id: str, arguments: Sequence[Mapping[str, Any]]) -> None:
        """Let the deferred Airflow task have mapped instances that are deferred too, with these triggers' arguments.

        To run as many Airflow tasks up to their deferral would take minutes.
        """
        with contextlib.closing(self._database()) as database, database:
            database.row_factory = sqlite3.Row
            (ti,) = map(dict, database.execute("SELECT * FROM task_instance WHERE dag_id = ?", (dag_id,)))
            (trigger,) = map(dict, database.execute("SELECT * FROM trigger WHERE id = ?", (ti["trigger_id"],)))
            for index, own in enumerate(arguments):
                stored = json.loads(trigger["kwargs"])
                _arguments(stored).update(own)
                copy = {**trigger, "id": None, "kwargs": json.dumps(stored), "triggerer_id": None}
                identity = {"id": uuid4().hex if "-" not in ti["id"] else str(uuid4())} if "id" in ti else {}
                trigger_id = _insert(database, "trigger", copy)
                _insert(database, "task_instance", {**ti, **identity, "map_index": index, "trigger_id": trigger_id})

    def reduce(self, dag_id: str) -> None:
        """Take these instances away again."""
        with contextlib.closing(self._database()) as database, database:
            database.execute("DELETE FROM task_instance WHERE dag_id = ? AND map_index >= 0", (dag_id,))


def _insert(database: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int | None:
    names, places = ", ".join(row), ", ".join("?" * len(row))
    statement = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - names of Airflow's own
    return database.execute(statement, tuple(row.values())).lastrowid


def _arguments(stored: dict[str, Any]) -> dict[str, Any]:
    """The arguments in what Airflow's serialization of a dict is."""
    arguments: dict[str, Any] = stored.get("__var", stored)
    return arguments


def _without_types(stored: dict[str, Any]) -> dict[str, Any]:
    return dict(_arguments(stored))


def job_id(run: Run, labourer: str, generation: int = 0) -> str:
    """The id of the job that the Airflow task `schedule` of this run makes."""
    return JobIdentity(run.dag_id, run.run_id, "schedule", -1, generation, labourer).job_id
