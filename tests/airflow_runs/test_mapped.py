"""Dynamic task mapping in a running Airflow."""

from __future__ import annotations

import pytest

from tests.airflow_runs.dags import MAPPED
from tests.airflow_runs.deployment import Airflow, Run
from tests.airflow_runs.queue import Queue, job_id, upstream_payloads

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(airflow: Airflow) -> Run:
    """A run of `.partial().expand(job=[50 jobs])`, over."""
    airflow.unpause("mapped")
    return airflow.finished("mapped")[0]


def test_each_index_is_a_job_of_its_own(run: Run, airflow: Airflow, queue: Queue) -> None:
    """Fifty indexes, each with the rows of its own job; no id is shared."""
    assert [("success", index) for index in range(50)] == [
        (ti.state, ti.map_index) for ti in airflow.instances("mapped")
    ]
    jobs = [job_id(run, 0, map_index=index) for index in range(50)]
    assert 50 == len(set(jobs))
    assert [upstream_payloads(job, run) for job in MAPPED] == [queue.payloads(job) for job in jobs]


def test_one_index_is_cleared(run: Run, airflow: Airflow, queue: Queue) -> None:
    """Only that one is scheduled again."""
    before = queue.tasks()
    airflow.clear("mapped", run.run_id, "schedule", 7)
    airflow.wait_until(
        lambda: (
            [("success", 2)] == [(ti.state, ti.try_number) for ti in airflow.instances("mapped") if ti.map_index == 7]
        ),
        "index 7 has run again",
    )
    assert {**before, job_id(run, 1, map_index=7): 2} == queue.tasks()
