"""`fail_fast` and `timeout_action`: a wait that ends early cancels its job, once Airflow confirms that it holds it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from sosw_airflow._compat import AirflowFailException
from sosw_airflow.cli import main
from sosw_airflow.exceptions import InvalidConfiguration, JobCancelled, JobFailed, JobTimedOut, SoswError
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.stores.job_record import JobRecords, JobState
from sosw_airflow.triggers.attempt import KEY
from sosw_airflow.triggers.polling import AsyncJobPoller
from sosw_airflow.triggers.sosw import SoswJobTrigger
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_orchestrated_waits import ended, failing_for
from tests.integration.orchestration.conftest import Lambda
from tests.support.airflow_answers import FakeAirflow
from tests.support.closing import close
from tests.support.deferrals import Deferred, events, finish

__all__ = ["ended"]

pytestmark = pytest.mark.usefixtures("deferrals")

BOTH_WAYS = pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])
FAST: dict[str, Any] = {"wait_for_completion": True, "poll_interval": 0.01, "fail_fast": True}

Wait = Callable[..., Any]


def state_of(aws: Aws, job_id: str) -> JobState:
    """The state in the job's record."""
    header = JobRecords(aws.dynamodb, "sosw_jobs").header(job_id)
    assert header is not None
    return header.state


