"""What happens to a job, and to its counts, when a person or a failure interrupts the Airflow task that waits."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from sosw_airflow.stores.job_record import JobRecords, JobState
from tests.system.airflow_runs.deployment import Run
from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.versions import AIRFLOW_2
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.dags import BY_HAND, HOPPING_INTERVAL
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits, job_id

pytestmark = pytest.mark.slow

#: When a line was logged, in the logs of Airflow 2 and 3.
_MOMENT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}")


def rows(queue: Queue, run: Run, generation: int = 0) -> int:
    """How many tasks of this generation are in the queue."""
    return queue.tasks(job_id(run, BY_HAND, generation)).total()


def state(queue: Queue, run: Run, generation: int = 0) -> JobState | None:
    """Of the job's record."""
    header = JobRecords(queue.dynamodb, "sosw_jobs").header(job_id(run, BY_HAND, generation))
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
        # The arguments of the first version, and one that this version does not know.
        for added in ("cancel_on_kill", "mark", "clear_kills", "hops"):
            del arguments[added]
        arguments["gone"] = 7

    airflow.edit(airflow.trigger_of(dag_id), of_another_version)
    airflow.start_triggerer()
    airflow.in_state(dag_id, "success")
    (ti,) = airflow.instances(dag_id)
    result = airflow.result(dag_id)
    assert (8, 7, 1) == (result["tasks"], result["completed"], result["failed"])
    assert (1, 0) == (ti.try_number, rows(queue, run))
    assert "Arguments of another version are ignored: gone." in airflow.task_log(dag_id) + airflow.triggerer_log()


def test_a_triggerer_that_stalls(airflow: AirflowThatWaits, queue: Queue, closer: Closer) -> None:
    """Another one takes its triggers over. The first one, awake again, is asked to kill them: no task is removed."""
    dag_id = "stalled"
    run = airflow.in_state(dag_id, "deferred")
    airflow.wait_until(lambda: "0 of 8 tasks" in airflow.task_log(dag_id), "the first triggerer polls")
    first = airflow.triggerer_of(dag_id)
    airflow.suspend_triggerer()
    try:
        airflow.start_triggerer("second_triggerer")
        airflow.wait_until(lambda: airflow.triggerer_of(dag_id) not in (None, first), "the second triggerer has it")
    finally:
        airflow.wake_triggerer()

    def confirmed() -> bool:
        # Airflow 2 calls no `on_kill` of a trigger.
        return AIRFLOW_2 or "is not cancelled, although cancel_on_kill is set" in _all_logs(airflow, dag_id)

    airflow.wait_until(confirmed, "the first triggerer has asked Airflow", lambda: _all_logs(airflow, dag_id)[-3000:])
    assert (8, JobState.WRITTEN) == (rows(queue, run), state(queue, run))
    airflow.kill_triggerer()
    closer.close(job_id(run, BY_HAND))
    airflow.in_state(dag_id, "success")
    airflow.kill_triggerer("second_triggerer")
    airflow.start_triggerer()


def _all_logs(airflow: AirflowThatWaits, dag_id: str) -> str:
    return airflow.task_log(dag_id) + airflow.triggerer_log()


def test_a_worker_that_stalls(airflow: AirflowThatWaits, queue: Queue, closer: Closer) -> None:
    """Its heartbeats time out, a retry begins. The first worker wakes, and Airflow 3 kills it: no task is removed."""
    dag_id = "stalled_worker"
    run = airflow.in_state(dag_id, "running")
    airflow.wait_until(lambda: "0 of 8 tasks" in airflow.task_log(dag_id), "it waits")
    processes = airflow.worker_of(dag_id)
    airflow.suspend(processes)
    try:
        airflow.in_state(dag_id, "running", attempt=2)
        airflow.wait_until(lambda: airflow.task_log(dag_id).count("0 of 8 tasks") > 1, "the retry waits")
    finally:
        for each in reversed(processes):
            each.resume()

    def confirmed() -> bool:
        # Airflow 2.11 kills no such worker: its supervisor only warns that the recorded pid is another.
        sign = "does not match the current pid" if AIRFLOW_2 else "is not cancelled, although cancel_on_kill is set"
        return sign in airflow.task_log(dag_id)

    airflow.wait_until(confirmed, "the first worker is awake", lambda: airflow.task_log(dag_id)[-3000:])
    # With one retry the first generation has the number 1.
    assert (8, JobState.WRITTEN) == (rows(queue, run, 1), state(queue, run, 1))
    closer.close(job_id(run, BY_HAND, 1))
    airflow.in_state(dag_id, "success", attempt=2)


def test_a_triggerer_that_lacks_the_connection(airflow: AirflowThatWaits, queue: Queue) -> None:
    """The log of the Airflow task has the reason at each hop; the fifth fails it. The tasks stay."""
    dag_id = "hopping"
    run = airflow.in_state(dag_id, "failed")
    log = airflow.task_log(dag_id)
    hops = [line for line in log.splitlines() if "The triggerer tries again (" in line]
    assert [f"({hop} of 5)" for hop in (1, 2, 3, 4)] == [re.findall(r"\(\d of 5\)", line)[0] for line in hops]
    assert all("Its reason: " in line for line in hops)
    assert log.count("sosw_only_workers") >= 5  # Airflow 2 breaks the line of the reason
    assert "5 times in a row, the worker could" in log
    moments = [datetime.fromisoformat(_MOMENT.findall(line)[0]) for line in hops]
    assert all(later - earlier >= HOPPING_INTERVAL for earlier, later in pairwise(moments)), moments
    assert (8, JobState.WRITTEN) == (rows(queue, run), state(queue, run))


@pytest.mark.parametrize("dag_id", ["late", "late_waiting"])
def test_a_timeout(dag_id: str, airflow: AirflowThatWaits, queue: Queue) -> None:
    """The Airflow task fails; the tasks stay where they are."""
    run = airflow.in_state(dag_id, "failed")
    assert "0 of 8 tasks are closed" in airflow.task_log(dag_id)
    assert (8, JobState.WRITTEN) == (rows(queue, run), state(queue, run))


def test_marked_as_failed_while_deferred(airflow: AirflowThatWaits, queue: Queue) -> None:
    """With `cancel_on_kill`, Airflow 3.3 has the trigger cancel the job. Airflow 2 has no such call: the tasks stay."""
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


def test_cleared_while_deferred_with_cancel_on_kill(airflow: AirflowThatWaits, queue: Queue, closer: Closer) -> None:
    """Airflow 3.3: the former generation's tasks are removed, however fast the next attempt was."""
    dag_id = "cleared_cancelled"
    run = airflow.in_state(dag_id, "deferred")
    airflow.wait_until(lambda: "0 of 8 tasks" in airflow.task_log(dag_id), "the trigger polls")
    airflow.user.clear(run.dag_id, run.run_id, "schedule")
    airflow.in_state(dag_id, "deferred", attempt=2)
    if AIRFLOW_2:
        assert 8 == rows(queue, run)
    else:
        airflow.wait_until(lambda: rows(queue, run) == 0, "the former tasks are removed")
        assert JobState.CANCELLED is state(queue, run)
    assert 8 == rows(queue, run, 1)
    closer.close(job_id(run, BY_HAND, 1))
    airflow.in_state(dag_id, "success", attempt=2)


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
