"""Turns of one labourer: what is invoked, closed, retried, given back, and what a fault does."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.readings import LabourerRows
from sosw_airflow.orchestration.transitions import Transitions
from sosw_airflow.stores.tables import TableNames
from tests.integration.orchestration.conftest import Labourer, Reply
from tests.support.network_edge import dynamodb_error

HOUR = 3600.0


def test_the_head_of_the_queue_is_invoked_up_to_the_limit(labourer: Labourer) -> None:
    """The next turn adds nothing while they run."""
    labourer.queue(*"abcde")
    orchestration = labourer.orchestration(max_simultaneous_invocations=3)
    first, second = orchestration.turn(), orchestration.turn()
    assert ("abc", 3, 0) == (labourer.words(), first.invoked, second.invoked)
    assert 3 == second.running


def test_what_completes_is_closed_and_replaced_at_the_next_turn(labourer: Labourer) -> None:
    """The closed row has the result; nothing is left in the table of tasks."""
    labourer.queue(*"abc")
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    for _ in "abc":
        orchestration.turn()
        assert labourer.report(labourer.function.events[-1], response={"rows": 3})
    report = orchestration.turn()
    assert ("abc", {"a": "1", "b": "1", "c": "1"}) == (labourer.words(), labourer.closed())
    assert {"tasks": [], "retries": []} == labourer.left()
    assert (1, True) == (report.completed, orchestration.turn().idle)
    assert '{"rows": 3}' == labourer.aws.rows("sosw_closed_tasks")[0]["result"]["S"]


@pytest.mark.parametrize(("duration", "wait"), [(None, 0.6), (5.0, 5.0)])
def test_the_next_turn_comes_when_a_task_ends(labourer: Labourer, duration: float | None, wait: float) -> None:
    """The turn's own time is part of the shortest wait, a second, and not of the duration of a task that it began."""
    labourer.queue("a")

    def slow(event: dict[str, Any]) -> Reply:
        labourer.pass_time(0.4)
        return (202, "", b"")

    labourer.function.reply = slow
    orchestration = labourer.orchestration()
    if duration is not None:
        orchestration.durations.add(duration)
    assert wait == pytest.approx(orchestration.turn().next_in)


def test_a_task_of_an_event_has_upstreams_attributes(labourer: Labourer) -> None:
    """A worker written for sosw gets what it got before."""
    labourer.queue("a")
    labourer.orchestration().turn()
    wanted = {
        "word": "a",
        "task_id": "a" * 32,
        "labourer_id": "worker",
        "created_at": 1795431000.5,
        "greenfield": 1000,
        "attempts": 0,
    }
    assert [wanted] == labourer.function.events


def test_a_failure_is_retried_and_at_last_closed_as_failed(labourer: Labourer) -> None:
    """The retry waits longer each time; the error stays with the row."""
    labourer.queue("a")
    orchestration = labourer.orchestration(max_attempts=2, retry_delay=30)
    orchestration.turn()
    assert labourer.report(labourer.function.events[-1], ok=False, response={"errorType": "E", "errorMessage": "no"})
    assert 1 == orchestration.turn().retried
    labourer.pass_time(29)
    assert 0 == orchestration.turn().requeued
    labourer.pass_time(6)
    assert 1 == orchestration.turn().requeued
    orchestration.turn()
    assert "aa" == labourer.words()
    assert labourer.report(labourer.function.events[-1], ok=False, response={"errorType": "E", "errorMessage": "no"})
    assert 1 == orchestration.turn().failed
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    assert ("worker_0", "no", "2") == (
        row["labourer_id_task_status"]["S"],
        row["error_message"]["S"],
        row["attempts"]["N"],
    )
    assert {"tasks": [], "retries": []} == labourer.left()


