"""Whatever Airflow has stored of a deferral is resumed from, or refused with an error of this package.

Each test is one entrance, as in test_every_entrance.py: another version of this provider may have stored it.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from sosw_airflow._compat import AirflowSensorTimeout
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.triggers.attempt import Mark, Verdict, judge
from sosw_airflow.triggers.orchestrate import SoswOrchestrateTrigger
from sosw_airflow.triggers.several_jobs import SoswJobsTrigger
from sosw_airflow.triggers.sosw import SoswJobTrigger
from tests.support.entrances import bounded_memory, enter, many, own_folder, patient, seeds
from tests.support.hostile import Hostile

__all__ = ["bounded_memory", "own_folder"]

JOB, OTHER = "0123456789abcdef0123", "fedcba98765432100123"

pytestmark = patient


class Empty:
    """A DynamoDB without items, and an S3 without objects."""

    def get_item(self, **_: Any) -> dict[str, Any]:
        """No item."""
        return {}

    def query(self, **_: Any) -> dict[str, Any]:
        """No items."""
        return {"Items": []}

    def batch_get_item(self, **_: Any) -> dict[str, Any]:
        """None of the items."""
        return {"Responses": {}}


class Deferred(Exception):
    """What an Airflow task does that waits again."""


def defer(_: Any, *, trigger: Any, method_name: str, kwargs: dict[str, Any]) -> None:
    """Airflow stores it as JSON."""
    json.dumps([trigger.serialize(), method_name, kwargs])
    raise Deferred


#: Ways in which an Airflow task that resumes may end, beside the errors of this package.
ENDS = (Deferred, AirflowSensorTimeout)


@pytest.fixture(autouse=True)
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators and sensors find empty tables."""
    for each in (SoswScheduleOperator, SoswJobSensor):
        monkeypatch.setattr(each, "defer", defer)
    nothing = Empty()
    deployment = Deployment(nothing, nothing, nothing, TableNames(), "bucket", "prefix", lambda: 1_795_431_000.0)
    monkeypatch.setattr(SoswHook, "deployment", lambda _: deployment)
    monkeypatch.setattr(SoswOrchestrateOperator, "_orchestrator", lambda _: SimpleNamespace())
    monkeypatch.setattr(SoswOrchestrateOperator, "_process", lambda *_: {})


# -- deferrals that Airflow has stored ---------------------------------------------------------------------------------

TRIGGERS: dict[type, dict[str, Any]] = {
    SoswJobTrigger: {
        "sosw_conn_id": "sosw_default",
        "job_id": JOB,
        "poll_interval": 0.01,
        "deadline": 1_795_431_000.5,
        "cancel_on_kill": True,
        "must_exist": True,
        "mark": {"generation": 1, "holder": "x"},
        "clear_kills": True,
        "hops": 0,
        "orchestrate": None,
        "tolerated_failures": "2.5%",
    },
    SoswJobsTrigger: {"sosw_conn_id": "x", "job_ids": [JOB, OTHER], "poll_interval": 0.01, "deadline": None, "hops": 1},
    SoswOrchestrateTrigger: {
        "sosw_conn_id": "sosw_default",
        "labourers": None,
        "until_idle": True,
        "deadline": None,
        "poll_interval": 1.0,
        "concurrency": 2,
    },
}


@seeds
@many
def test_the_arguments_of_a_stored_trigger(seed: int) -> None:
    """It is made, and its arguments can be stored again; its thread can sleep, compare and count with them."""
    hostile = Hostile(seed)
    kind = hostile.choice(*TRIGGERS)
    trigger = enter(partial(lambda given: kind(**given), hostile.damaged(TRIGGERS[kind])))
    _, arguments = trigger.serialize()
    assert arguments == kind(**arguments).serialize()[1]
    assert trigger.poll_interval > 0
    assert trigger.deadline is None or trigger.deadline < 1e13
    if isinstance(trigger, SoswJobTrigger):
        assert 0 <= trigger._first_pause() <= max(10, trigger.poll_interval)
        event = trigger._failure(ValueError(hostile.text()), has_polled=False)
        assert event["hops"] > 0


