"""A DAG that an asset starts knows the job, in a running Airflow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.airflow_runs.dag_files import FIRST
from tests.system.airflow_runs.sensors.dags import HAS_PARTITIONS
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

pytestmark = pytest.mark.slow


def read_by(airflow: AirflowThatWaits, dag_id: str) -> dict[str, Any]:
    """What the started DAG has read, once it has. Its run has no logical date."""
    airflow.wait_until(
        lambda: [ti.state for ti in airflow.instances(dag_id, "read")] == ["success"], f"{dag_id} has read its events"
    )
    return airflow.result(dag_id, "read")


def test_the_started_dag_reads_the_job(airflow: AirflowThatWaits) -> None:
    """It has the id, the size and the day of the job that started it."""
    airflow.in_state("asset_made", "success")
    made, read = airflow.result("asset_made"), read_by(airflow, "asset_read")
    assert (read["job_id"], read["tasks"], read["reference_date"]) == (made["job_id"], 4, str(FIRST))


@pytest.mark.skipif(not HAS_PARTITIONS, reason="Airflow 3.3 lets an Airflow task name partitions")
def test_a_partition_is_the_reference_date(airflow: AirflowThatWaits) -> None:
    """Named at run time, it starts the DAG that is scheduled by days."""
    airflow.user.trigger("part_made", "by_hand", FIRST)
    read = read_by(airflow, "part_read")
    assert (read["reference_date"], read["partition"]) == (str(FIRST), str(FIRST))
