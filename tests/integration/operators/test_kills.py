"""A kill of the Airflow task: the job is cancelled only for what a person or a time-out did, as Airflow confirms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sosw_airflow.exceptions import JobStopped, MissingTable
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.triggers import polling
from sosw_airflow.triggers.attempt import KEY
from tests.conftest import Aws
from tests.integration.operators.conftest import MakeContext
from tests.support.airflow_answers import FakeAirflow
from tests.support.deferrals import Deferred, finish

pytestmark = pytest.mark.usefixtures("deferrals")

Kill = Callable[..., int]

#: Some of the states; `tests/unit/triggers/test_attempt.py` has all of them.
KILLED = ["failed", None]
NOT_KILLED = ["running", "up_for_retry"]


@pytest.fixture
def wait(schedule: Any, tutorial_job: Any) -> Callable[..., SoswScheduleOperator]:
    """An operator that waits for the eight tasks of its job."""

    def make(**arguments: Any) -> SoswScheduleOperator:
        return schedule(
            tutorial_job, **{"wait_for_completion": True, "poll_interval": 0.01, "cancel_on_kill": True, **arguments}
        )

    return make


# -- while it runs -------------------------------------------------------------------------------------------------


@pytest.fixture
def kill(installation: Aws, airflow: FakeAirflow, context: MakeContext, wait: Any) -> Kill:
    """Kills an Airflow task that waits, after `meanwhile`; gives how many tasks are left in the queue."""

    def act(meanwhile: Callable[[], None], **arguments: Any) -> int:
        operator = wait(deferrable=False, **arguments)

        def killed(job_id: str) -> None:
            meanwhile()
            operator.on_kill()

        with pytest.raises(JobStopped) as stopped:
            finish(operator, airflow.attempt(context()), deferrable=False, meanwhile=killed)
        left = len(installation.rows())
        assert (left == 0) == ("cancelled" in str(stopped.value))
        return left

    return act


@pytest.mark.parametrize("state", KILLED)
def test_a_kill_that_a_person_meant(kill: Kill, airflow: FakeAirflow, state: str | None) -> None:
    """A state that only a person or a time-out sets: what no worker has received is removed."""
    assert 0 == kill(lambda: setattr(airflow, "state", state))


@pytest.mark.parametrize("state", NOT_KILLED)
def test_a_kill_that_no_person_meant(kill: Kill, airflow: FakeAirflow, state: str | None) -> None:
    """A worker that is shut down, or whose heartbeats timed out: the tasks stay, for the retry."""
    assert 8 == kill(lambda: setattr(airflow, "state", state))


def test_a_kill_of_an_attempt_that_was_replaced(kill: Kill, airflow: FakeAirflow) -> None:
    """A worker stalled, its heartbeats timed out, a retry succeeded: the state is the retry's, and so is the job."""
    assert 8 == kill(lambda: airflow.is_held("success", generation=0, holder="the retry"))


def test_a_kill_of_an_attempt_whose_successor_does_not_say_which(kill: Kill, airflow: FakeAirflow) -> None:
    """Airflow removes the XComs when the next attempt begins."""

    def retried() -> None:
        airflow.state = "success"
        airflow.xcoms.clear()

    assert 8 == kill(retried)


def test_a_kill_while_airflow_is_silent(kill: Kill, airflow: FakeAirflow, caplog: pytest.LogCaptureFixture) -> None:
    """The tasks stay, and the log says why."""
    assert 8 == kill(lambda: setattr(airflow, "silent", True))
    assert "Airflow cannot be asked for the state of this Airflow task" in caplog.text
    assert "is not cancelled, although cancel_on_kill is set" in caplog.text


def test_a_kill_of_a_run_that_was_deleted(kill: Kill, airflow: FakeAirflow) -> None:
    """A person did that."""
    assert 0 == kill(lambda: setattr(airflow, "exists", False))


@pytest.mark.parametrize("on_clear", ["resume", "failed"])
def test_a_clear_that_continues_the_job(kill: Kill, airflow: FakeAirflow, on_clear: str) -> None:
    """The next attempt needs the tasks."""
    assert 8 == kill(lambda: setattr(airflow, "state", "restarting"), on_clear=on_clear)


def test_a_kill_without_cancel_on_kill(kill: Kill, airflow: FakeAirflow) -> None:
    """Airflow is not asked, and no XCom is pushed."""
    assert 8 == kill(lambda: setattr(airflow, "state", "failed"), cancel_on_kill=False)
    assert 0 == airflow.questions
    assert KEY not in airflow.xcoms


def test_a_kill_outside_of_airflow(installation: Aws, context: MakeContext, wait: Any) -> None:
    """In a test of a user, the call itself is the person's act."""
    operator = wait(deferrable=False)
    with pytest.raises(JobStopped, match="cancelled"):
        finish(operator, context(), deferrable=False, meanwhile=lambda _: operator.on_kill())
    assert [] == installation.rows()


def test_an_error_is_no_kill(installation: Aws, airflow: FakeAirflow, context: MakeContext, wait: Any) -> None:
    """With `cancel_on_kill` too: only a kill cancels, whatever state Airflow has."""
    airflow.state = "failed"
    table = installation.names.closed_tasks_table
    with pytest.raises(MissingTable):
        finish(
            wait(deferrable=False),
            airflow.attempt(context()),
            deferrable=False,
            meanwhile=lambda _: installation.dynamodb.delete_table(TableName=table) and None,
        )
    assert 8 == len(installation.rows())
    assert 0 == airflow.questions


