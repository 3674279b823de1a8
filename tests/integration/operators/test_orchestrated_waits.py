"""``orchestrate=True``: while an Airflow task waits for its job, it also invokes the tasks of the labourer."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sosw_airflow.exceptions import (
    AwsFault,
    InvalidConfiguration,
    JobFailed,
    JobStopped,
    JobTimedOut,
    TriggererCannotPoll,
)
from sosw_airflow.operators.sosw import SoswDrainQueueOperator, SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.orchestration import background
from sosw_airflow.triggers.sosw import SoswJobTrigger
from sosw_airflow.waiting.progress import ProgressReader
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_drain import left
from tests.integration.orchestration.conftest import Lambda, Reply
from tests.support.deferrals import Deferred, events, finish

pytestmark = pytest.mark.usefixtures("deferrals")

BOTH_WAYS = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture(autouse=True)
def ended(installation: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No orchestration outlives its test: the last one who waits ends it, while moto and the stub still answer it."""
    yield
    deadline = time.monotonic() + 20
    while any(each.name.startswith("sosw-") and "/" in each.name for each in threading.enumerate()):
        assert time.monotonic() < deadline, "an orchestration still runs"
        time.sleep(0.02)


def waiting(job: Any, **arguments: Any) -> SoswScheduleOperator:
    """An operator that schedules the job and orchestrates its labourer."""
    own = {"task_id": "schedule", "labourer": LABOURER, "job": job, "orchestrate": True, "poll_interval": 30}
    return SoswScheduleOperator(**{**own, **arguments})


def nothing(job_id: str) -> None:
    """Nobody but the operator acts."""


def failing_for(word: str) -> Any:
    """A function that fails for one word."""

    def reply(event: dict[str, Any]) -> Reply:
        return (
            (200, "Handled", b'{"errorType": "ValueError", "errorMessage": "no such word"}')
            if (event.get("words") == [word])
            else (200, "", b'"done"')
        )

    return reply


@BOTH_WAYS
def test_the_job_is_done(function: Lambda, context: MakeContext, tutorial_job: Any, deferrable: bool) -> None:
    """Nobody else invokes anything, `wait_for_completion` is implied, and no poll interval passes after the end."""
    operator = waiting(tutorial_job, deferrable=deferrable, poll_interval=3600)
    result = finish(operator, context(), deferrable=deferrable, meanwhile=nothing)
    assert (8, 8, 0, "closed") == tuple(result[key] for key in ("tasks", "completed", "failed", "state"))
    assert 8 == len(function.events)


@pytest.mark.parametrize("when", ["later", "meanwhile"])
def test_no_poll_interval_passes_after_a_poll_that_was_too_early(
    function: Lambda, context: MakeContext, tutorial_job: Any, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has read is not new enough once a turn finds the labourer without a task, after the poll or during it."""
    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)
    under_way, read = threading.Event(), ProgressReader.read

    def reply(_: dict[str, Any]) -> Reply:
        under_way.wait(10)
        return 200, "", b'"done"'

    def first_read(reader: ProgressReader, **arguments: Any) -> Any:
        standing = read(reader, **arguments)
        if reader.sharing is not None and not under_way.is_set():  # the poll of the trigger
            under_way.set()
            if when == "meanwhile":
                idle.wait(20)
        return standing

    idle, on_turn = threading.Event(), background._SharedBackground.on_turn

    def noticed(shared: Any, report: Any) -> None:
        on_turn(shared, report)
        if report.idle:
            idle.set()

    monkeypatch.setattr(background._SharedBackground, "on_turn", noticed)
    monkeypatch.setattr(ProgressReader, "read", first_read)
    function.reply = reply

    operator = waiting(tutorial_job, deferrable=True, poll_interval=3600)
    result = finish(operator, context(), deferrable=True, meanwhile=nothing)

    assert (result["completed"], result["state"]) == (8, "closed")


@BOTH_WAYS
def test_a_failure_and_its_repair(
    function: Lambda, context: MakeContext, tutorial_job: Any, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the cause; the repair orchestrates as well."""
    settings = {"invocation": "request", "max_attempts": 1, "max_simultaneous_invocations": 4}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({LABOURER: settings}))
    function.reply = failing_for("mazda")
    operator = waiting(tutorial_job, deferrable=deferrable)
    with pytest.raises(JobFailed, match="no such word") as failed:
        finish(operator, context(), deferrable=deferrable, meanwhile=nothing)
    function.reply = failing_for("nobody")
    repair = SoswRepairOperator(
        task_id="repair", job_id=failed.value.job_id, orchestrate=True, poll_interval=30, deferrable=deferrable
    )
    result = finish(repair, context(), deferrable=deferrable, meanwhile=nothing)
    assert (2, 2, 0) == (result["tasks"], result["completed"], result["failed"])


@BOTH_WAYS
def test_a_drained_file(function: Lambda, installation: Aws, context: MakeContext, deferrable: bool) -> None:
    """The tasks of a queue file are invoked as well."""
    left(installation)
    drain = SoswDrainQueueOperator(
        task_id="drain", queue_file="tasks_queue_0a1b2c.txt", orchestrate=True, poll_interval=30, deferrable=deferrable
    )
    result = finish(drain, context(), deferrable=deferrable, meanwhile=nothing)
    assert (3, 3, 0) == (result["tasks"], result["completed"], result["failed"])


