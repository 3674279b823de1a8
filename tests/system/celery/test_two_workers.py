"""Mapped jobs on two Celery workers, one of which is killed in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from sosw_airflow.stores.tables import create_missing_tables
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.faults.faults import Delay
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import on
from tests.system.airflow_runs.conftest import BUCKET, connections
from tests.system.airflow_runs.dag_files import LABOURER, dag_file
from tests.system.airflow_runs.deployment import Airflow
from tests.system.airflow_runs.queue import Queue, job_id, upstream_payloads
from tests.system.celery.servers import postgres, redis

if TYPE_CHECKING:
    from typing_extensions import Self

pytest.importorskip("airflow.providers.celery", reason="`make test-celery` has an environment with Celery")

pytestmark = pytest.mark.slow

JOBS: list[dict[str, Any]] = [
    {"topics": {f"topic_{number}": {"words": [f"word_{word}" for word in range(250)]}}, "isolate_words": True}
    for number in range(30)
]
WORKERS = ("first", "second")


class AirflowOnCelery(Airflow):
    """A deployment whose metadata are in Postgres, with two workers."""

    def __enter__(self) -> Self:
        super().__enter__()
        for name in WORKERS:
            options = ["--celery-hostname", name, "--concurrency", "2", "--pid", str(self.home / f"{name}.pid")]
            self._start(
                name, ["celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle", *options]
            )
        return self

    def kill_worker(self, name: str) -> None:
        """SIGKILL a worker and all of its processes, as a machine that is lost."""
        lost = self._processes_of(name)
        del self._processes[name]  # it may end from now on
        for process in lost:
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(lost, timeout=30)

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler begin with a DAG."""
        self._query("UPDATE dag SET is_paused = FALSE WHERE dag_id = %s", (dag_id,))

    def at_work(self) -> dict[str, set[int]]:
        """The map indexes that each worker has under way."""
        running = dict(self._query("SELECT pid, map_index FROM task_instance WHERE state = 'running'"))
        return {
            name: {running[each.pid] for each in self._processes_of(name) if each.pid in running} for name in WORKERS
        }

    def _processes_of(self, worker: str) -> list[psutil.Process]:
        return psutil.Process(self._processes[worker].pid).children(recursive=True)

    def _rows(self, table: str, *columns: str, **where: str) -> list[tuple[Any, ...]]:
        condition = " AND ".join(f"{name} = %s" for name in where) or "TRUE"
        found = self._query(f"SELECT {', '.join(columns)} FROM {table} WHERE {condition}", tuple(where.values()))  # noqa: S608
        return [tuple(each.isoformat() if hasattr(each, "isoformat") else each for each in row) for row in found]

    def _columns(self, table: str) -> set[str]:
        query = "SELECT column_name, 1 FROM information_schema.columns WHERE table_name = %s"
        return {row[0] for row in self._query(query, (table,))}

    def _query(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        import psycopg2

        with contextlib.closing(psycopg2.connect(f"postgresql://{self.database}")) as connection, connection:
            cursor = connection.cursor()
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    database: str


@pytest.fixture
def queue_and_proxy(tmp_path: Path) -> Iterator[tuple[Queue, FaultProxy]]:
    """sosw's queue, and a slow way to it: a kill shall find work under way."""
    with ministack_server(tmp_path / "ministack.log") as emulator, FaultProxy(emulator.endpoint_url) as proxy:
        create_missing_tables(emulator.client("dynamodb"))
        emulator.create_bucket(BUCKET)
        proxy.add(on("TransactWriteItems"), Delay(request=3.0))
        yield Queue(emulator.client("dynamodb"), emulator.client("s3"), BUCKET), proxy


@pytest.fixture
def airflow(
    tmp_path_factory: pytest.TempPathFactory, queue_and_proxy: tuple[Queue, FaultProxy]
) -> Iterator[AirflowOnCelery]:
    """Airflow on Celery, running."""
    home = tmp_path_factory.mktemp("celery")
    servers = home / "servers"
    servers.mkdir()
    (home / "pids").mkdir()
    with redis(servers) as broker, postgres(servers) as database:
        environment = {
            **connections({"default": queue_and_proxy[1].url}),
            "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({LABOURER: {}}),
            "SOSW_TEST_PIDS": str(home / "pids"),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "32",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql://{database}",
            "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
            # What a lost worker has had is given to others again after so many seconds.
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        }
        dags = {"spread.py": dag_file("spread", jobs=JOBS, retries=3)}
        deployment = AirflowOnCelery(home / "airflow", dags=dags, environment=environment)
        deployment.database = database
        with deployment as running:
            yield running


@pytest.mark.timeout(1200)
def test_one_of_two_workers_is_killed(airflow: AirflowOnCelery, queue_and_proxy: tuple[Queue, FaultProxy]) -> None:
    """Both had work, one was lost with its tasks under way: in the end each task exists once."""
    queue, proxy = queue_and_proxy
    airflow.unpause("spread")
    airflow.wait_until(lambda: _both_work(airflow), "both workers have tasks under way, some are done")
    lost = airflow.at_work()[WORKERS[0]]
    airflow.kill_worker(WORKERS[0])
    (run,) = airflow.finished("spread")
    proxy.wait_idle()

    instances = airflow.instances("spread")
    assert [("success", index) for index in range(30)] == [(each.state, each.map_index) for each in instances]
    assert {each.map_index for each in instances if each.try_number > 1} & lost
    jobs = [job_id(run, 3, map_index=index) for index in range(30)]
    assert [upstream_payloads(each, run) for each in JOBS] == queue.payloads_of(jobs)
    assert Counter(dict.fromkeys(jobs, 250)) == queue.tasks()


def _both_work(airflow: AirflowOnCelery) -> bool:
    done = any(each.state == "success" for each in airflow.instances("spread"))
    return done and all(airflow.at_work().values())
