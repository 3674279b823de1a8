"""Odd answers, large payloads, clocks that differ, services that are away, rows of another version: nothing is lost."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ResponseStreamingError

from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.invoker import Outcome, invoke
from sosw_airflow.orchestration.policy import LabourerPolicy
from tests.integration.orchestration.conftest import LABOURER, Labourer, Reply


@pytest.mark.parametrize(
    ("answer", "stored"),
    [(b"<html>", '"<html>"'), (b"\xff\xfe", '"\\ufffd\\ufffd"'), (b"", '""'), (b"NaN", "NaN")],
)
def test_an_answer_that_is_not_json(labourer: Labourer, answer: bytes, stored: str) -> None:
    """The task is completed; the text is its result."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (200, "", answer)
    orchestration = labourer.orchestration(invocation="request")
    orchestration.turn()
    labourer.workers.submit(int).result()
    orchestration.turn()
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    assert ("worker_1", stored) == (row["labourer_id_task_status"]["S"], row["result"]["S"])


def test_an_answer_deeper_than_python_reads(labourer: Labourer) -> None:
    """The beginning of its text is the result."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (200, "", b"[" * 100_000)
    orchestration = labourer.orchestration(invocation="request")
    orchestration.turn()
    labourer.workers.submit(int).result()
    orchestration.turn()
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    assert ("worker_1", '"[[') == (row["labourer_id_task_status"]["S"], row["result"]["S"][:3])


@pytest.mark.parametrize(("invocation", "outcome"), [("event", Outcome.ACCEPTED), ("request", Outcome.UNKNOWN)])
def test_an_answer_that_breaks_off(invocation: str, outcome: Outcome) -> None:
    """Lambda has the event. What a synchronous function said is lost, so that its task expires unless it reports."""

    def read() -> bytes:
        raise ResponseStreamingError(error="connection broken")

    client = SimpleNamespace(invoke=lambda **_: {"Payload": SimpleNamespace(read=read)})
    answer = invoke(client, LabourerPolicy.of("worker", {"invocation": invocation}), {"task_id": "a" * 32})
    assert outcome is answer.outcome
    assert "connection broken" in str(answer.error)


@pytest.mark.parametrize("attempts", [float("inf"), float("nan"), -1, 10**30, "1", True], ids=str)
def test_a_report_of_an_attempt_that_is_no_number(labourer: Labourer, attempts: Any) -> None:
    """It names no attempt, as those of sosw's Worker."""
    labourer.queue("a")
    labourer.orchestration().turn()
    assert labourer.report({**labourer.function.events[0], "attempts": attempts})
    (row,) = labourer.aws.rows()
    assert "completed_at" in row


def test_a_report_larger_than_the_row_has_room(labourer: Labourer) -> None:
    """The completion counts; a report that fails would let the task run again."""
    labourer.queue("a")
    labourer.orchestration().turn()
    stats = {str(number): "x" * 20_000 for number in range(30)}
    report = assistant.report_of({"action": "mark_task_as_completed", "task_id": "a" * 32, "stats": stats})
    assert report is not None
    client = labourer.aws.dynamodb

    def refuse_large_items(params: dict[str, Any], **_: Any) -> None:
        """As DynamoDB does, and moto does not."""
        if len(json.dumps(params)) > 400 * 1024:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "Item size"}}, "UpdateItem")

    client.meta.events.register("provide-client-params.dynamodb.UpdateItem", refuse_large_items)
    try:
        assert labourer.mark(report)
    finally:
        client.meta.events.unregister("provide-client-params.dynamodb.UpdateItem", refuse_large_items)
    (row,) = labourer.aws.rows()
    assert "completed_at" in row
    assert not [name for name in row if name.startswith("stat_")]


@pytest.mark.parametrize("task_id", [5, ["a"], "", "x" * 1025, "\ud800", {}], ids=ascii)
@pytest.mark.parametrize("kind", ["worker", "destination"])
def test_a_report_whose_task_is_no_key(task_id: Any, kind: str) -> None:
    """It is no report: DynamoDB would refuse it, and Lambda repeat it."""
    worker = {"action": "mark_task_as_completed", "task_id": task_id}
    destination = {"requestContext": {"condition": "Success"}, "requestPayload": {"task_id": task_id}}
    assert assistant.report_of(worker if kind == "worker" else destination) is None


@pytest.mark.parametrize("name", ["requestContext", "responseContext"])
def test_a_destinations_record_of_another_form(name: str) -> None:
    """A context that is no object says nothing."""
    record = {"requestContext": {"condition": "Success"}, "requestPayload": {"task_id": "a" * 32}, name: ["x"]}
    report = assistant.report_of(record)
    assert report is not None
    assert report["ok"] is (name == "responseContext")