def test_a_trigger_with_any_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is none ends the trigger with the reason: it would wait for a record that never comes."""
    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)
    monkeypatch.setattr("sosw_airflow.triggers.polling._access", lambda *_: SimpleNamespace(dynamodb=0, tables=0))
    for job_id in (None, "", "j", 5, ["a"], "\ud800"):
        trigger = SoswJobTrigger(job_id=job_id, must_exist=False)  # type: ignore[arg-type]
        (event,) = asyncio.run(_events(trigger))
        assert (event["status"], event["hops"]) == ("look", 1)
        assert "must be the id of a job" in event["reason"]


async def _events(trigger: Any) -> list[dict[str, Any]]:
    return [event.payload async for event in trigger.run()]


OVER = {
    "status": "over",
    "job_id": JOB,
    "state": "written",
    "total": 8,
    "completed": 8,
    "failed": 0,
    "failed_tasks": [f"{JOB}{0:012x}"],
    "lost_tasks": [],
}
LOOK = {"status": "look", "job_id": JOB, "reason": "KeyError: no vault", "hops": 1}


@seeds
@many
def test_the_event_of_a_trigger(seed: int) -> None:
    """And what Airflow kept beside it: the operator or sensor concludes, polls itself, or names the fault."""
    hostile = Hostile(seed)
    event: Any = hostile.damaged(
        hostile.choice(OVER, {**OVER, "status": "lost"}, {**OVER, "status": "exceeded"}, {**OVER, "failed": 8}, LOOK)
    )
    if hostile.choice(False, False, True):
        event = hostile.choice({"status": "over", "jobs": hostile.choice([event, OVER], event)}, hostile.json_value())
    deadline = hostile.choice(None, None, 1.5, 1e12, hostile.json_value())
    summary = hostile.choice(hostile.damaged({"job_id": JOB, "tasks": 8, "labourer": "w"}), None, hostile.json_value())
    operator = SoswScheduleOperator(task_id="a", labourer="w", job={}, deferrable=True)
    enter(partial(operator.execute_complete, {}, event, summary, deadline), also=ENDS)  # type: ignore[arg-type]
    sensor = SoswJobSensor(task_id="b", job_id=hostile.choice(JOB, [JOB, OTHER]), deferrable=True)
    enter(partial(sensor.execute_complete, {}, event, deadline), also=ENDS)  # type: ignore[arg-type]


@seeds
@many
def test_the_event_of_an_orchestration(seed: int) -> None:
    """A worker does what the triggerer left."""
    hostile = Hostile(seed)
    counts = {"w": {"invoked": 1}}
    whole = hostile.one_of(
        lambda: {"status": "done", "totals": counts},
        lambda: {"status": "paused", "reasons": {"w": hostile.text(), hostile.text(): "r"}},
        lambda: {"status": "refused", "reason": hostile.text()},
    )
    event = hostile.one_of(*[lambda: hostile.damaged(whole)] * 5, hostile.json_value)
    operator = SoswOrchestrateOperator(task_id="a")
    enter(partial(operator.execute_complete, {}, event, hostile.json_value()), also=ENDS)  # type: ignore[arg-type]


@seeds
@many
def test_a_mark_in_an_xcom(seed: int) -> None:
    """Of a holder of a job: it is one, or none."""
    hostile = Hostile(seed)
    given = hostile.choice(hostile.damaged({"generation": 1, "holder": "x"}), hostile.value())
    found = enter(partial(Mark.of, given))
    state = hostile.choice("failed", "deferred", "running", None, "new")
    verdict = judge(exists=True, state=state, found=found, mine=Mark(1, "y"), clear_kills=True)
    assert isinstance(verdict, Verdict)
