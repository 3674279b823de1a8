"""Deferrals: those that an older version has stored, and those whose triggerer cannot poll."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from unittest.mock import create_autospec

import pytest

from sosw_airflow._compat import AirflowFailException
from sosw_airflow.exceptions import DeferralLost, TriggererCannotPoll
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.operators.waiting import hops_after
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.triggers.several_jobs import SoswJobsTrigger
from sosw_airflow.triggers.sosw import SoswJobTrigger
from tests.conftest import Aws
from tests.integration.operators.conftest import MakeContext
from tests.support.closing import close
from tests.support.deferrals import Deferred, events

pytestmark = pytest.mark.usefixtures("deferrals")

JOB = "0123456789abcdef0123"

#: What the first version has stored in Airflow's database, but for the ids and the summary.
STORED_PATH = "sosw_airflow.triggers.sosw.SoswJobTrigger"
STORED_TRIGGER = """{"sosw_conn_id": "sosw_default", "job_id": "%s", "poll_interval": 0.01, "deadline": null,
 "cancel_on_kill": false}"""
STORED_NEXT = ("execute_complete", """{"summary": %s, "deadline": null}""")


@pytest.fixture
def operator(schedule: Any, tutorial_job: Any) -> SoswScheduleOperator:
    """One that is deferred while its eight tasks are worked on."""
    waiting: SoswScheduleOperator = schedule(
        tutorial_job, wait_for_completion=True, deferrable=True, poll_interval=0.01
    )
    return waiting


# -- of an older version -------------------------------------------------------------------------------------------


@pytest.fixture
def stored(
    installation: Aws, schedule: Callable[..., SoswScheduleOperator], context: MakeContext, tutorial_job: Any
) -> tuple[dict[str, Any], SoswJobTrigger, dict[str, Any]]:
    """The job's summary, and the deferral as Airflow makes it again from its database."""
    summary = schedule(tutorial_job).execute(context())
    trigger = _import(STORED_PATH)(**json.loads(STORED_TRIGGER % summary["job_id"]))
    return summary, trigger, json.loads(STORED_NEXT[1] % json.dumps(summary))


def _import(path: str) -> Any:
    import importlib

    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_a_stored_deferral_resumes(
    installation: Aws, stored: Any, operator: SoswScheduleOperator, context: MakeContext
) -> None:
    """Its trigger polls, and the Airflow task ends with the counts."""
    summary, trigger, arguments = stored
    close(installation, summary["job_id"], range(8))
    (event,) = events(trigger)
    result = operator.resume_execution(STORED_NEXT[0], {**arguments, "event": event}, context())
    assert {**summary, "completed": 8, "failed": 0, "state": "closed", "counted": result["counted"]} == result


def test_a_stored_deferral_whose_older_trigger_could_not_poll(
    installation: Aws, stored: Any, operator: SoswScheduleOperator, context: MakeContext
) -> None:
    """Its event has neither a reason nor a number: it counts as the first one."""
    summary, _, arguments = stored
    event = {"status": "look", "job_id": summary["job_id"]}
    with pytest.raises(Deferred) as again:
        operator.resume_execution(STORED_NEXT[0], {**arguments, "event": event}, context())
    assert (summary["job_id"], 1) == (again.value.trigger.job_id, again.value.trigger.hops)


def test_a_trigger_of_the_first_version() -> None:
    """The path and the arguments that it has stored are still those of the class."""
    trigger = SoswJobTrigger(**json.loads(STORED_TRIGGER % JOB))
    path, arguments = trigger.serialize()
    assert STORED_PATH == path
    assert json.loads(STORED_TRIGGER % JOB).items() <= arguments.items()


def test_a_trigger_of_another_version() -> None:
    """An argument that was abandoned is ignored, a new one has a default."""
    trigger = SoswJobTrigger(sosw_conn_id="sosw_default", job_id=JOB, gone=1)
    assert (JOB, 60.0) == (trigger.job_id, trigger.poll_interval)


def test_a_resumption_without_what_was_deferred_beside_the_trigger(
    installation: Aws, stored: Any, operator: SoswScheduleOperator, context: MakeContext
) -> None:
    """As in `dag.test()`, where Airflow loses it: the summary comes from the job's record."""
    summary, _, _ = stored
    event = {"status": "over", "job_id": summary["job_id"], "state": "written", "total": 8, "completed": 8}
    result = operator.execute_complete(context(), event)
    # The operator that resumes waits, which is in its estimate.
    ended = {"completed": 8, "failed": 0, "state": "closed"}
    assert {**summary, **{each: result[each] for each in ("estimate", "counted")}, **ended} == result


