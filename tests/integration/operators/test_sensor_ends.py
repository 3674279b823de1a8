"""How `SoswJobSensor` ends: as `BaseSensorOperator` promises, in every mode, at the first poll and at a later one."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from sosw_airflow._compat import AirflowSensorTimeout, AirflowSkipException, execution_proof
from sosw_airflow.exceptions import (
    AccessDenied,
    InvalidConfiguration,
    JobCancelled,
    JobFailed,
    JobsFailed,
    MissingTable,
)
from sosw_airflow.operators import waiting
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.triggers.polling import AsyncJobPoller
from sosw_airflow.triggers.several_jobs import SoswJobsTrigger
from sosw_airflow.triggers.sosw import SoswJobTrigger
from sosw_airflow.waiting.poller import JobPoller, JobResult
from sosw_airflow.waiting.progress import ProgressReader

JOB = "0123456789abcdef0123"
OTHER = "fedcba98765432100123"
TRIGGERS = {each.__name__: each for each in (SoswJobTrigger, SoswJobsTrigger)}

Poll = Callable[[], "JobResult | None"]
Polls = Callable[..., None]


def over(job_id: str = JOB, **parts: Any) -> JobResult:
    """A job whose 8 tasks are closed."""
    return JobResult.of({"status": "over", "job_id": job_id, "state": "written", "total": 8, "completed": 8, **parts})


FAILED = over(completed=6, failed=2)
CANCELLED = over(state="cancelled", completed=0)
LATE = JobResult.of({"status": "timed_out", "job_id": JOB, "state": "written", "total": 8, "completed": 1, "failed": 0})
REFUSED = AccessDenied(action="dynamodb:GetItem", resource="sosw_jobs", detail="no")
NO_TABLE = MissingTable("sosw_jobs", setting="jobs_table")


class _Poller(JobPoller):
    """Answers each poll with the next outcome; raises one that is an error. The last one lasts."""

    def __init__(self, outcomes: list[Any]) -> None:
        super().__init__(create_autospec(ProgressReader, instance=True))
        self._outcomes = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))

    def poll(self) -> JobResult | None:
        """The next outcome."""
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    """Sets what the polls of a job find, in the sensor and in its trigger alike."""
    pollers: dict[str, _Poller] = {}

    class AsyncPoller(AsyncJobPoller):
        """The trigger's own, without access to AWS."""

        has_polled = True

        async def poll(self, news_at: float = 0.0) -> JobResult | None:
            """As `_Poller`."""
            return pollers[self._job_id].poll()

    poller_of = create_autospec(waiting.poller_of, side_effect=lambda _, job_id, *__, **___: pollers[job_id])
    monkeypatch.setattr("sosw_airflow.operators.waiting.poller_of", poller_of)
    monkeypatch.setattr("sosw_airflow.triggers.sosw.AsyncJobPoller", AsyncPoller)
    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)
    monkeypatch.setattr(
        "sosw_airflow.hooks.sosw.SoswHook.deployment", lambda _: SimpleNamespace(dynamodb=None, tables=None)
    )
    monkeypatch.setattr("sosw_airflow.operators.waiting.describe_failures", lambda *_: [])
    monkeypatch.setattr("sosw_airflow.operators.waiting._causes", lambda *_: [])
    monkeypatch.setattr("time.sleep", lambda _: None)
    start = datetime.now(timezone.utc)
    with suppress(ImportError, AttributeError):  # Airflow 2 asks its database
        monkeypatch.setattr("airflow.sensors.base._orig_start_date", lambda **_: start)

    def find(*outcomes: Any, job_id: str = JOB) -> None:
        pollers[job_id] = _Poller(list(outcomes))

    return find


def sensor(mode: str, **arguments: Any) -> SoswJobSensor:
    """A sensor in one of the three modes."""
    own = {"deferrable": True} if mode == "deferrable" else {"deferrable": False, "mode": mode}
    return SoswJobSensor(**{"task_id": "wait", "job_id": JOB, "poke_interval": 0.01, **own, **arguments})


def run(operator: SoswJobSensor) -> Any:
    """Run a sensor to its end as Airflow does: reschedule it, defer it, run its trigger, resume it."""
    context: Any = {
        "ti": SimpleNamespace(
            dag_id="dag",
            task_id="wait",
            run_id="run",
            map_index=-1,
            max_tries=0,
            get_first_reschedule_date=lambda _: datetime.now(timezone.utc),
        )
    }
    call: Callable[[], Any] = lambda: operator.execute(context, **execution_proof(operator))  # noqa: E731
    for _ in range(10):
        try:
            return call()
        except BaseException as raised:
            if type(raised).__name__ == "AirflowRescheduleException":
                continue
            if type(raised).__name__ != "TaskDeferred":
                raise
            deferral: Any = raised
        call = _resumption(operator, deferral, context)
    raise AssertionError("it does not end")


def _resumption(operator: SoswJobSensor, deferral: Any, context: Any) -> Callable[[], Any]:
    path, arguments = deferral.trigger.serialize()
    trigger = TRIGGERS[path.rpartition(".")[2]](**json.loads(json.dumps(arguments)))

    async def events() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(events())
    kwargs = {**deferral.kwargs, "event": json.loads(json.dumps(event))}
    return lambda: operator.resume_execution(deferral.method_name, kwargs, context)


