"""sosw's own components work on the tasks of DAGs that wait, each in its way; some tasks fail until they are dead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

pytestmark = pytest.mark.slow

#: Two of the twenty tasks are never completed.
COUNTS = {"tasks": 20, "completed": 18, "failed": 2, "state": "closed"}


def counts(result: dict[str, Any]) -> dict[str, Any]:
    """What is in the XCom about the end."""
    return {name: result[name] for name in COUNTS}


@pytest.mark.parametrize("dag_id", ["over_deferred", "over_waiting"])
def test_failures_that_are_tolerated(dag_id: str, airflow: AirflowThatWaits) -> None:
    """The Airflow task succeeds; its counts are in the XCom and in the log."""
    airflow.in_state(dag_id, "success")
    assert COUNTS == counts(airflow.result(dag_id))
    assert "18 tasks completed, 2 failed (tolerated: " in airflow.task_log(dag_id)


@pytest.mark.parametrize(("dag_id", "tolerated"), [("over_deferred_strict", 0), ("over_waiting_strict", 1)])
def test_failures_that_are_not(dag_id: str, tolerated: int, airflow: AirflowThatWaits) -> None:
    """The Airflow task fails, says which tasks did and how to repair them."""
    airflow.in_state(dag_id, "failed")
    log = airflow.task_log(dag_id)
    assert f"failed (18 completed; tolerated: {tolerated})" in log
    assert "(3 attempts): " in log
    assert "bad_0" in log
    assert "sosw-airflow repair " in log


@pytest.mark.parametrize("task_id", ["deferred", "waiting"])
def test_a_sensor_that_tolerates(task_id: str, airflow: AirflowThatWaits) -> None:
    """It ends as the operator does."""
    airflow.in_state("sensed", "success", task_id=task_id)
    assert COUNTS == counts(airflow.result("sensed", task_id))


def test_a_sensor_that_does_not(airflow: AirflowThatWaits) -> None:
    """It fails as the operator does."""
    airflow.in_state("sensed", "failed", task_id="strict")
    assert "2 of 20 tasks of the job" in airflow.task_log("sensed", "strict")
