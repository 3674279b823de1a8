"""Waits that end early: the worker asks Airflow whether it holds the job, then cancels it. Results of others."""

from __future__ import annotations

import json

import pytest

from sosw_airflow.stores.job_record import JobState
from tests.support.emulators.emulator import Emulator
from tests.system.airflow_runs.conftest import BUCKET
from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.dags import BY_HAND
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits, job_id
from tests.system.airflow_runs.waiting.test_kills import rows, state

pytestmark = pytest.mark.slow

#: Of these Airflow tasks: the generation of an attempt that was never cleared.
RETRIES = 2


@pytest.mark.parametrize(("dag_id", "waits"), [("fast_deferred", "deferred"), ("fast_waiting", "running")])
def test_a_job_that_fails_fast(
    dag_id: str, waits: str, airflow: AirflowThatWaits, queue: Queue, closer: Closer
) -> None:
    """Airflow confirms that the attempt runs: the queue is empty, and the retries are not spent."""
    run = airflow.in_state(dag_id, waits)
    airflow.wait_until(lambda: rows(queue, run, RETRIES) == 8, "the tasks are in the queue")
    closer.close(job_id(run, BY_HAND, RETRIES), failed=[0], only=lambda index: index == 0)
    airflow.in_state(dag_id, "failed")
    (ti,) = airflow.instances(dag_id)
    assert (1, 0, JobState.CANCELLED) == (ti.try_number, rows(queue, run, RETRIES), state(queue, run, RETRIES))
    assert "The job is cancelled: 7 tasks were removed from the queue" in airflow.task_log(dag_id)


def test_a_timeout_that_cancels(airflow: AirflowThatWaits, queue: Queue) -> None:
    """As a tolerance that is exceeded."""
    run = airflow.in_state("late_cancelled", "failed")
    (ti,) = airflow.instances("late_cancelled")
    assert (1, 0, JobState.CANCELLED) == (ti.try_number, rows(queue, run, RETRIES), state(queue, run, RETRIES))


@pytest.mark.parametrize("dag_id", ["over_deferred", "over_waiting"])
def test_results(dag_id: str, airflow: AirflowThatWaits, embedded_aws: Emulator) -> None:
    """Their addresses are in the XCom, each task is in one of the files."""
    airflow.in_state(dag_id, "success")
    results = airflow.result(dag_id)["results"]
    lines = []
    for name in ("completed", "failed"):
        key = results[name].removeprefix(f"s3://{BUCKET}/")
        body = embedded_aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
        lines.append([json.loads(line) for line in body.splitlines()])
    completed, failed = lines
    assert (len(completed), [each["payload"]["words"] for each in failed]) == (18, [["bad_0"], ["bad_1"]])
