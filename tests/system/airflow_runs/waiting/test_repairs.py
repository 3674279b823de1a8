"""Seven of a thousand tasks fail, and are scheduled again: these seven and no others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sosw_airflow.jobs import job_of
from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.dags import BY_HAND
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits, job_id

pytestmark = pytest.mark.slow

FAILED = [0, 98, 99, 100, 500, 998, 999]
FAILED_WORDS = [f"word_{index}" for index in FAILED]


def in_the_queue(queue: Queue) -> dict[str, list[Any]]:
    """The words of the tasks that are in the queue, by job, in their order; of the labourer whose tasks tests close."""
    found: dict[str, list[Any]] = {}
    for row in queue.rows():
        if row["labourer_id"]["S"] == BY_HAND:
            found.setdefault(job_of(row["task_id"]["S"]), []).extend(json.loads(row["payload"]["S"])["words"])
    return found


def repair_in(queue: Queue, before: set[str]) -> str:
    """The job of the failed words that was not there before. Another DAG may have scheduled its own meanwhile."""
    new = {job: words for job, words in in_the_queue(queue).items() if job not in before}
    (repair,) = [job for job, words in new.items() if words == FAILED_WORDS]
    return repair


def test_cleared_after_failures(airflow: AirflowThatWaits, queue: Queue, closer: Closer) -> None:
    """With `on_clear="failed"` a clear puts the failed tasks into the queue again, and waits for them."""
    dag_id = "cleared_after_failures"
    run = airflow.in_state(dag_id, "deferred")
    assert 1000 == closer.close(job_id(run, BY_HAND), failed=FAILED)
    airflow.in_state(dag_id, "failed")
    assert "7 of 1,000 tasks of the job" in airflow.task_log(dag_id)

    before = set(in_the_queue(queue))
    airflow.user.clear(run.dag_id, run.run_id, "schedule")
    airflow.in_state(dag_id, "deferred", attempt=2)
    repair = repair_in(queue, before)
    closer.close(repair)
    airflow.in_state(dag_id, "success", attempt=2)
    result = airflow.result(dag_id)
    assert (repair, 7, 7, 0) == (result["job_id"], result["tasks"], result["completed"], result["failed"])


def test_repaired_by_another_airflow_task(airflow: AirflowThatWaits, queue: Queue, closer: Closer) -> None:
    """The sensor fails, `SoswRepairOperator` puts the failed tasks into the queue again and waits for them."""
    run = airflow.in_state("repaired", "deferred", task_id="sensor")
    assert 1000 == closer.close(job_id(run, BY_HAND), failed=FAILED)
    before = set(in_the_queue(queue))
    airflow.in_state("repaired", "failed", task_id="sensor")
    airflow.in_state("repaired", "deferred", task_id="repair")
    repair = repair_in(queue, before)
    closer.close(repair)
    airflow.in_state("repaired", "success", task_id="repair")
    result = airflow.result("repaired", "repair")
    assert (job_id(run, BY_HAND), 7, 7) == (result["repairs"], result["tasks"], result["completed"])