def test_a_function_that_does_not_exist(
    function: Lambda, installation: Aws, context: MakeContext, tutorial_job: Any
) -> None:
    """It is refused before a row is written, not waited for."""
    function.timeout = None
    with pytest.raises(AwsFault, match="GetFunctionConfiguration.*" + LABOURER):
        waiting(tutorial_job).execute(context())
    assert [] == installation.rows()


def test_faulty_settings(
    function: Lambda, installation: Aws, context: MakeContext, tutorial_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused before a row is written."""
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({LABOURER: {"invocation": "telepathy"}}))
    with pytest.raises(InvalidConfiguration, match="invocation"):
        waiting(tutorial_job).execute(context())
    assert [] == installation.rows()


def test_a_delivered_job(function: Lambda, context: MakeContext, tutorial_job: Any) -> None:
    """Its tasks get ids that nobody knows, so it cannot be waited for."""
    with pytest.raises(InvalidConfiguration, match="orchestrate"):
        waiting(tutorial_job, delivery="queue_file").execute(context())


def test_a_kill_ends_it(function: Lambda, installation: Aws, context: MakeContext, tutorial_job: Any) -> None:
    """The labourer is given to the next orchestrator at once."""
    operator = waiting(tutorial_job, deferrable=False)

    def killing(event: dict[str, Any]) -> Reply:
        operator.on_kill()
        return (429, "TooManyRequestsException", b"{}")

    function.reply = killing
    with pytest.raises(JobStopped):
        operator.execute(context())
    (lease,) = [row for row in installation.rows("sosw_jobs") if row["job_id"]["S"].startswith("orchestrator#")]
    assert "owner" not in lease or lease["owner"]["S"] == ""


def test_a_timeout_ends_it(function: Lambda, context: MakeContext, tutorial_job: Any) -> None:
    """As without orchestration."""
    function.reply = lambda event: (429, "TooManyRequestsException", b"{}")
    with pytest.raises(JobTimedOut):
        waiting(tutorial_job, deferrable=False, timeout=1.0, poll_interval=0.2).execute(context())


def deferred(operator: Any, context: Any) -> Deferred:
    """The deferral of an operator."""
    with pytest.raises(Deferred) as caught:
        operator.execute(context)
    return caught.value


def test_triggers_share_one_orchestration(
    function: Lambda, context: MakeContext, tutorial_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait for the tasks of a labourer in a process, one thread works for all."""
    made: list[Any] = []
    create = background.Background.__init__

    def counting(self: Any, *arguments: Any, **more: Any) -> None:
        made.append(self)
        create(self, *arguments, **more)

    monkeypatch.setattr(background.Background, "__init__", counting)
    triggers = [
        deferred(waiting({**tutorial_job, "number": number}, deferrable=True), context(run_id=f"run {number}")).trigger
        for number in range(3)
    ]

    async def run() -> list[str]:
        async def end(trigger: SoswJobTrigger) -> str:
            (status,) = [event.payload["status"] async for event in trigger.run()]
            return str(status)

        return list(await asyncio.gather(*map(end, triggers)))

    assert (["over"] * 3, 24) == (asyncio.run(run()), len(function.events))
    assert 1 == sum(each._thread is not None for each in made)


def test_a_trigger_that_is_cancelled(
    function: Lambda, installation: Aws, context: MakeContext, tutorial_job: Any
) -> None:
    """Leaves: the orchestration ends with its last waiter, also if it only begins at that moment."""
    function.reply = lambda event: (429, "TooManyRequestsException", b"{}")
    trigger = deferred(waiting(tutorial_job, deferrable=True), context()).trigger

    async def run(seconds: float) -> None:
        task = asyncio.ensure_future(trigger.run().__anext__())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run(1.0))
    asyncio.run(run(0.001))
    assert {} == background._shared


def test_a_triggerer_without_the_labourer(
    function: Lambda,
    context: MakeContext,
    tutorial_job: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The Airflow task logs the reason and defers again; the fifth time it fails with it."""
    operator = waiting(tutorial_job, deferrable=True)
    first = deferred(operator, context())
    with monkeypatch.context() as without:
        without.setenv("AIRFLOW_VAR_SOSW_LABOURERS", "{}")
        (event,) = events(first.trigger)
    assert ("look", 1) == (event["status"], event["hops"])
    with caplog.at_level(logging.WARNING), pytest.raises(Deferred) as again:
        operator.execute_complete(context(), event, **first.kwargs)
    assert "UnknownLabourer" in caplog.text
    assert (LABOURER, 1) == (again.value.trigger.orchestrate, again.value.trigger.hops)
    with pytest.raises(TriggererCannotPoll, match="UnknownLabourer"):
        operator.execute_complete(context(), {**event, "hops": 5}, **first.kwargs)


def test_an_orchestration_that_breaks_ends_the_wait(
    function: Lambda, context: MakeContext, tutorial_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for an orchestrator whose thread has died."""

    def broken(self: Any, **_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("sosw_airflow.orchestration.orchestrator.Orchestrator.run", broken)
    with pytest.raises(MemoryError, match="no room"):
        waiting(tutorial_job, deferrable=False).execute(context())
    trigger = deferred(waiting(tutorial_job, deferrable=True), context(run_id="other")).trigger
    (event,) = events(trigger)
    assert ("look", "MemoryError: no room") == (event["status"], event["reason"])
