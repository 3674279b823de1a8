"""The operator that processes queues: in a worker, in the triggerer, with wrong arguments."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import boto3
import pytest

from sosw_airflow.exceptions import InvalidConfiguration, LabourersPaused, UnknownLabourer
from sosw_airflow.hooks.orchestration import orchestrator_of, policies_of
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.orchestration.background import log_turn
from sosw_airflow.orchestration.turn import TurnReport
from sosw_airflow.triggers.orchestrate import SoswOrchestrateTrigger
from tests.integration.operators.conftest import LABOURER
from tests.integration.orchestration.conftest import Lambda

MAX = "max_simultaneous_invocations"


class Deferred(Exception):
    """The operator has deferred."""


@pytest.fixture(autouse=True)
def deferring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deferral of any version of Airflow is this exception."""

    def defer(self: Any, *, trigger: Any, method_name: str, kwargs: dict[str, Any]) -> None:
        raise Deferred(trigger, kwargs)

    monkeypatch.setattr(SoswOrchestrateOperator, "defer", defer, raising=False)


def queue(*words: str) -> None:
    """Tasks of the labourer."""
    for number, word in enumerate(words, start=1):
        item = {
            "task_id": {"S": word * 32},
            "labourer_id": {"S": LABOURER},
            "payload": {"S": json.dumps({"word": word})},
            "created_at": {"N": "1795431000.5"},
            "greenfield": {"N": str(1000 * number)},
            "attempts": {"N": "0"},
        }
        boto3.client("dynamodb").put_item(TableName="sosw_tasks", Item=item)


WANTED = {LABOURER: {"invoked": 3, "completed": 3, "failed": 0, "retried": 0}}


def test_until_idle(function: Lambda) -> None:
    """All tasks of all labourers are closed; the counts are the XCom."""
    queue(*"abc")
    assert WANTED == SoswOrchestrateOperator(task_id="orchestrate").execute({})
    assert {"a", "b", "c"} == {event["word"] for event in function.events}


def test_the_log_of_a_turn(caplog: pytest.LogCaptureFixture) -> None:
    """What was done, and nothing that was not; a turn that did nothing has no line."""
    caplog.set_level("INFO")
    for report in (TurnReport("pull", limit=3, running=2, started=2, completed=1), TurnReport("pull", limit=3)):
        log_turn(report)
    assert [record.getMessage() for record in caplog.records] == ["pull: 2 started, 1 completed, 2 of 3 running."]


def test_deferred(function: Lambda) -> None:
    """The triggerer does the same, and the Airflow task ends with the same counts."""
    queue(*"abc")
    operator = SoswOrchestrateOperator(task_id="orchestrate", deferrable=True, labourers=[LABOURER])
    with pytest.raises(Deferred) as deferred:
        operator.execute({})
    trigger, kwargs = deferred.value.args
    path, arguments = trigger.serialize()
    assert "sosw_airflow.triggers.orchestrate.SoswOrchestrateTrigger" == path
    trigger = SoswOrchestrateTrigger(**json.loads(json.dumps(arguments)))

    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(run())
    assert WANTED == operator.execute_complete({}, event, **kwargs)


def test_a_triggerer_that_cannot(function: Lambda) -> None:
    """The worker does the work instead of hopping back, and logs the reason."""
    queue(*"abc")
    operator = SoswOrchestrateOperator(task_id="orchestrate", deferrable=True)
    event = {"status": "refused", "reason": "Connection sosw_default: does not exist"}
    assert WANTED == operator.execute_complete({}, event)


@pytest.fixture
def missing(function: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no such function, and pauses are short."""
    monkeypatch.setattr("sosw_airflow.orchestration.pace._PAUSE", 0.01)
    function.reply = lambda event: (404, "ResourceNotFoundException", b"{}")
    queue(*"abc")


def test_until_idle_with_a_fault_that_lasts(missing: None) -> None:
    """The Airflow task fails, names the labourer and its fault, and is retried: the tasks are as before."""
    with pytest.raises(LabourersPaused, match=f"Tasks are left, and 1 labourer pauses:\\n.*{LABOURER}: ") as paused:
        SoswOrchestrateOperator(task_id="orchestrate").execute({})
    assert paused.value.retryable
    rows = boto3.client("dynamodb").scan(TableName="sosw_tasks")["Items"]
    assert ["0", "0", "0"] == [row["attempts"]["N"] for row in rows]


def test_until_idle_with_a_fault_that_lasts_in_the_triggerer(missing: None) -> None:
    """The worker raises what the triggerer has met, and does not try it again."""
    trigger = SoswOrchestrateTrigger(sosw_conn_id="sosw_default")

    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(run())
    assert "paused" == event["status"]
    with pytest.raises(LabourersPaused, match=LABOURER):
        SoswOrchestrateOperator(task_id="orchestrate").execute_complete({}, json.loads(json.dumps(event)))


def test_the_limit_of_a_labourer_without_one(
    function: Lambda, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the option's, and the log says so."""
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_SIMULTANEOUS_INVOCATIONS", "7")
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({LABOURER: {}, "other": {MAX: 3}}))
    policies = {each.labourer_id: each.limit for each in policies_of(SoswHook("sosw_default"), None)}
    assert {LABOURER: 7, "other": 3} == policies
    with caplog.at_level("INFO"):
        orchestrator_of(SoswHook("sosw_default"))
    (line,) = [each.getMessage() for each in caplog.records if "names no" in each.getMessage()]
    assert f"The labourer {LABOURER} names no {MAX}: 7 by Airflow's configuration, section [sosw]." == line