def test_a_turn_that_finds_nothing(labourer: Labourer) -> None:
    """Is idle, and gives the labourer to any other orchestrator; one with a task under way is not."""
    here, there = (labourer.orchestration(name) for name in ("here", "there"))
    assert (True, "") == (here.turn().idle, there.turn().holder)
    labourer.queue("a")
    assert not there.turn().idle
    assert not there.turn().idle


def test_a_row_that_was_deleted_while_its_task_ran(labourer: Labourer) -> None:
    """Nothing is left: the next turn is idle, so that `until="idle"` ends, and the lease is free."""
    labourer.queue("a")
    here, there = (labourer.orchestration(name) for name in ("here", "there"))
    here.turn()
    labourer.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": "a" * 32}})
    assert here.turn().idle
    labourer.queue("b")
    assert there.turn().invoked == 1


def test_a_payload_of_250_kb(labourer: Labourer) -> None:
    """The worker gets all of it, and so does the closed row."""
    text = "é" * 125_000
    labourer.queue("a", payload={"S": json.dumps({"word": "a", "text": text}, ensure_ascii=False)})
    orchestration = labourer.orchestration()
    orchestration.turn()
    assert text == labourer.function.events[0]["text"]
    labourer.report(labourer.function.events[0])
    orchestration.turn()
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    assert text == json.loads(row["payload"]["S"])["text"]


@pytest.mark.parametrize("ahead", [90, -90])
def test_clocks_that_are_90_seconds_apart(labourer: Labourer, ahead: int) -> None:
    """The lease compares no clocks. A task that expires too early runs twice at most, and completes once."""
    labourer.queue(*"ab")
    here, there = (labourer.orchestration(name, retry_delay=1) for name in ("here", "there"))
    there.clock = lambda: labourer.now + ahead
    here.turn()
    assert "here" == there.turn().holder
    here.release()
    for _ in range(4):
        labourer.pass_time(40)
        there.turn()
    taken = [labourer.report(event) for event in labourer.function.events for _ in range(2)]
    labourer.pass_time(1)
    there.turn()
    assert 2 == taken.count(True)
    assert ({"a": "1", "b": "1"}, {"tasks": [], "retries": []}) == (labourer.closed(), labourer.left())


@pytest.mark.parametrize("invocation", ["event", "request"])
def test_lambda_is_away_for_two_minutes(labourer: Labourer, invocation: str) -> None:
    """The tasks keep their places and attempts; they are invoked as soon as it is back."""
    labourer.queue(*"abc")
    before = labourer.aws.rows()
    reply = labourer.function.reply if invocation == "event" else lambda event: (200, "", b"1")

    def away(event: dict[str, Any]) -> Reply:
        raise ConnectTimeoutError(endpoint_url="x")

    labourer.function.reply = away
    orchestration = labourer.orchestration(invocation=invocation)
    for _ in range(24):
        assert not orchestration.turn().paused
        labourer.workers.submit(int).result()
        labourer.pass_time(5)
    assert before == labourer.rows()
    labourer.function.reply = reply
    for _ in range(4):
        orchestration.turn()
        labourer.workers.submit(int).result()
    assert [("a", 0), ("b", 0), ("c", 0)] == sorted((e["word"], e["attempts"]) for e in labourer.function.events)


def test_attributes_of_another_version_survive(labourer: Labourer) -> None:
    """Also in the lease: an older orchestrator beside a newer one removes nothing that it does not know."""
    labourer.queue("a", future={"S": "kept"})
    orchestration = labourer.orchestration(retry_delay=1)
    orchestration.turn()
    key = {"job_id": {"S": f"orchestrator#{LABOURER}"}, "record": {"S": "lease"}}
    labourer.aws.dynamodb.update_item(
        TableName="sosw_jobs",
        Key=key,
        UpdateExpression="SET future = :kept",
        ExpressionAttributeValues={":kept": {"S": "kept"}},
    )
    labourer.report(labourer.function.events[0], ok=False)
    for _ in range(3):
        orchestration.turn()
        labourer.pass_time(40)
    labourer.report(labourer.function.events[-1])
    orchestration.turn()
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    lease = labourer.aws.dynamodb.get_item(TableName="sosw_jobs", Key=key)["Item"]
    assert ("kept", "kept", "2") == (row["future"]["S"], lease["future"]["S"], row["attempts"]["N"])


def test_a_negative_limit() -> None:
    """Is refused with its value, before anything is invoked."""
    with pytest.raises(InvalidConfiguration, match=r"max_simultaneous_invocations: must be a whole number .*, not -1"):
        LabourerPolicy.of(LABOURER, {"max_simultaneous_invocations": -1})
