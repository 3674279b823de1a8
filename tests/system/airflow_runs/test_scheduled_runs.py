"""Scheduled runs with catchup, automatic retries and clears in a running Airflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faults.faults import Gate, Kill
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import nth, on
from tests.system.airflow_runs.dag_files import job
from tests.system.airflow_runs.dags import LARGE, TEN_DAYS
from tests.system.airflow_runs.deployment import Airflow, Run
from tests.system.airflow_runs.queue import Queue, job_id, upstream_payloads

pytestmark = pytest.mark.slow

Proxies = dict[str, FaultProxy]


def run_again(airflow: Airflow, run: Run) -> Run:
    """Clear the run's Airflow task and wait for its second attempt; the run as it is then."""
    before = {ti.run_id: ti.try_number for ti in airflow.instances(run.dag_id)}
    airflow.user.clear(run.dag_id, run.run_id, "schedule")
    airflow.wait_until(
        lambda: any(
            (run.run_id, "success") == (ti.run_id, ti.state) and ti.try_number > before[ti.run_id]
            for ti in airflow.instances(run.dag_id)
        ),
        f"{run.run_id} of {run.dag_id} has run again",
        lambda: airflow.instances(run.dag_id),
    )
    return run


@pytest.fixture(scope="module", params=["reschedule", "resume"])
def choice(request: pytest.FixtureRequest) -> str:
    """The operator's `on_clear`."""
    return str(request.param)


@pytest.fixture(scope="module")
def three_days(airflow: Airflow, choice: str) -> list[Run]:
    """The runs of a DAG that catches up three days, over."""
    airflow.unpause(f"caught_up_{choice}")
    return airflow.finished(f"caught_up_{choice}", runs=3)


def test_catchup_gives_each_day_its_rows(three_days: list[Run], queue: Queue) -> None:
    """Scheduled months late, each run has what upstream would have made on its day."""
    assert TEN_DAYS[:3] == [run.due for run in three_days]
    expected = [upstream_payloads(job(), run) for run in three_days]
    assert expected == queue.payloads_of([job_id(run, 0) for run in three_days])


def test_a_clear_after_success(three_days: list[Run], choice: str, airflow: Airflow, queue: Queue) -> None:
    """`reschedule`: all tasks of this run again, once; `resume`: nothing new."""
    before = queue.tasks()
    run = run_again(airflow, three_days[1])
    new = {job_id(run, 1): 8} if choice == "reschedule" else {}
    assert {**before, **new} == queue.tasks()


def test_an_automatic_retry_after_a_crash(
    choice: str, airflow: Airflow, queue: Queue, proxies: Proxies, pids: Path
) -> None:
    """Killed in the middle of its pages, the same generation goes on: each task once, whatever `on_clear` says."""
    dag_id = f"killed_{choice}"
    kill = Kill(lambda: int((pids / dag_id).read_text()), applied=False)
    rule = proxies[dag_id].add(on("TransactWriteItems"), kill, when=nth(3))
    airflow.unpause(dag_id)
    (run,) = airflow.finished(dag_id)
    assert [("success", 2, 1)] == [(ti.state, ti.try_number, ti.max_tries) for ti in airflow.instances(dag_id)]
    assert 1 == rule.struck
    assert upstream_payloads(LARGE, run) == queue.payloads(job_id(run, 1))
    assert {} == {job: tasks for job, tasks in queue.tasks(*(job_id(run, g) for g in (0, 2, 3))).items() if tasks}
    assert job_id(run, 1) not in queue.files()


def test_a_clear_while_it_runs(choice: str, airflow: Airflow, queue: Queue, proxies: Proxies) -> None:
    """`reschedule`: all tasks again, beside what the first had written; `resume`: the same job is completed."""
    dag_id = f"cleared_running_{choice}"
    gate = Gate()
    proxies[dag_id].add(on("TransactWriteItems"), gate, when=nth(3, 4))
    airflow.unpause(dag_id)
    airflow.wait_until(gate.arrived.is_set, "its third page is under way", lambda: airflow.instances(dag_id))
    (run,) = airflow.runs(dag_id)
    try:
        airflow.user.clear(dag_id, run.run_id, "schedule")
        airflow.first_attempt_ended(run)
    finally:
        gate.open()
    (run,) = airflow.finished(dag_id)
    proxies[dag_id].wait_idle()
    (ti,) = airflow.instances(dag_id)
    assert ("success", 2) == (ti.state, ti.try_number)
    tasks = queue.tasks(job_id(run, 0), job_id(run, 1))
    if choice == "resume":
        assert upstream_payloads(LARGE, run) == queue.payloads(job_id(run, 0))
        assert 0 == tasks[job_id(run, 1)]
    else:
        assert upstream_payloads(LARGE, run) == queue.payloads(job_id(run, 1))
        assert tasks[job_id(run, 0)] in range(1, 301)