MODES = ("poke", "reschedule", "deferrable")
FLAGS = ({}, {"soft_fail": True}, {"never_fail": True})


@pytest.mark.parametrize("polls_before", [0, 1], ids=["first", "later"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("flags", FLAGS, ids=["plain", "soft_fail", "never_fail"])
@pytest.mark.parametrize(
    ("outcome", "error", "skipped_by"),
    [
        (FAILED, JobFailed, {"soft_fail", "never_fail"}),
        (CANCELLED, JobCancelled, {"soft_fail", "never_fail"}),
        (NO_TABLE, MissingTable, {"soft_fail", "never_fail"}),
        (REFUSED, AccessDenied, {"never_fail"}),  # a retry may succeed, so soft_fail leaves it to the retries
    ],
    ids=["failed", "cancelled", "no table", "access denied"],
)
def test_a_failure(
    polls: Polls,
    mode: str,
    polls_before: int,
    flags: dict[str, bool],
    outcome: Any,
    error: type[Exception],
    skipped_by: set[str],
) -> None:
    """Fails the sensor, or skips it, as `soft_fail` and `never_fail` say."""
    polls(*[None] * polls_before, outcome)
    expected = AirflowSkipException if skipped_by & set(flags) else error
    with pytest.raises(expected):
        run(sensor(mode, **flags))


@pytest.mark.parametrize("polls_before", [0, 1], ids=["first", "later"])
@pytest.mark.parametrize("mode", MODES)
def test_silent_fail(polls: Polls, mode: str, polls_before: int) -> None:
    """An error that a retry may fix is logged, and the sensor polls again."""
    polls(*[None] * polls_before, REFUSED, *[REFUSED] * (mode == "deferrable" and polls_before), over())
    assert run(sensor(mode, silent_fail=True))["completed"] == 8


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("flags", "expected"),
    [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)],
    ids=["plain", "soft_fail"],
)
def test_a_timeout(polls: Polls, mode: str, flags: dict[str, bool], expected: type[Exception]) -> None:
    """Is Airflow's own error, so that `soft_fail` applies."""
    polls(None, LATE if mode == "deferrable" else None)
    with pytest.raises(expected):
        run(sensor(mode, timeout=0, **flags))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("polls_before", [0, 1], ids=["first", "later"])
@pytest.mark.parametrize("nested", [True, False], ids=["nested allowed", "nested refused"])
def test_a_job_that_completes(polls: Polls, mode: str, polls_before: int, nested: bool) -> None:
    """Its counts are returned; `execute` calls no `execute` of a base class, which Airflow 2.11 can refuse."""
    polls(*[None] * polls_before, over())
    arguments = {} if nested else {"allow_nested_operators": False}
    assert run(sensor(mode, **arguments)) == {
        "job_id": JOB,
        "tasks": 8,
        "completed": 8,
        "failed": 0,
        "state": "closed",
    }


# -- several jobs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_several_jobs(polls: Polls, mode: str) -> None:
    """The sensor waits for all of them, and reports every one in the order of `job_id`."""
    polls(None, over())
    polls(None, None, over(OTHER, total=3, completed=3), job_id=OTHER)
    found = run(sensor(mode, job_id=({"job_id": each} for each in (OTHER, JOB))))
    assert [(each["job_id"], each["tasks"]) for each in found] == [(OTHER, 3), (JOB, 8)]


@pytest.mark.parametrize("mode", MODES)
def test_several_jobs_of_which_one_fails(polls: Polls, mode: str) -> None:
    """The error names it once all are over; the others are not lost behind it."""
    polls(FAILED)
    polls(None, over(OTHER), job_id=OTHER)
    with pytest.raises(JobsFailed, match=f"1 of 2 jobs did not succeed:\n  - 2 of 8 tasks of the job {JOB} failed"):
        run(sensor(mode, job_id=[JOB, OTHER]))


def test_several_jobs_of_which_one_is_late(polls: Polls) -> None:
    """The error names it."""
    polls(None, LATE)
    polls(None, over(OTHER), job_id=OTHER)
    with pytest.raises(AirflowSensorTimeout, match=f"^The job {JOB} was not done in time: 1 of 8"):
        run(sensor("deferrable", job_id=[JOB, OTHER]))


def test_several_jobs_of_which_one_cannot_be_polled(polls: Polls) -> None:
    """The error is that of the poll, at once."""
    polls(None, NO_TABLE)
    polls(None, job_id=OTHER)
    with pytest.raises(MissingTable):
        run(sensor("deferrable", job_id=[OTHER, JOB]))


@pytest.mark.parametrize("mode", MODES)
def test_no_jobs(polls: Polls, mode: str) -> None:
    """A mapped Airflow task of no instances has scheduled nothing."""
    assert run(sensor(mode, job_id=[])) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_list_with_something_else(polls: Polls, mode: str) -> None:
    """Is refused, before anything is waited for."""
    with pytest.raises(InvalidConfiguration, match="job_id: must be the id of a job"):
        run(sensor(mode, job_id=[JOB, None]))
