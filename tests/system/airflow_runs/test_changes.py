"""Edited jobs, deleted runs, cancelled jobs: the other lines of the table in docs/guides/backfills-and-reruns.md."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults.faults import Gate, Kill
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import nth, on
from tests.system.airflow_runs.dag_files import FIRST, job
from tests.system.airflow_runs.dags import LARGE
from tests.system.airflow_runs.deployment import Airflow, Run
from tests.system.airflow_runs.queue import Queue, job_id, upstream_payloads

pytestmark = pytest.mark.slow

Proxies = dict[str, FaultProxy]
EDITED = job(words=3)


def put_job(queue: Queue, dag_id: str, document: dict[str, Any]) -> None:
    """Write the job that the DAG reads from S3 whenever it runs."""
    queue.s3.put_object(Bucket=queue.bucket, Key=f"jobs/{dag_id}.json", Body=json.dumps(document).encode())


def clear_and_wait(airflow: Airflow, run: Run, state: str) -> None:
    """Clear the run's Airflow task, and wait until it has this state after one more attempt."""
    (before,) = airflow.instances(run.dag_id)
    airflow.user.clear(run.dag_id, run.run_id, "schedule")

    def done() -> bool:
        (ti,) = airflow.instances(run.dag_id)
        return ti.try_number > before.try_number and ti.state == state

    airflow.wait_until(done, f"{run.dag_id} is {state} again", lambda: airflow.instances(run.dag_id))


def generations(queue: Queue, run: Run) -> dict[int, int]:
    """How many tasks each generation of the run's job has, those that have any."""
    counted = {number: queue.tasks(job_id(run, number)).total() for number in range(8)}
    return {number: tasks for number, tasks in counted.items() if tasks}


@pytest.fixture(params=["reschedule", "resume"])
def choice(request: pytest.FixtureRequest) -> str:
    """The operator's `on_clear`."""
    return str(request.param)


def test_an_edited_job_is_cleared(choice: str, airflow: Airflow, queue: Queue) -> None:
    """`reschedule`: all tasks of the edited one beside the former ones; `resume`: refused."""
    dag_id = f"edited_{choice}"
    put_job(queue, dag_id, job())
    airflow.unpause(dag_id)
    (run,) = airflow.finished(dag_id)
    put_job(queue, dag_id, EDITED)
    clear_and_wait(airflow, run, "success" if choice == "reschedule" else "failed")
    assert upstream_payloads(job(), run) == queue.payloads(job_id(run, 0))
    assert ({0: 8, 1: 12} if choice == "reschedule" else {0: 8}) == generations(queue, run)


def test_a_job_is_edited_before_its_retry_then_cleared(
    choice: str, airflow: Airflow, queue: Queue, proxies: Proxies, pids: Path
) -> None:
    """The retry is refused. Cleared with the former job: `reschedule` all tasks again, `resume` the rest."""
    dag_id = f"edited_in_between_{choice}"
    put_job(queue, dag_id, LARGE)

    def edit_and_name_the_process() -> int:
        put_job(queue, dag_id, EDITED)
        return int((pids / dag_id).read_text())

    proxies[dag_id].add(on("TransactWriteItems"), Kill(edit_and_name_the_process, applied=False), when=nth(3))
    airflow.unpause(dag_id)
    (run,) = airflow.finished(dag_id)
    assert [("failed", 2)] == [(ti.state, ti.try_number) for ti in airflow.instances(dag_id)]
    (generation, written), *others = generations(queue, run).items()
    assert (3, []) == (generation, others)  # retries=3, of which the refused attempt spent one
    assert 0 < written < 300

    put_job(queue, dag_id, LARGE)
    clear_and_wait(airflow, run, "success")
    if choice == "resume":
        assert upstream_payloads(LARGE, run) == queue.payloads(job_id(run, 3))
        assert {3: 300} == generations(queue, run)
    else:
        assert {3: written, 5: 300} == generations(queue, run)
        assert job_id(run, 3) in queue.files()  # with the whole plan, for whoever wants to look


def test_a_cancelled_job_is_cleared(choice: str, airflow: Airflow, queue: Queue, proxies: Proxies, pids: Path) -> None:
    """Cleared while it runs with `cancel_on_kill`, the first attempt's tasks go; all tasks are there once."""
    dag_id = f"cancelled_{choice}"
    gate = Gate(applied=True)
    proxies[dag_id].add(on("TransactWriteItems"), gate, when=nth(1, 2, 3, 4))
    airflow.unpause(dag_id)
    airflow.wait_until(gate.arrived.is_set, "its pages are under way", lambda: airflow.instances(dag_id))
    (run,) = airflow.runs(dag_id)
    try:
        airflow.user.clear(dag_id, run.run_id, "schedule")
        airflow.wait_until((pids / f"{dag_id}.asked").exists, "Airflow has asked the first attempt to stop")
    finally:
        gate.open()
    (run,) = airflow.finished(dag_id)
    assert {1: 300} == generations(queue, run)


def test_a_deleted_run_is_made_again(airflow: Airflow, queue: Queue) -> None:
    """Under the same run id as under another it is another run: all of its tasks are put in again, once."""

    def make(run_id: str) -> Run:
        airflow.user.trigger("deleted", run_id, FIRST)
        return airflow.finished("deleted")[0]

    airflow.unpause("deleted")
    first = make("by_hand")
    airflow.delete_run(first)
    again = make("by_hand")
    expected = upstream_payloads(job(), replace(again, due=FIRST))
    assert [expected, expected] == queue.payloads_of([job_id(again, 0), job_id(again, 0, rerun=1)])
    clear_and_wait(airflow, again, "success")
    assert {0: 8, 1: 8} == generations(queue, again)
    assert 0 == queue.tasks(job_id(again, 1, rerun=1)).total()

    airflow.delete_run(again)
    assert {0: 8} == generations(queue, make("by_another_hand"))
    assert {0: 8, 1: 8} == generations(queue, again)