def test_a_task_whose_worker_is_silent_expires(labourer: Labourer) -> None:
    """After event age, time-out and a margin: 60 + 5 + 60 s here."""
    labourer.queue("a")
    orchestration = labourer.orchestration()
    orchestration.turn()
    labourer.pass_time(124)
    assert 0 == orchestration.turn().retried
    labourer.pass_time(1)
    assert 1 == orchestration.turn().retried


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refused_invocation_is_given_back(labourer: Labourer, status: int) -> None:
    """It keeps its place and its attempts, holds no slot, and is invoked later: upstream loses such tasks (E4, E5)."""
    labourer.queue("a")
    before = labourer.aws.rows()
    labourer.function.reply = lambda event: (status, "TooManyRequestsException", b"{}")
    orchestration = labourer.orchestration()
    report = orchestration.turn()
    assert (1, 0, before) == (report.refused, report.running, labourer.rows())
    labourer.function.reply = lambda event: (202, "", b"")
    assert 1 == orchestration.turn().invoked


def test_a_refused_task_of_a_job_that_was_cancelled_meanwhile_is_not_invoked_again(labourer: Labourer) -> None:
    """The cancellation has left it to the workers, which never got it."""
    labourer.queue("a", "b")

    def cancel_and_refuse(event: dict[str, Any]) -> Reply:
        labourer.cancel("a")
        return (429, "TooManyRequestsException", b"{}")

    labourer.function.reply = cancel_and_refuse
    orchestration = labourer.orchestration(max_simultaneous_invocations=2)
    assert 2 == orchestration.turn().refused
    labourer.function.reply = lambda event: (202, "", b"")
    invoked_before = labourer.words()
    for _ in range(2):
        orchestration.turn()
    assert (invoked_before + "b", {"a": "0"}) == (labourer.words(), labourer.closed())
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    assert "was cancelled" in row["closed_reason"]["S"]


def test_a_retry_of_a_job_that_was_cancelled_meanwhile_is_not_invoked(labourer: Labourer) -> None:
    """Its attempts stay in the closed row."""
    labourer.queue("a")
    orchestration = labourer.orchestration(max_attempts=3, retry_delay=1)
    orchestration.turn()
    assert labourer.report(labourer.function.events[-1], ok=False, response={"errorType": "E", "errorMessage": "no"})
    assert 1 == orchestration.turn().retried
    labourer.cancel("a")
    labourer.pass_time(40)
    report = orchestration.turn()
    assert (1, 0, 1, "a") == (report.requeued, report.invoked, report.failed, labourer.words())
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    assert ("1", "no", True) == (
        row["attempts"]["N"],
        row["error_message"]["S"],
        "cancelled" in row["closed_reason"]["S"],
    )
    assert {"tasks": [], "retries": []} == labourer.left()


