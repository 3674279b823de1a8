"""One partition, three ways to its run: one reference date, one data interval."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.sensors.dags import HAS_PARTITIONS, PARTITIONED
from tests.system.airflow_runs.versions import backfill
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_PARTITIONS, reason="Airflow 3.3 has partitions with dates")]

DAY = date(2026, 2, 28)


@pytest.fixture(scope="module")
def backfilled(airflow: AirflowThatWaits) -> None:
    """A backfill of the partition, beside the scheduled run and the run that its asset starts."""
    with airflow.quiet():
        airflow.command(*backfill("part_backfill", DAY, DAY))


@pytest.mark.parametrize("task_id", ["today", "interval"])
@pytest.mark.parametrize("dag_id", PARTITIONED)
def test_the_partition_gives_the_date(
    dag_id: str, task_id: str, airflow: AirflowThatWaits, queue: Queue, backfilled: None
) -> None:
    """Scheduled on 1 March, backfilled, started by an asset today: 28 February in all three."""
    runs: list[Any] = []

    def one_run() -> bool:
        runs[:] = airflow.partitions(dag_id)
        return bool(runs)

    airflow.wait_until(one_run, f"{dag_id} has a run")
    assert [key for _, key in runs] == ["2026-02-28T00:00:00"]
    airflow.wait_until(
        lambda: [ti.state for ti in airflow.instances(dag_id, task_id)] == ["success"],
        f"{task_id} of {dag_id} has succeeded",
        lambda: (airflow.instances(dag_id, task_id), airflow.task_log(dag_id, task_id)[-2000:]),
    )
    summary = airflow.result(dag_id, task_id)
    assert summary["reference_date"] == "2026-02-28"
    (payload,) = queue.payloads(str(summary["job_id"]))
    assert payload["date_list"] == ["2026-02-28"]
