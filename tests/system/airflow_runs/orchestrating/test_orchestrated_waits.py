"""``orchestrate=True`` in a running Airflow: no other process invokes, closes or retries anything."""

from __future__ import annotations

import pytest

from tests.support.emulators.emulator import Emulator
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

pytestmark = pytest.mark.slow


def closed(aws: Emulator, labourer: str) -> int:
    """Tasks of the labourer that are closed as completed."""
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName="sosw_closed_tasks")
    status = f"{labourer}_1"
    return sum(row["labourer_id_task_status"]["S"] == status for page in pages for row in page["Items"])


def test_a_triggerer_that_is_killed_twice(airflow: AirflowThatWaits, aws: Emulator) -> None:
    """The next one continues; each task is completed once, and none is left."""
    for _ in range(2):
        before = closed(aws, "patient")
        airflow.wait_until(lambda before=before: closed(aws, "patient") >= before + 30, "30 more tasks are closed")  # type: ignore[misc]
        airflow.kill_triggerer()
        airflow.start_triggerer()
    airflow.in_state("killed", "success")
    result = airflow.result("killed")
    assert (200, 200, 0) == (result["tasks"], result["completed"], result["failed"])
    assert 200 == closed(aws, "patient")
    left = aws.client("dynamodb").scan(TableName="sosw_tasks")["Items"]
    assert [] == [row["task_id"]["S"] for row in left if row["labourer_id"]["S"] == "patient"]


@pytest.mark.parametrize("dag_id", ["deferred", "waiting"])
def test_a_job_is_done(dag_id: str, airflow: AirflowThatWaits) -> None:
    """In the triggerer and in the worker, with the same counts."""
    airflow.in_state(dag_id, "success")
    result = airflow.result(dag_id)
    assert (20, 18, 2) == (result["tasks"], result["completed"], result["failed"])


def test_a_job_that_fails(airflow: AirflowThatWaits) -> None:
    """The log has the cause that the function gave."""
    airflow.in_state("failing", "failed")
    assert "no such word: bad_0" in airflow.task_log("failing")