def test_a_job_that_cannot_be_read_for_a_moment_pauses_nothing(
    labourer: Labourer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a claim that is throttled: the other tasks are invoked, and this one in a later turn."""
    labourer.queue("a", given_back={"N": "1"})
    labourer.queue("b", first=2)
    refusals = [dynamodb_error("ProvisionedThroughputExceededException")]

    def answer(event_name: str, request: Any, **_: Any) -> Any:
        return refusals.pop() if b'"header"' in request.body and refusals else None

    dynamodb = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))
    dynamodb.meta.events.register_first("before-send.dynamodb.GetItem", answer)
    monkeypatch.setattr(labourer, "clients", replace(labourer.clients, dynamodb=dynamodb))
    orchestration = labourer.orchestration()
    report = orchestration.turn()
    assert ("", 1, "b") == (report.paused, report.refused, labourer.words())
    orchestration.turn()
    assert "ba" == labourer.words()


def test_a_row_that_was_given_back_since_it_was_read_is_not_claimed(labourer: Labourer) -> None:
    """Its place and attempts are as before, and a cancellation may have passed it: it is read again first."""
    labourer.queue("a")
    rows = LabourerRows(labourer.aws.dynamodb, TableNames(), "worker")
    transitions = Transitions(labourer.aws.dynamodb, TableNames(), "here")
    now = int(labourer.now)
    (before,) = rows.head(now=now, rows=1)
    claimed = transitions.claim(before, now=now)
    assert claimed is not None
    assert transitions.give_back(claimed)
    assert transitions.claim(before, now=now) is None
    (after,) = rows.head(now=now, rows=1)
    assert (1, True) == (after.given_back, after.was_claimed)
    assert transitions.claim(after, now=now) is not None


def test_an_invocation_that_was_never_sent_is_given_back(labourer: Labourer) -> None:
    """No connection, so no event."""
    labourer.queue("a")
    before = labourer.aws.rows()

    def away(event: dict[str, Any]) -> Reply:
        raise ConnectTimeoutError(endpoint_url="x")

    labourer.function.reply = away
    labourer.orchestration().turn()
    assert before == labourer.rows()


def test_a_lost_answer_leaves_the_claim(labourer: Labourer) -> None:
    """Lambda may have the event: invoking it again would run the task twice."""
    labourer.queue("a")

    def lost(event: dict[str, Any]) -> Reply:
        raise ReadTimeoutError(endpoint_url="x")

    labourer.function.reply = lost
    orchestration = labourer.orchestration()
    assert 1 == orchestration.turn().running
    assert (0, 1) == ((report := orchestration.turn()).invoked, report.running)


@pytest.mark.parametrize(("status", "code"), [(404, "ResourceNotFoundException"), (403, "AccessDeniedException")])
def test_a_labourer_with_a_fault_pauses(labourer: Labourer, status: int, code: str) -> None:
    """Its claim is given back, the reason is in the report, and it is tried again with back-off (E2)."""
    labourer.queue("a")
    before = labourer.aws.rows()
    labourer.function.reply = lambda event: (status, code, b'{"message": "no such function"}')
    orchestration = labourer.orchestration()
    assert orchestration.turn().paused
    assert before == labourer.rows()
    labourer.function.reply = lambda event: (202, "", b"")
    assert orchestration.turn().paused
    labourer.pass_time(6)
    assert 1 == orchestration.turn().invoked


@pytest.mark.parametrize("timeout", [None, 5])
def test_a_missing_function_is_named_as_such(labourer: Labourer, timeout: int | None) -> None:
    """Found when its settings are read, or when it is invoked; the reason has the fix, and speaks of no table."""
    labourer.queue("a")
    labourer.function.timeout = timeout
    labourer.function.reply = lambda event: (404, "ResourceNotFoundException", b'{"Message": "Function not found"}')
    paused = labourer.orchestration().turn().paused
    assert "on worker failed" in paused
    assert "Fix: deploy the function, or correct the labourer's setting 'arn'" in paused
    assert "table" not in paused


def test_a_labourer_with_a_fault_is_idle_once_its_rows_are_gone(labourer: Labourer) -> None:
    """So `until="idle"` ends although the function is missing."""
    labourer.queue("a")
    labourer.function.timeout = None
    orchestration = labourer.orchestration()
    assert not orchestration.turn().idle
    labourer.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": "a" * 32}})
    labourer.pass_time(6)
    assert orchestration.turn().idle


def test_a_labourer_with_a_fault_leaves_the_lease_to_another_orchestrator(labourer: Labourer) -> None:
    """For example to one that has the permission."""
    labourer.queue("a")
    labourer.function.timeout = None
    labourer.orchestration().turn()
    labourer.function.timeout = 5
    assert 1 == labourer.orchestration("there").turn().invoked


def test_a_faulty_row_at_the_head_is_closed_with_its_reason(labourer: Labourer) -> None:
    """The rows behind it continue (E20)."""
    labourer.queue("a", payload={"M": {}})
    labourer.queue("b", first=2, attempts={"S": "0"})
    labourer.queue("c", first=3)
    labourer.orchestration().turn()
    assert ({"a": "0", "b": "0"}, "c") == (labourer.closed(), labourer.words())
    reasons = {row["task_id"]["S"][0]: row["closed_reason"]["S"] for row in labourer.aws.rows("sosw_closed_tasks")}
    assert "it cannot be invoked: payload is not a text" == reasons["a"]


def test_an_event_that_lambda_does_not_take_is_closed_as_failed(labourer: Labourer) -> None:
    """It would be refused for ever."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (413, "RequestTooLargeException", b"{}")
    labourer.orchestration().turn()
    assert ({"a": "0"}, {"tasks": [], "retries": []}) == (labourer.closed(), labourer.left())


def test_an_event_that_lambda_does_not_take_counts_as_failed(labourer: Labourer) -> None:
    """Not as invoked."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (413, "RequestTooLargeException", b"{}")
    report = labourer.orchestration().turn()
    assert (0, 0, 1) == (report.invoked, report.running, report.failed)


@pytest.mark.parametrize(
    ("reply", "counted"),
    [
        ((404, "ResourceNotFoundException", b"{}"), (0, 0, True)),
        ((429, "TooManyRequestsException", b"{}"), (1, 0, False)),
        ((413, "RequestTooLargeException", b"{}"), (0, 1, False)),
    ],
)
def test_a_synchronous_invocation_is_counted_in_the_next_turn(
    labourer: Labourer, reply: Reply, counted: tuple[int, int, bool]
) -> None:
    """Refused, failed, or a fault that pauses the labourer, as those by event."""
    labourer.queue("a")
    labourer.function.reply = lambda event: reply
    orchestration = labourer.orchestration(invocation="request")
    orchestration.turn()
    labourer.workers.submit(int).result()  # it is the only thread
    labourer.function.reply = lambda event: (200, "", b"1")
    report = orchestration.turn()
    assert counted == (report.refused, report.failed, bool(report.paused))


def test_a_refused_synchronous_invocation_is_not_counted_as_invoked(labourer: Labourer) -> None:
    """It is under way in its own turn; the next one knows how it ended."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (429, "TooManyRequestsException", b"{}")
    orchestration = labourer.orchestration(invocation="request")
    first = orchestration.turn()
    labourer.workers.submit(int).result()  # it is the only thread
    labourer.function.reply = lambda event: (200, "", b"1")
    second = orchestration.turn()
    labourer.workers.submit(int).result()
    third = orchestration.turn()
    counts = [(each.started, each.invoked, each.refused) for each in (first, second, third)]
    assert [(1, 0, 0), (1, 0, 1), (0, 1, 0)] == counts


@pytest.mark.parametrize("invocation", ["event", "request"])
def test_a_fault_lasts_if_three_turns_meet_it(labourer: Labourer, invocation: str) -> None:
    """The pauses between them are twice as long each time."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (404, "ResourceNotFoundException", b"{}")
    orchestration = labourer.orchestration(invocation=invocation)
    met = []
    for pause in (5, 10, 20):
        while not (report := orchestration.turn()).paused:
            labourer.workers.submit(int).result()
        met.append(report.lasting)
        labourer.pass_time(pause - 0.1)
        assert orchestration.turn().paused
        labourer.pass_time(0.2)
    assert [False, False, True] == met


def test_a_table_that_does_not_answer_is_no_lasting_fault(labourer: Labourer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back by itself, so a run until the queue is empty waits for it."""
    labourer.queue("a")
    orchestration = labourer.orchestration()

    def away(*_: Any, **__: Any) -> Any:
        raise ConnectTimeoutError(endpoint_url="x")

    with monkeypatch.context() as patched:
        patched.setattr(labourer.clients.dynamodb, "query", away)
        for _ in range(5):
            report = orchestration.turn()
            assert (True, False) == (bool(report.paused), report.lasting)
            labourer.pass_time(301)
    assert 1 == orchestration.turn().invoked


def test_one_claim_that_fails_hides_no_other(labourer: Labourer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The invocations beside it are counted, and the lease is released when all have ended."""
    labourer.queue(*"abc")
    refuse_claim(labourer, monkeypatch, "AccessDeniedException")
    report = labourer.orchestration().turn()
    assert ("bc", 2, True) == (labourer.words(), report.invoked, bool(report.paused))


def test_a_claim_that_is_throttled_pauses_nothing(labourer: Labourer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as refused, so the pace slows down; the row is as before."""
    labourer.queue(*"abc")
    orchestration = labourer.orchestration()
    with monkeypatch.context() as patched:
        refuse_claim(labourer, patched, "ProvisionedThroughputExceededException")
        report = orchestration.turn()
    assert ("bc", 2, 1, "") == (labourer.words(), report.invoked, report.refused, report.paused)
    orchestration.turn()
    assert "bca" == labourer.words()
    assert 0 == labourer.function.events[-1]["attempts"]


def refuse_claim(labourer: Labourer, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the table refuse to claim the task `a`."""
    update = labourer.clients.dynamodb.update_item

    def failing(**arguments: Any) -> Any:
        if arguments["Key"] == {"task_id": {"S": "a" * 32}}:
            raise ClientError({"Error": {"Code": code}}, "UpdateItem")
        return update(**arguments)

    monkeypatch.setattr(labourer.clients.dynamodb, "update_item", failing)


def test_a_batch_that_is_throttled_in_part_is_finished(labourer: Labourer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table on its limit takes a part of each batch; that is no fault of the labourer."""
    labourer.queue(*"abc")
    orchestration = labourer.orchestration()
    orchestration.turn()
    for event in labourer.function.events:
        labourer.report(event)
    write = labourer.clients.dynamodb.batch_write_item

    def partly(**arguments: Any) -> Any:
        ((table, (first, *others)),) = arguments["RequestItems"].items()
        write(RequestItems={table: [first]})
        return {"UnprocessedItems": {table: others} if others else {}}

    monkeypatch.setattr(labourer.clients.dynamodb, "batch_write_item", partly)
    report = orchestration.turn()
    assert (3, "", dict.fromkeys("abc", "1")) == (report.completed, report.paused, labourer.closed())


def test_a_batch_that_is_throttled_as_a_whole_is_sent_again(
    labourer: Labourer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next turn would begin it again, and a table of one unit a second would never take the last row."""
    labourer.queue(*"abc")
    orchestration = labourer.orchestration()
    orchestration.turn()
    for event in labourer.function.events:
        labourer.report(event)
    write, sent = labourer.clients.dynamodb.batch_write_item, count()

    def one_of_two(**arguments: Any) -> Any:
        if next(sent) % 2 == 0:
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "BatchWriteItem")
        ((table, (first, *others)),) = arguments["RequestItems"].items()
        write(RequestItems={table: [first]})
        return {"UnprocessedItems": {table: others} if others else {}}

    monkeypatch.setattr(labourer.clients.dynamodb, "batch_write_item", one_of_two)
    report = orchestration.turn()
    assert (3, "", dict.fromkeys("abc", "1")) == (report.completed, report.paused, labourer.closed())


@pytest.mark.parametrize("failures", [1, 2])
def test_a_claim_is_given_back_although_the_table_refuses_at_first(
    labourer: Labourer, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """Lambda has refused the task: without that it would lose an attempt and wait for its expiry."""
    labourer.queue("a")
    before = labourer.aws.rows()
    labourer.function.reply = lambda event: (429, "TooManyRequestsException", b"{}")
    left = [dynamodb_error("ProvisionedThroughputExceededException") for _ in range(failures)]

    def answer(event_name: str, request: Any, **_: Any) -> Any:
        if b"REMOVE queued_as" in request.body and left:
            return left.pop()
        return None

    repeating = boto3.client("dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 4}))
    repeating.meta.events.register_first("before-send.dynamodb", answer)
    monkeypatch.setattr(labourer, "clients", replace(labourer.clients, dynamodb=repeating))
    labourer.orchestration().turn()
    assert (before, []) == (labourer.rows(), left)


def test_a_claim_of_another_orchestrator_is_not_given_back(labourer: Labourer) -> None:
    """Not even one of the same row, attempt and second."""
    labourer.queue("a")
    here, there = (Transitions(labourer.aws.dynamodb, TableNames(), name) for name in ("here", "there"))
    rows = LabourerRows(labourer.aws.dynamodb, TableNames(), "worker")
    (row,) = rows.head(now=int(labourer.now), rows=1)
    claimed = here.claim(row, now=int(labourer.now))
    assert claimed is not None
    assert here.give_back(claimed)
    (row,) = rows.head(now=int(labourer.now), rows=1)
    assert there.claim(row, now=int(labourer.now)) is not None
    assert not here.give_back(claimed)


def test_all_faults_of_one_turn_are_one_pause(labourer: Labourer) -> None:
    """Of the first length, not doubled for each task."""
    labourer.queue(*"abcd")
    reply = labourer.function.reply
    labourer.function.reply = lambda event: (404, "ResourceNotFoundException", b"{}")
    orchestration = labourer.orchestration()
    assert orchestration.turn().paused
    labourer.function.reply = reply
    labourer.pass_time(5.1)
    assert 4 == orchestration.turn().invoked


def test_a_late_completion_closes_a_task_that_is_queued_again(labourer: Labourer) -> None:
    """It is not invoked again, as upstream does (E9)."""
    labourer.queue("a", completed_at={"N": "1795431001"})
    labourer.orchestration().turn()
    assert ("", {"a": "1"}) == (labourer.words(), labourer.closed())


def test_a_late_completion_in_the_retry_table(labourer: Labourer) -> None:
    """The assistant marks it there; the task is closed as completed and never runs again (E8)."""
    labourer.queue("a")
    orchestration = labourer.orchestration()
    orchestration.turn()
    labourer.pass_time(HOUR)
    assert 1 == orchestration.turn().retried
    assert labourer.report(labourer.function.events[0], response="late")
    labourer.pass_time(HOUR)
    orchestration.turn()
    assert ("a", {"a": "1"}, {"tasks": [], "retries": []}) == (labourer.words(), labourer.closed(), labourer.left())


def test_a_late_completion_in_the_retry_table_of_a_labourer_that_stands_still(labourer: Labourer) -> None:
    """It is closed, and nothing is queued again: a limit of 0."""
    labourer.queue("a", "b")
    orchestration = labourer.orchestration()
    orchestration.turn()
    labourer.pass_time(HOUR)
    assert 2 == orchestration.turn().retried
    orchestration.release()
    assert labourer.report(labourer.function.events[0])
    labourer.pass_time(HOUR)
    report = labourer.orchestration("next", max_simultaneous_invocations=0).turn()
    assert (1, 0, {"a": "1"}) == (report.completed, report.requeued, labourer.closed())
    assert {"tasks": [], "retries": ["b"]} == labourer.left()


def test_what_was_completed_is_closed_although_the_function_is_gone(labourer: Labourer) -> None:
    """Nothing expires and nothing is invoked, since the function's time-out is unknown."""
    labourer.queue("a", "b", "c")
    orchestration = labourer.orchestration(max_simultaneous_invocations=2)
    orchestration.turn()
    orchestration.release()
    assert labourer.report(labourer.function.events[0])
    labourer.function.timeout = None
    labourer.pass_time(HOUR)
    report = labourer.orchestration("next", max_simultaneous_invocations=2).turn()
    assert (1, 0, {"a": "1"}) == (report.completed, report.retried, labourer.closed())
    assert "GetFunctionConfiguration" in report.paused


def test_a_late_completion_while_the_task_comes_back_into_the_queue(labourer: Labourer) -> None:
    """The assistant finds it in neither table at first: the row is between its two requests."""
    labourer.queue("a")
    orchestration = labourer.orchestration()
    orchestration.turn()
    labourer.pass_time(HOUR)
    assert 1 == orchestration.turn().retried
    transitions = Transitions(labourer.aws.dynamodb, TableNames(), "here")
    rows = LabourerRows(labourer.aws.dynamodb, TableNames(), "worker")

    class Between:
        exceptions = labourer.aws.dynamodb.exceptions

        def update_item(self, **request: Any) -> Any:
            if request["TableName"] == "sosw_retry_tasks":
                (due,) = rows.due_retries(now=int(labourer.now + HOUR), rows=1)
                assert transitions.requeue(due, greenfield=999, now=int(labourer.now))
            return labourer.aws.dynamodb.update_item(**request)

    report = {"task_id": "a" * 32, "ok": True, "attempt": 1, "labourer_id": "worker", "attributes": {}}
    tables = {"tasks_table": "sosw_tasks", "retry_tasks_table": "sosw_retry_tasks"}
    assert assistant.mark(Between(), report, now=int(labourer.now), **tables)
    orchestration.turn()
    assert ("a", {"a": "1"}) == (labourer.words(), labourer.closed())


def test_a_ghost_of_upstreams_assistant(labourer: Labourer) -> None:
    """It makes an item of a late report; the task counts as completed and the ghost goes (E8)."""
    labourer.queue("a")
    orchestration = labourer.orchestration()
    orchestration.turn()
    labourer.pass_time(HOUR)
    orchestration.turn()
    ghost = {"task_id": {"S": "a" * 32}, "completed_at": {"N": "1795435000"}}
    labourer.aws.dynamodb.put_item(TableName="sosw_tasks", Item=ghost)
    labourer.pass_time(HOUR)
    orchestration.turn()
    assert ({"a": "1"}, {"tasks": [], "retries": []}) == (labourer.closed(), labourer.left())


def test_a_report_of_an_earlier_attempt_fails_no_later_one(labourer: Labourer) -> None:
    """It is fenced by the number of its attempt."""
    labourer.queue("a")
    orchestration = labourer.orchestration(retry_delay=1)
    orchestration.turn()
    labourer.pass_time(HOUR)
    for _ in range(3):
        orchestration.turn()
        labourer.pass_time(10)
    first, second = labourer.function.events
    assert not labourer.report(first, ok=False)
    assert labourer.report(second)


def test_a_report_for_no_row_makes_none(labourer: Labourer) -> None:
    """No ghost item appears (E10)."""
    assert not labourer.report({"task_id": "f" * 32, "attempts": 0, "labourer_id": "worker"})
    assert {"tasks": [], "retries": []} == labourer.left()


def test_the_second_completion_changes_nothing(labourer: Labourer) -> None:
    """Lambda may run an event twice; the first report wins."""
    labourer.queue("a")
    labourer.orchestration().turn()
    (event,) = labourer.function.events
    assert (True, False) == (labourer.report(event, response=1), labourer.report(event, response=2))
    assert "1" == labourer.aws.rows()[0]["result"]["S"]


def test_odd_names_and_values_of_sosws_worker(labourer: Labourer) -> None:
    """Upstream loses the completion (E18)."""
    from sosw_airflow.orchestration import assistant

    labourer.queue("a")
    labourer.orchestration().turn()
    event = {
        "action": "mark_task_as_completed",
        "task_id": "a" * 32,
        "stats": {"rows-written": 3, "2nd": float("nan")},
        "result": ["x", {"y": 1}],
    }
    report = assistant.report_of(json.loads(json.dumps(event)))
    assert report is not None
    assert labourer.mark(report)
    (row,) = labourer.aws.rows()
    assert ("3", "NaN", '["x", {"y": 1}]') == (
        row["stat_rows_written"]["N"],
        row["stat_2nd"]["S"],
        row["result"]["S"],
    )


def test_a_large_result_is_cut_with_a_mark(labourer: Labourer) -> None:
    """A row has room for 400 KB with its payload."""
    labourer.queue("a")
    labourer.orchestration().turn()
    assert labourer.report(labourer.function.events[0], response="x" * 300_000)
    (row,) = labourer.aws.rows()
    assert (32 * 1024, True) == (len(row["result"]["S"]), row["result_truncated"]["BOOL"])


def test_a_synchronous_labourer_needs_no_assistant(labourer: Labourer) -> None:
    """The orchestrator stores the answer itself, and the error of a function that raises."""
    labourer.queue(*"ab")

    def answer(event: dict[str, Any]) -> Reply:
        if event["word"] == "a":
            return 200, "", b'{"rows": 3}'
        return 200, "Handled", b'{"errorType": "ValueError", "errorMessage": "bad word"}'

    labourer.function.reply = answer
    orchestration = labourer.orchestration(invocation="request", max_attempts=1)
    orchestration.turn()
    labourer.workers.submit(lambda: None).result()
    orchestration.turn()
    rows = {row["task_id"]["S"][0]: row for row in labourer.aws.rows("sosw_closed_tasks")}
    assert ({"a": "1", "b": "0"}, '{"rows": 3}') == (labourer.closed(), rows["a"]["result"]["S"])
    assert ("ValueError", "bad word") == (rows["b"]["error_type"]["S"], rows["b"]["error_message"]["S"])


def test_a_limit_of_0_invokes_nothing(labourer: Labourer) -> None:
    """But what runs is closed."""
    labourer.queue(*"ab")
    labourer.orchestration(max_simultaneous_invocations=1).turn()
    labourer.report(labourer.function.events[0])
    other = labourer.orchestration("other", max_simultaneous_invocations=0)
    labourer.pass_time(1)
    assert "here" == other.turn().holder
    labourer.pass_time(61)
    report = other.turn()
    assert (1, 0) == (report.completed, report.invoked)


def test_invocations_a_minute_are_limited(labourer: Labourer) -> None:
    """Whatever the limit at once is."""
    labourer.queue(*"abcd")
    orchestration = labourer.orchestration(max_invocations_per_minute=3)
    assert (3, 0) == (orchestration.turn().invoked, orchestration.turn().invoked)
    labourer.pass_time(61)
    assert 1 == orchestration.turn().invoked


def test_max_attempts_that_are_lowered(labourer: Labourer) -> None:
    """A task that has used up the new number is closed with that reason."""
    labourer.queue("a", attempts={"N": "2"})
    labourer.orchestration(max_attempts=2).turn()
    (row,) = labourer.aws.rows("sosw_closed_tasks")
    assert ("worker_0", "2 of 2 attempts are used up") == (
        row["labourer_id_task_status"]["S"],
        row["closed_reason"]["S"],
    )


@pytest.mark.parametrize("depth", [400, 900, 950, 980, 990, 1000, 100_000])
def test_an_answer_of_any_depth(labourer: Labourer, depth: int) -> None:
    """It is stored, as a document or as its text: a function's answer is no fault of the orchestrator."""
    labourer.queue("a")
    labourer.function.reply = lambda event: (200, "", b'{"a":' * depth + b"1" + b"}" * depth)
    orchestration = labourer.orchestration(invocation="request", max_attempts=1)
    for _ in range(2):
        orchestration.turn()
        labourer.workers.submit(lambda: None).result()
    assert labourer.closed() == {"a": "1"}


@pytest.mark.parametrize("depth", [400, 900, 950, 980, 990, 1000, 30_000])
def test_a_payload_of_any_depth(labourer: Labourer, depth: int) -> None:
    """It is invoked, or closed as failed with its reason; the tasks behind it are invoked."""
    labourer.queue("a", "b")
    deep = '{"a":' * depth + "1" + "}" * depth
    labourer.aws.dynamodb.update_item(
        TableName="sosw_tasks",
        Key={"task_id": {"S": "a" * 32}},
        UpdateExpression="SET payload = :deep",
        ExpressionAttributeValues={":deep": {"S": deep}},
    )
    report = labourer.orchestration(max_simultaneous_invocations=5).turn()
    labourer.workers.submit(lambda: None).result()
    invoked = {event["task_id"][0] for event in labourer.function.events}
    assert (report.paused, invoked | set(labourer.closed())) == ("", {"a", "b"})
    assert "b" in invoked


def test_an_event_that_is_no_report_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Only its names: its values may be secrets, and Lambda's log has no masker."""
    assistant._clients["dynamodb"] = None
    with caplog.at_level("WARNING"):
        assert assistant.handler({"password": "hunter2"}) == {"marked": False}
    assert "it has password." in caplog.text
    assert "hunter2" not in caplog.text
    del assistant._clients["dynamodb"]
