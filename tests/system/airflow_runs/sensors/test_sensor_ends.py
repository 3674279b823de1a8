"""`soft_fail` and `never_fail` in every mode, when the job has failed at the first poll and at a later one."""

from __future__ import annotations

import pytest

from tests.system.airflow_runs.sensors.dags import FLAGS, MODES
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def failed_job(airflow: AirflowThatWaits, closer: Closer) -> str:
    """A job that fails while sensors of every mode wait for it."""
    airflow.in_state("ends", "success")
    job_id = str(airflow.result("ends")["job_id"])
    waits = {"poke": "running", "reschedule": "up_for_reschedule", "deferrable": "deferred"}
    for flag in FLAGS:
        for mode in MODES:
            airflow.in_state("ends", waits[mode], task_id=f"{flag}_{mode}_later")
    closer.close(job_id, failed=[0])
    return job_id


@pytest.mark.parametrize("when", ["later", "first"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("flag", FLAGS)
def test_a_sensor_is_skipped(flag: str, mode: str, when: str, failed_job: str, airflow: AirflowThatWaits) -> None:
    """As `BaseSensorOperator` promises; Airflow 2.11 sees no nested `execute`."""
    task_id = f"{flag}_{mode}_{when}"
    airflow.in_state("ends", "skipped", task_id=task_id)
    log = airflow.task_log("ends", task_id)
    assert f"1 of 4 tasks of the job {failed_job} failed" in log or "Skipping due to" in log
    assert "cannot be called outside" not in log
