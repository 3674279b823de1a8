"""What happens to a job, and to the counting of it, when somebody acts on the Airflow task that waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.stores.job_record import JobRecords, JobState
from tests.system.airflow_runs.deployment import Run
from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.versions import AIRFLOW_2
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.dags import BY_HAND
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits, job_id

pytestmark = pytest.mark.slow


def rows(queue: Queue, run: Run, generation: int = 0) -> int:
    """How many tasks of this generation are in the queue."""
    return queue.tasks(job_id(run, BY_HAND, generation)).total()


def state(queue: Queue, run: Run) -> JobState | None:
    """Of the job's record."""
    header = JobRecords(queue.dynamodb, "sosw_jobs").header(job_id(run, BY_HAND))
    return header.state if header else None


def test_a_triggerer_that_is_killed(airflow: AirflowThatWaits, queue: Queue, closer: Closer) -> None:
    """Another one goes on, also with arguments of another version of the trigger: nothing again, all counted once."""
    dag_id = "triggerer_killed"
    run = airflow.in_state(dag_id, "deferred")
    closer.close(job_id(run, BY_HAND), only=lambda index: index < 3)
    airflow.wait_until(lambda: "3 of 8 tasks" in airflow.task_log(dag_id), "the trigger has counted three")
    airflow.kill_triggerer()
    closer.close(job_id(run, BY_HAND), failed=[7])

    def of_another_version(arguments: dict[str, Any]) -> None:
        del arguments["cancel_on_kill"]
        arguments["gone"] = 7

    airflow.edit(airflow.trigger_of(dag_id), of_another_version)
    airflow.start_triggerer()
    airflow.in_state(dag_id, "success")
    (ti,) = airflow.instances(dag_id)
    result = airflow.result(dag_id)
    assert (8, 7, 1) == (result["tasks"], result["completed"], result["failed"])
    assert (1, 0) == (ti.try_number, rows(queue, run))
    assert "Arguments of another version are ignored: gone." in airflow.task_log(dag_id) + airflow.triggerer_log()


@pytest.mark.parametrize("dag_id", ["late", "late_waiting"])
def test_a_timeout(dag_id: str, airflow: AirflowThatWaits, queue: Queue) -> None:
    """The Airflow task fails; the tasks stay where they are."""
    run = airflow.in_state(dag_id, "failed")
    assert "0 of 8 tasks are closed" in airflow.task_log(dag_id)
    assert (8, JobState.WRITTEN) == (rows(queue, run), state(queue, run))


def test_marked_as_failed_while_deferred(airflow: AirflowThatWaits, queue: Queue) -> None:
    """With `cancel_on_kill`, Airflow 3.3 has the trigger cancel the job. Airflow 2 tells nobody: the tasks stay."""
    run = airflow.in_state("marked_deferred", "deferred")
    trigger = airflow.trigger_of("marked_deferred")
    airflow.user.mark(run.dag_id, run.run_id, "schedule", "failed")
    airflow.wait_until(lambda: trigger not in airflow.triggers(), "the trigger is gone")
    if AIRFLOW_2:
        assert (8, JobState.WRITTEN) == (rows(queue, run), state(queue, run))
    else:
        airflow.wait_until(lambda: rows(queue, run) == 0, "the tasks are taken out of the queue")
        assert JobState.CANCELLED is state(queue, run)
    assert ["failed"] == [ti.state for ti in airflow.instances("marked_deferred")]


def test_marked_as_successful_while_deferred(airflow: AirflowThatWaits, queue: Queue) -> None:
    """Without `cancel_on_kill` the tasks stay."""
    run = airflow.in_state("marked_kept", "deferred")
    trigger = airflow.trigger_of("marked_kept")
    airflow.user.mark(run.dag_id, run.run_id, "schedule", "success")
    airflow.wait_until(lambda: trigger not in airflow.triggers(), "the trigger is gone")
    assert (8, JobState.WRITTEN) == (rows(queue, run), state(queue, run))


def test_marked_as_failed_while_it_waits(airflow: AirflowThatWaits, queue: Queue) -> None:
    """With `cancel_on_kill` its process cancels the job before it ends."""
    run = airflow.in_state("marked_waiting", "running")
    airflow.wait_until(lambda: rows(queue, run) == 8, "the tasks are in the queue")
    airflow.wait_until(lambda: "0 of 8 tasks" in airflow.task_log("marked_waiting"), "it waits")
    airflow.user.mark(run.dag_id, run.run_id, "schedule", "failed")
    airflow.wait_until(lambda: rows(queue, run) == 0, "the tasks are taken out of the queue")
    assert JobState.CANCELLED is state(queue, run)


@pytest.mark.parametrize(("choice", "again"), [("reschedule", 8), ("failed", 0), ("resume", 0)])
def test_cleared_while_deferred(
    choice: str, again: int, airflow: AirflowThatWaits, queue: Queue, closer: Closer
) -> None:
    """`reschedule` schedules all tasks again and waits for these; the others go on with the job as it is."""
    dag_id = f"cleared_{choice}"
    run = airflow.in_state(dag_id, "deferred")
    closer.close(job_id(run, BY_HAND), failed=[0], only=lambda index: index < 3)
    airflow.user.clear(run.dag_id, run.run_id, "schedule")
    airflow.in_state(dag_id, "deferred", attempt=2)
    assert (5, again) == (rows(queue, run), rows(queue, run, 1))
    for generation in (0, 1):
        closer.close(job_id(run, BY_HAND, generation), failed=[7])
    airflow.in_state(dag_id, "success", attempt=2)
    result = airflow.result(dag_id)
    assert job_id(run, BY_HAND, 1 if again else 0) == result["job_id"]
    assert ((7, 1) if again else (6, 2)) == (result["completed"], result["failed"])