def test_a_limit_in_the_configuration_that_is_no_number(function: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused before anything is invoked."""
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_SIMULTANEOUS_INVOCATIONS", "many")
    with pytest.raises(InvalidConfiguration, match=r"\[sosw\] max_simultaneous_invocations: must be a whole number"):
        SoswOrchestrateOperator(task_id="orchestrate").execute({})


def test_a_duration(function: Lambda) -> None:
    """It ends then, with what it has done."""
    operator = SoswOrchestrateOperator(task_id="orchestrate", until=timedelta(seconds=0.2))
    assert {LABOURER: dict.fromkeys(WANTED[LABOURER], 0)} == operator.execute({})


@pytest.mark.parametrize("until", ["never", 0, -1, True, float("nan"), None])
def test_a_wrong_end(function: Lambda, until: Any) -> None:
    """Names the argument and what it may be."""
    with pytest.raises(InvalidConfiguration, match="until: must be 'idle', 'forever', seconds or a timedelta"):
        SoswOrchestrateOperator(task_id="orchestrate", until=until).execute({})


class Fetched(Sequence[str]):
    """The output of a mapped Airflow task: its values are fetched one by one, and it has no length of its own."""

    def __getitem__(self, index: Any) -> Any:
        return [LABOURER][index]

    def __len__(self) -> int:
        raise AssertionError("a length is another request")


@pytest.mark.parametrize(
    "labourers",
    [LABOURER, [LABOURER], (LABOURER,), Fetched(), json.dumps([LABOURER]), f" {LABOURER} "],
    ids=["text", "list", "tuple", "mapped", "JSON", "spaces"],
)
def test_the_labourers_of_other_airflow_tasks(function: Lambda, labourers: Any) -> None:
    """A list of Airflow's, what a template makes of one with `| tojson`, and one name."""
    queue(*"abc")
    assert WANTED == SoswOrchestrateOperator(task_id="orchestrate", labourers=labourers).execute({})


@pytest.mark.parametrize(
    ("labourers", "problem"),
    [
        ("", "is an empty text: the template found no value"),
        ("None", 'is the text "None": the template found no value'),
        (f"['{LABOURER}']", "is the text of a Python list, not JSON.*tojson"),
        ("{{ params.labourers }}", "has a template that was not rendered"),
        ("[1", "is not valid JSON"),
        ('[["nested"]]', "must be a list of labourers, or None for all"),
    ],
)
def test_labourers_that_a_template_missed(function: Lambda, labourers: str, problem: str) -> None:
    """They are not taken for all labourers, nor for the name of one."""
    with pytest.raises(InvalidConfiguration, match=f"labourers: {problem}"):
        SoswOrchestrateOperator(task_id="orchestrate", labourers=labourers).execute({})


def test_an_unknown_labourer(function: Lambda) -> None:
    """Before anything is invoked."""
    with pytest.raises(UnknownLabourer):
        SoswOrchestrateOperator(task_id="orchestrate", labourers="no one").execute({})


@pytest.mark.parametrize("value", [-1, 0, True, "60", float("nan"), float("inf"), 10**400])
@pytest.mark.parametrize("argument", ["poll_interval", "concurrency"])
def test_a_number_that_is_none(function: Lambda, argument: str, value: Any) -> None:
    """Is refused before anything is invoked."""
    with pytest.raises(InvalidConfiguration, match=f"{argument}: must be a number above 0"):
        SoswOrchestrateOperator(task_id="orchestrate", **{argument: value}).execute({})


@pytest.mark.parametrize(
    "event",
    [[], {"status": "done", "totals": 5}, {"status": "done", "totals": {"w": 1}}, {"status": "paused"}, {"reason": 5}],
    ids=str,
)
def test_an_event_that_says_nothing(function: Lambda, event: Any) -> None:
    """The worker does what the triggerer may have left."""
    queue(*"abc")
    found = SoswOrchestrateOperator(task_id="orchestrate", until="idle").execute_complete({}, event, deadline="soon")
    assert WANTED == found