def failing(aws: Aws, count: int) -> Callable[[str], None]:
    """So many tasks of the job fail; the next one is invoked and runs."""

    def act(job_id: str) -> None:
        close(aws, job_id, range(count), completed=False)
        aws.dynamodb.update_item(
            TableName="sosw_tasks",
            Key={"task_id": {"S": task_id(job_id, count)}},
            UpdateExpression="SET attempts = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    return act


@pytest.fixture
def wait(installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any) -> Wait:
    """Run an operator with the eight tasks of the tutorial's job to its end; gives the error in which it ends."""

    def run(meanwhile: Callable[[str], None], *, deferrable: bool, **arguments: Any) -> Any:
        operator = schedule(tutorial_job, **{**FAST, **arguments}, deferrable=deferrable)
        with pytest.raises(SoswError) as ended:
            finish(operator, context(), deferrable=deferrable, meanwhile=meanwhile)
        return ended.value

    return run


# -- more tasks failed than are tolerated ------------------------------------------------------------------------------


@BOTH_WAYS
def test_the_tolerance_is_exceeded(installation: Aws, wait: Wait, deferrable: bool) -> None:
    """The job is cancelled: queued tasks leave the queue, the one that runs stays. Airflow does not retry."""
    error = wait(failing(installation, 3), deferrable=deferrable, tolerated_failures=2)
    assert isinstance(error, JobFailed)
    assert isinstance(error, AirflowFailException)
    assert "3 of 8 tasks" in str(error)
    assert "tolerated: 2).\nCauses:\n  - 3 x no error is stored" in str(error)
    assert "The job is cancelled: 4 tasks were removed from the queue, 4 are with the workers or over" in str(error)
    assert [each["task_id"]["S"] for each in installation.rows()] == [task_id(error.job_id, 3)]
    assert state_of(installation, error.job_id) is JobState.CANCELLED


@BOTH_WAYS
@pytest.mark.parametrize("tolerated", [3, "37.5%"])
def test_the_tolerance_is_not_exceeded(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, deferrable: bool, tolerated: Any
) -> None:
    """The wait ends when every task is closed."""

    def meanwhile(job_id: str) -> None:
        close(installation, job_id, range(3), completed=False)
        close(installation, job_id, range(3, 8))

    operator = schedule(tutorial_job, **FAST, tolerated_failures=tolerated, deferrable=deferrable)
    summary = finish(operator, context(), deferrable=deferrable, meanwhile=meanwhile)
    assert (summary["failed"], summary["completed"], summary["state"]) == (3, 5, "closed")


@BOTH_WAYS
def test_without_fail_fast(installation: Aws, wait: Wait, deferrable: bool) -> None:
    """A job that fails is waited for to its end."""
    error = wait(failing(installation, 3), deferrable=deferrable, fail_fast=False, timeout=0.1)
    assert isinstance(error, JobTimedOut)
    assert len(installation.rows()) == 5


@BOTH_WAYS
def test_the_last_task_exceeds_it(installation: Aws, wait: Wait, deferrable: bool) -> None:
    """The job is over: nothing is cancelled, and the remedy is a repair."""

    def meanwhile(job_id: str) -> None:
        close(installation, job_id, range(8), completed=False)

    error = wait(meanwhile, deferrable=deferrable)
    assert f"Fix: schedule them again with `sosw-airflow repair {error.job_id}`" in str(error)
    assert state_of(installation, error.job_id) is JobState.WRITTEN


def test_a_job_that_is_over_when_the_worker_resumes(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """The trigger has seen it before its end: nothing is cancelled."""
    operator = schedule(tutorial_job, **FAST, deferrable=True)
    with pytest.raises(Deferred) as deferred:
        operator.execute(context())
    job_id = deferred.value.trigger.job_id
    close(installation, job_id, [0], completed=False)
    (event,) = events(deferred.value.trigger)
    close(installation, job_id, range(1, 8))
    with pytest.raises(JobFailed, match="1 of 8 tasks .* failed .7 completed"):
        operator.execute_complete(context(), event, **deferred.value.kwargs)
    assert event["status"] == "exceeded"
    assert state_of(installation, job_id) is JobState.WRITTEN


def test_a_dag_that_is_edited_while_the_airflow_task_is_deferred(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """Without `fail_fast` it waits again."""
    with pytest.raises(Deferred) as deferred:
        schedule(tutorial_job, **FAST, deferrable=True).execute(context())
    close(installation, deferred.value.trigger.job_id, [0], completed=False)
    (event,) = events(deferred.value.trigger)
    edited = schedule(tutorial_job, **{**FAST, "fail_fast": False}, deferrable=True)
    with pytest.raises(Deferred) as again:
        edited.execute_complete(context(), event, **deferred.value.kwargs)
    assert (again.value.trigger.tolerance, again.value.trigger.hops) == (None, 0)
    assert len(installation.rows()) == 7


def test_a_retry_after_the_cancelling(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """A worker that died before it could report: the next attempt schedules nothing, and is the last one."""
    with pytest.raises(JobFailed):
        finish(
            schedule(tutorial_job, **FAST, deferrable=False),
            context(max_tries=1),
            deferrable=False,
            meanwhile=failing(installation, 3),
        )
    left = installation.rows()
    with pytest.raises(JobCancelled) as refused:
        schedule(tutorial_job, **FAST).execute(context(try_number=2, max_tries=1))
    assert isinstance(refused.value, AirflowFailException)
    assert installation.rows() == left


@BOTH_WAYS
def test_an_orchestrated_job(
    function: Lambda,
    installation: Aws,
    schedule: Any,
    context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    """A failure is seen at the turn that closes it, whatever `poll_interval` says; nothing is invoked any more."""
    settings = {LABOURER: {"invocation": "request", "max_attempts": 1, "max_simultaneous_invocations": 2}}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps(settings))
    function.reply = failing_for("x")
    job = {"topics": {f"t{number}": {"words": ["x"]} for number in range(60)}, "isolate_words": True}
    arguments = {"orchestrate": True, "fail_fast": True, "poll_interval": 3600, "tolerated_failures": 3}
    operator = schedule(job, **arguments, deferrable=deferrable)
    with pytest.raises(JobFailed, match="The job is cancelled") as failed:
        finish(operator, context(), deferrable=deferrable, meanwhile=lambda _: None)
    assert 3 < failed.value.failed < 40
    assert "ValueError: no such word" in str(failed.value)
    assert len(function.events) < 40
    assert [each for each in installation.rows() if each["attempts"]["N"] == "0"] == []


# -- the timeout -------------------------------------------------------------------------------------------------------

LATE: dict[str, Any] = {"fail_fast": False, "timeout": timedelta(seconds=0.2), "timeout_action": "cancel"}


@BOTH_WAYS
def test_a_timeout_that_cancels(installation: Aws, wait: Wait, deferrable: bool) -> None:
    """Queued tasks leave the queue, and Airflow does not retry."""
    error = wait(lambda job_id: close(installation, job_id, [0]), deferrable=deferrable, **LATE)
    assert isinstance(error, JobTimedOut)
    assert isinstance(error, AirflowFailException)
    assert "was not done in time: 1 of 8 tasks are closed. The job is cancelled: 7 tasks were removed" in str(error)
    assert installation.rows() == []


def test_a_job_that_is_over_after_its_timeout(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """The trigger has seen the timeout, the worker finds every task closed: it succeeds."""
    operator = schedule(tutorial_job, **{**FAST, **LATE}, deferrable=True)
    with pytest.raises(Deferred) as deferred:
        operator.execute(context())
    job_id = deferred.value.trigger.job_id
    (event,) = events(deferred.value.trigger)
    close(installation, job_id, range(8))
    assert event["status"] == "timed_out"
    assert operator.execute_complete(context(), event, **deferred.value.kwargs)["completed"] == 8


# -- Airflow is asked --------------------------------------------------------------------------------------------------

#: What happens while the operator waits -> whether it may cancel.
ANSWERS: dict[str, tuple[Callable[[FakeAirflow], None], bool]] = {
    "it runs": (lambda airflow: None, True),
    "it was cleared": (lambda airflow: setattr(airflow, "state", "restarting"), False),
    "it waits for a retry": (lambda airflow: setattr(airflow, "state", "up_for_retry"), False),
    "a person marked it": (lambda airflow: setattr(airflow, "state", "failed"), False),
    "its run was deleted": (lambda airflow: setattr(airflow, "exists", False), False),
    "another attempt runs": (lambda airflow: airflow.is_held("running", generation=1, holder="another"), False),
    "its mark is gone": (lambda airflow: airflow.xcoms.clear(), False),
    "no answer": (lambda airflow: setattr(airflow, "silent", True), False),
}


@pytest.fixture
def asked(installation: Aws, airflow: FakeAirflow, schedule: Any, context: MakeContext, tutorial_job: Any) -> Wait:
    """As `wait`, in an Airflow whose answer changes when the job is about to be cancelled."""

    def run(answer: Callable[[FakeAirflow], None], *, deferrable: bool, **arguments: Any) -> Any:
        operator = schedule(tutorial_job, **{**FAST, **arguments}, deferrable=deferrable)
        running = airflow.attempt(context())
        if not deferrable:

            def meanwhile(job_id: str) -> None:
                failing(installation, 3)(job_id)
                answer(airflow)

            with pytest.raises(SoswError) as ended:
                finish(operator, running, deferrable=False, meanwhile=meanwhile)
            return ended.value
        with pytest.raises(Deferred) as deferred:
            operator.execute(running)
        trigger = deferred.value.trigger
        trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
        failing(installation, 3)(trigger.job_id)
        (event,) = events(trigger)
        resumed = airflow.attempt(context())
        push = airflow.push

        def push_and_answer(key: str, value: Any) -> None:
            push(key, value)
            answer(airflow)

        resumed["ti"].xcom_push = push_and_answer
        with pytest.raises(SoswError) as ended:
            operator.resume_execution("execute_complete", {"event": event, **deferred.value.kwargs}, resumed)
        return ended.value

    return run


@BOTH_WAYS
@pytest.mark.parametrize("arguments", [{}, LATE], ids=["fail_fast", "timeout"])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_airflow_answers(
    installation: Aws, asked: Wait, name: str, arguments: dict[str, Any], deferrable: bool
) -> None:
    """Only an attempt that holds the job cancels it; the error says whether it did."""
    answer, cancels = ANSWERS[name]
    error = asked(answer, deferrable=deferrable, **arguments)
    assert ("The job is cancelled: 4 tasks were removed" in str(error)) == cancels
    assert ("The job is not cancelled: Airflow does not confirm" in str(error)) != cancels
    assert len(installation.rows()) == (1 if cancels else 5)


@BOTH_WAYS
def test_nothing_is_asked_without_the_arguments(asked: Wait, airflow: FakeAirflow, deferrable: bool) -> None:
    """No mark is pushed."""
    asked(lambda _: None, deferrable=deferrable, fail_fast=False, timeout=0.1)
    assert (airflow.questions, KEY in airflow.xcoms) == (0, False)


def test_aws_refuses_the_cancelling(installation: Aws, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the job is not lost; it says why its tasks stay."""

    def meanwhile(job_id: str) -> None:
        failing(installation, 3)(job_id)
        refuse = create_autospec(cancel_job, side_effect=SoswError("AWS refuses dynamodb:DeleteItem"))
        monkeypatch.setattr("sosw_airflow.operators.cancellation.cancel_job", refuse)

    error = wait(meanwhile, deferrable=False)
    assert isinstance(error, JobFailed)
    assert "3 of 8 tasks" in str(error)
    assert "The job is not cancelled: AWS refuses dynamodb:DeleteItem" in str(error)
    assert f"`sosw-airflow cancel {error.job_id}`" in str(error)


def test_a_job_cancelled_early_is_scheduled_again(
    installation: Aws, schedule: Any, context: MakeContext, wait: Wait, tutorial_job: Any
) -> None:
    """The remedy of the error: a clear."""
    error = wait(failing(installation, 3), deferrable=False)
    assert "Fix: remove the cause, then clear the Airflow task to schedule every task again." in str(error)
    again = schedule(tutorial_job).execute(context(max_tries=1))
    assert again["job_id"] != error.job_id
    assert len(installation.rows()) == 1 + 8


@pytest.mark.parametrize("arguments", [{}, LATE], ids=["fail_fast", "timeout"])
def test_a_job_that_could_not_be_cancelled_is_cancelled_by_hand(
    installation: Aws, asked: Wait, schedule: Any, context: MakeContext, tutorial_job: Any, arguments: Any
) -> None:
    """By the command of the message; then a clear schedules it again."""
    error = asked(lambda airflow: setattr(airflow, "silent", True), deferrable=False, **arguments)
    fix = f"Fix: cancel it with `sosw-airflow cancel {error.job_id}`; then remove the cause and clear the Airflow task."
    assert fix in str(error)
    assert main(["cancel", error.job_id]) == 0
    assert len(installation.rows()) == 1
    schedule(tutorial_job).execute(context(max_tries=1))
    assert len(installation.rows()) == 1 + 8


# -- stored deferrals --------------------------------------------------------------------------------------------------


def test_a_trigger_without_a_tolerance(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """Deferred before the argument was added: it waits for the end of the job."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    close(installation, job_id, range(7), completed=False)
    trigger = SoswJobTrigger(job_id=job_id, poll_interval=0.01, must_exist=True)
    assert "tolerated_failures" not in trigger.serialize()[1]
    assert asyncio.run(polled_once(trigger)) is None


@pytest.mark.parametrize("value", ["x", -1, [], 1.5, True, {"tasks": 1}])
def test_a_tolerance_that_is_none(value: Any) -> None:
    """A damaged value lets the trigger wait for the end of the job."""
    assert SoswJobTrigger(job_id="a" * 20, tolerated_failures=value).tolerance is None


async def polled_once(trigger: SoswJobTrigger) -> Any:
    """What one poll of the trigger finds."""
    poller = AsyncJobPoller(trigger.sosw_conn_id, trigger.job_id, None, must_exist=True, tolerance=trigger.tolerance)
    return await poller.poll()


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"fail_fast": "yes"}, "fail_fast must be True or False, not 'yes'"),
        ({"wait_for_completion": False}, "fail_fast needs wait_for_completion=True"),
        ({"timeout_action": "stop"}, "timeout_action must be 'fail' or 'cancel', not 'stop'"),
        ({"timeout_action": "cancel"}, "timeout_action needs wait_for_completion=True and a timeout"),
    ],
)
def test_arguments_that_are_refused(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, arguments: Any, fault: str
) -> None:
    """Before anything is written."""
    with pytest.raises(InvalidConfiguration) as refused:
        schedule(tutorial_job, **{**FAST, **arguments}).execute(context())
    assert fault in str(refused.value).replace(": ", " ")
    assert installation.rows() == []


@pytest.fixture(autouse=True)
def no_seat_is_left() -> Iterator[None]:
    """No orchestration outlives its test."""
    yield
    from sosw_airflow.orchestration import background

    assert background._shared == {}
