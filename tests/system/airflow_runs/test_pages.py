"""The pages of jobs that a running Airflow has scheduled: the tabs of a DAG run and of a task instance, the link."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.system.airflow_runs.deployment import Airflow, Run
from tests.system.airflow_runs.queue import job_id

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(airflow: Airflow) -> Run:
    """A run of three mapped jobs, over."""
    airflow.unpause("mapped_resume")
    return airflow.finished("mapped_resume")[0]


def test_the_tab_of_a_dag_run(run: Run, airflow: Airflow) -> None:
    """It has the jobs of all its Airflow tasks, each with a link to its page."""
    html = airflow.user.page(f"/sosw/runs/{run.dag_id}/{quote(run.run_id)}")
    for index in range(3):
        job = job_id(run, 0, map_index=index)
        assert f'href="/sosw/c/sosw_default/dags/{run.dag_id}/jobs/{job}"' in html
        assert f"schedule[{index}]" in html


@pytest.mark.parametrize("index", [0, 2])
def test_the_tab_of_a_task_instance(run: Run, airflow: Airflow, index: int) -> None:
    """It has the job of that map index alone. Airflow 3.1.8 leaves the plus sign of a run id as it is."""
    html = airflow.user.page(f"/sosw/instances/{run.dag_id}/{quote(run.run_id, safe='+:')}/schedule/{index}")
    found = [each for each in range(3) if job_id(run, 0, map_index=each) in html]
    assert found == [index]


def test_the_page_of_a_job(run: Run, airflow: Airflow) -> None:
    """It is where the link of the Airflow task leads to."""
    html = airflow.user.page(f"/sosw/c/sosw_default/dags/{run.dag_id}/jobs/{job_id(run, 0, map_index=1)}")
    assert "2 tasks are closed" in html
    assert f"{job_id(run, 0, map_index=1)}000000000001" in html