def test_an_event_of_another_version(
    installation: Aws, stored: Any, operator: SoswScheduleOperator, context: MakeContext
) -> None:
    """It may have less in it, or more."""
    summary, _, _ = stored
    event = {"status": "over", "job_id": summary["job_id"], "state": "written", "total": 8, "completed": 8, "new": 1}
    result = operator.execute_complete(context(), event, summary)
    assert (8, 0) == (result["completed"], result["failed"])


# -- whose triggerer cannot poll -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [lambda **other: SoswJobTrigger(job_id=JOB, **other), lambda **other: SoswJobsTrigger(job_ids=[JOB, JOB], **other)],
    ids=["one job", "several jobs"],
)
def test_a_trigger_without_its_connection(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event has the reason, and counts on from the former triggers."""
    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)
    (event,) = events(make(sosw_conn_id="sosw_of_the_workers", poll_interval=0.01, hops=2))
    assert ("look", JOB, 3) == (event["status"], event["job_id"], event["hops"])
    assert "sosw_of_the_workers" in event["reason"]


def test_a_trigger_that_has_polled(installation: Aws, stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is progress: the counting begins again."""
    _, trigger, _ = stored
    trigger.hops = 3
    from sosw_airflow.waiting.progress import ProgressReader

    read = ProgressReader.read

    def once(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(ProgressReader, "read", create_autospec(read, side_effect=_fail))
        return read(*arguments, **more)

    monkeypatch.setattr(ProgressReader, "read", create_autospec(read, side_effect=once))
    (event,) = events(trigger)
    assert (1, "ValueError: no more") == (event["hops"], event["reason"])


def _fail(*_: Any, **__: Any) -> Any:
    raise ValueError("no more")


def test_the_reason_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves the triggerer for the database and for another process's log."""
    monkeypatch.setattr("sosw_airflow.triggers.sosw.redact", lambda text: text.replace("hunter2", "***"))
    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)
    monkeypatch.setattr("sosw_airflow.triggers.polling._access", _raise_secret)
    (event,) = events(SoswJobTrigger(sosw_conn_id="sosw_default", job_id=JOB, poll_interval=0.01))
    assert "ValueError: vault says no to ***" == event["reason"]


def _raise_secret(*_: Any) -> Any:
    raise ValueError("vault says no to hunter2")


def test_the_pause_after_a_trigger_that_could_not_poll() -> None:
    """A whole interval; a first trigger only spreads its first poll."""
    later = SoswJobTrigger(sosw_conn_id="sosw_default", job_id=JOB, poll_interval=3600.0, hops=1)
    first = SoswJobTrigger(sosw_conn_id="sosw_default", job_id=JOB, poll_interval=3600.0)
    assert 3600.0 == later._first_pause()
    assert first._first_pause() <= 10.0


@pytest.mark.parametrize("hops", [1, 4])
def test_the_reason_is_in_the_log_of_the_airflow_task(
    installation: Aws,
    stored: Any,
    operator: SoswScheduleOperator,
    context: MakeContext,
    caplog: pytest.LogCaptureFixture,
    hops: int,
) -> None:
    """At each hop; the next trigger continues to count."""
    summary, _, arguments = stored
    event = {"status": "look", "job_id": summary["job_id"], "hops": hops, "reason": "KeyError: no vault"}
    with caplog.at_level(logging.WARNING), pytest.raises(Deferred) as again:
        operator.resume_execution(STORED_NEXT[0], {**arguments, "event": event}, context())
    assert hops == again.value.trigger.hops
    assert f"tries again ({hops} of 5). Its reason: KeyError: no vault" in caplog.text


def test_the_fifth_trigger_that_cannot_poll(
    installation: Aws, stored: Any, operator: SoswScheduleOperator, context: MakeContext
) -> None:
    """The Airflow task fails with the reason. Its retries are spent: the triggerer may be right then."""
    summary, _, arguments = stored
    event = {"status": "look", "job_id": summary["job_id"], "hops": 5, "reason": "KeyError: no vault"}
    with pytest.raises(TriggererCannotPoll, match="5 times in a row.*\n?.*KeyError: no vault") as failure:
        operator.resume_execution(STORED_NEXT[0], {**arguments, "event": event}, context())
    assert not isinstance(failure.value, AirflowFailException)
    assert 8 == len(installation.rows())


def test_a_trigger_that_could_not_poll_a_job_that_is_over(
    installation: Aws, stored: Any, operator: SoswScheduleOperator, context: MakeContext
) -> None:
    """Then the number does not matter."""
    summary, _, arguments = stored
    close(installation, summary["job_id"], range(8))
    event = {"status": "look", "job_id": summary["job_id"], "hops": 5, "reason": "KeyError: no vault"}
    assert 8 == operator.resume_execution(STORED_NEXT[0], {**arguments, "event": event}, context())["completed"]


@pytest.mark.parametrize(("hops", "error"), [(4, Deferred), (5, TriggererCannotPoll)])
def test_a_sensor_ends_its_hops_too(
    installation: Aws, stored: Any, context: MakeContext, hops: int, error: type[Exception]
) -> None:
    """As the operator does."""
    job_id = stored[0]["job_id"]
    sensor = SoswJobSensor(task_id="wait", job_id=job_id, poke_interval=0.01, deferrable=True)
    event = {"status": "look", "job_id": job_id, "hops": hops, "reason": "KeyError: no vault"}
    with pytest.raises(error) as raised:
        sensor.execute_complete(context(), event)
    if isinstance(raised.value, Deferred):
        assert hops == raised.value.trigger.hops


def test_a_deferral_that_continues_has_the_same_end(
    installation: Aws, operator: SoswScheduleOperator, context: MakeContext
) -> None:
    """The deadline is that of the first one."""
    operator.timeout = 1000
    with pytest.raises(Deferred) as first:
        operator.execute(context())
    event = {"status": "look", "job_id": first.value.trigger.job_id}
    with pytest.raises(Deferred) as again:
        operator.execute_complete(context(), event, **first.value.kwargs)
    assert again.value.trigger.deadline == first.value.trigger.deadline is not None


def test_the_event_of_an_older_trigger_that_could_not_poll() -> None:
    """Without a number it counts as one hop."""
    assert hops_after({"status": "look", "job_id": "j"}) == 1
    assert hops_after({"status": "look", "job_id": "j", "hops": 3}) == 3


# -- whose values are not what they should be ------------------------------------------------------------------------

WHOLE = {"status": "over", "job_id": JOB, "state": "written", "total": 8, "completed": 8, "failed": 0}


@pytest.mark.parametrize(
    "damage",
    [
        {"state": "new"},
        {"status": "new"},
        {"total": "8"},
        {"failed": -1},
        {"completed": 10**50},
        {"failed_tasks": "a"},
        {"job_id": JOB},
        {"job_id": None},
    ],
    ids=str,
)
def test_an_event_that_is_no_result_of_the_job(
    installation: Aws, stored: Any, operator: SoswScheduleOperator, context: MakeContext, damage: dict[str, Any]
) -> None:
    """The worker polls itself, and so do sensors."""
    summary, _, arguments = stored
    close(installation, summary["job_id"], range(7))
    close(installation, summary["job_id"], [7], completed=False)
    event = {**WHOLE, "job_id": summary["job_id"], **damage}
    operator.tolerated_failures = 1
    result = operator.resume_execution(STORED_NEXT[0], {**arguments, "event": event}, context())
    assert (7, 1) == (result["completed"], result["failed"])
    sensor = SoswJobSensor(task_id="wait", job_id=summary["job_id"], tolerated_failures=1)
    assert 1 == sensor.execute_complete(context(), event)["failed"]


def test_an_event_of_fewer_jobs(installation: Aws, stored: Any, context: MakeContext) -> None:
    """A sensor reads the jobs that it lacks."""
    job_id = stored[0]["job_id"]
    close(installation, job_id, range(8))
    sensor = SoswJobSensor(task_id="wait", job_id=[job_id])
    (report,) = sensor.execute_complete(context(), {"status": "over", "jobs": []})
    assert 8 == report["completed"]


@pytest.mark.parametrize("event", [None, {}, [], {"status": "over"}, {**WHOLE, "job_id": "j"}], ids=str)
def test_a_deferral_that_has_lost_its_job(
    installation: Aws, operator: SoswScheduleOperator, context: MakeContext, event: Any
) -> None:
    """A retry finds the job by its record, so it is worth its price."""
    with pytest.raises(DeferralLost, match="names a job.*a retry continues to wait") as lost:
        operator.execute_complete(context(), event)
    assert not isinstance(lost.value, AirflowFailException)


@pytest.mark.parametrize("hops", ["x", None, -1, 1.5, 10**50, True])
def test_a_number_of_hops_that_is_none(hops: Any) -> None:
    """It counts as one."""
    assert hops_after({"status": "look", "job_id": JOB, "hops": hops}) == 1


@pytest.mark.parametrize("value", ["soon", -1, 0, float("nan"), float("inf"), None, [1]])
def test_a_stored_interval_that_is_none(value: Any) -> None:
    """The default: without a pause a trigger would poll without end."""
    for trigger in (SoswJobTrigger(job_id=JOB, poll_interval=value), SoswJobsTrigger(poll_interval=value)):
        assert 60.0 == trigger.poll_interval


def test_a_stored_trigger_without_its_arguments(installation: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fires at once, so that the Airflow task polls the job that it knows itself."""
    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)
    (event,) = events(SoswJobTrigger())
    assert ("look", 1) == (event["status"], event["hops"])
    assert "must be the id of a job" in event["reason"]