# -- while it is deferred ------------------------------------------------------------------------------------------


@pytest.fixture
def kill_deferred(
    installation: Aws, airflow: FakeAirflow, context: MakeContext, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> Kill:
    """Calls the `on_kill` of a deferred Airflow task's trigger after `meanwhile`; gives how many tasks are left."""
    monkeypatch.setattr(polling, "_PATIENCE", 0.05)
    monkeypatch.setattr(polling, "_LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.01)

    def act(meanwhile: Callable[[], None], **arguments: Any) -> int:
        trigger = defer(wait(deferrable=True, **arguments), airflow, context).trigger
        meanwhile()
        asyncio.run(trigger.on_kill())
        return len(installation.rows())

    return act


def defer(operator: Any, airflow: FakeAirflow, context: MakeContext) -> Deferred:
    """Execute up to the deferral; its trigger has its Airflow task instance, as in a triggerer."""
    with pytest.raises(Deferred) as deferred:
        operator.execute(airflow.attempt(context()))
    airflow.state = "deferred"
    deferred.value.trigger.task_instance = SimpleNamespace(
        dag_id="hashtags", run_id="run", task_id="schedule", map_index=-1
    )
    return deferred.value


@pytest.mark.parametrize("state", KILLED)
def test_a_deferral_that_a_person_ended(kill_deferred: Kill, airflow: FakeAirflow, state: str | None) -> None:
    """Marked or cleared: what no worker has received is removed."""
    assert 0 == kill_deferred(lambda: setattr(airflow, "state", state))


@pytest.mark.parametrize("state", ["deferred", "queued"])
def test_a_deferral_that_moved_to_another_triggerer(kill_deferred: Kill, airflow: FakeAirflow, state: str) -> None:
    """Airflow 3.3 reports a stalled triggerer's triggers as killed: the tasks stay."""
    assert 8 == kill_deferred(lambda: setattr(airflow, "state", state))


@pytest.mark.parametrize("state", ["failed", "running"])
def test_a_deferral_that_another_triggerer_ended(kill_deferred: Kill, airflow: FakeAirflow, state: str | None) -> None:
    """The Airflow task has resumed: what became of it then is not the deferral's."""
    assert 8 == kill_deferred(lambda: airflow.is_held(state, generation=0, holder="the attempt that resumed"))


@pytest.mark.parametrize("state", ["running", "failed"])
def test_a_clear_whose_next_attempt_was_faster(kill_deferred: Kill, airflow: FakeAirflow, state: str) -> None:
    """Its mark has a greater generation."""
    assert 0 == kill_deferred(lambda: airflow.is_held(state, generation=1, holder="the next attempt"))


@pytest.mark.parametrize("on_clear", ["resume", "failed"])
@pytest.mark.parametrize("state", [None, "running"])
def test_a_clear_of_a_deferral_that_continues_the_job(
    kill_deferred: Kill, airflow: FakeAirflow, on_clear: str, state: str | None
) -> None:
    """Before its next attempt and after: the tasks stay for it."""

    def cleared() -> None:
        airflow.state = state
        if state is not None:
            airflow.xcoms[KEY] = {"generation": 1, "holder": "the next attempt"}

    assert 8 == kill_deferred(cleared, on_clear=on_clear)


def test_a_clear_whose_next_attempt_is_slow(
    installation: Aws, airflow: FakeAirflow, context: MakeContext, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is queued, it runs, then it says that it is another generation: Airflow is asked until then."""
    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.01)
    trigger = defer(wait(deferrable=True), airflow, context).trigger
    airflow.state = "queued"

    async def clear() -> None:
        kill = asyncio.create_task(trigger.on_kill())
        await airflow.asked(2)
        airflow.attempt(context())
        await airflow.asked(4)
        assert 8 == len(installation.rows())
        airflow.xcoms[KEY] = {"generation": 1, "holder": "the next attempt"}
        await kill

    asyncio.run(clear())
    assert [] == installation.rows()


def test_a_deferral_while_airflow_is_silent(kill_deferred: Kill, airflow: FakeAirflow) -> None:
    """The tasks stay."""
    assert 8 == kill_deferred(lambda: setattr(airflow, "silent", True))


def test_a_deferral_without_cancel_on_kill(kill_deferred: Kill, airflow: FakeAirflow) -> None:
    """Airflow is not asked."""
    assert 8 == kill_deferred(lambda: setattr(airflow, "state", "failed"), cancel_on_kill=False)
    assert 0 == airflow.questions
    assert KEY not in airflow.xcoms


def test_an_attempt_that_resumes_takes_the_job_over(
    airflow: FakeAirflow, context: MakeContext, wait: Any, installation: Aws
) -> None:
    """Also one that resumes only to fail."""
    operator = wait(deferrable=True)
    deferred = defer(operator, airflow, context)
    resumption = context()
    resumption["ti"].xcom_push = airflow.push
    with pytest.raises(Exception, match="Trigger failure"):
        operator.resume_execution("__fail__", {"error": "Trigger failure"}, resumption)
    assert deferred.trigger.mark["holder"] != airflow.xcoms[KEY]["holder"]
