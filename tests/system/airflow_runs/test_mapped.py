"""Dynamic task mapping in a running Airflow."""

from __future__ import annotations

import pytest

from tests.system.airflow_runs.dags import MAPPED
from tests.system.airflow_runs.deployment import Airflow, Run
from tests.system.airflow_runs.queue import Queue, job_id, upstream_payloads

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(airflow: Airflow) -> Run:
    """A run of `.partial().expand(job=[50 jobs])`, over."""
    airflow.unpause("mapped")
    return airflow.finished("mapped")[0]


def wait_for_second_attempt(airflow: Airflow, dag_id: str, map_index: int) -> None:
    """Wait until the index has run twice, with success."""
    airflow.wait_until(
        lambda: (
            [("success", 2)]
            == [(ti.state, ti.try_number) for ti in airflow.instances(dag_id) if ti.map_index == map_index]
        ),
        f"index {map_index} has run again",
        lambda: airflow.instances(dag_id),
    )


def test_each_index_is_a_job_of_its_own(run: Run, airflow: Airflow, queue: Queue) -> None:
    """Fifty indexes, each with the rows of its own job; no id is shared."""
    assert [("success", index) for index in range(50)] == [
        (ti.state, ti.map_index) for ti in airflow.instances("mapped")
    ]
    jobs = [job_id(run, 0, map_index=index) for index in range(50)]
    assert 50 == len(set(jobs))
    assert [upstream_payloads(job, run) for job in MAPPED] == queue.payloads_of(jobs)


def test_one_index_is_cleared(run: Run, airflow: Airflow, queue: Queue) -> None:
    """Only that one is scheduled again."""
    before = queue.tasks()
    airflow.user.clear("mapped", run.run_id, "schedule", 7)
    wait_for_second_attempt(airflow, "mapped", 7)
    assert {**before, job_id(run, 1, map_index=7): 2} == queue.tasks()


def test_one_index_is_cleared_with_resume(airflow: Airflow, queue: Queue) -> None:
    """Its job is there already: nothing new."""
    airflow.unpause("mapped_resume")
    (run,) = airflow.finished("mapped_resume")
    before = queue.rows()
    airflow.user.clear("mapped_resume", run.run_id, "schedule", 1)
    wait_for_second_attempt(airflow, "mapped_resume", 1)
    assert before == queue.rows()
    assert [2, 2, 2] == [queue.tasks(job_id(run, 0, map_index=index)).total() for index in range(3)]
