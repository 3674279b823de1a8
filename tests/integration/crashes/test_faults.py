"""Throttling, lost answers, errors, scarce capacity, a full queue, and stopping."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow.jobs.rows import Row, row_item
from tests.integration.crashes.test_concurrent_writers import queue
from tests.integration.crashes.worker import LABOURER, Attempt, Worker, started, until_success
from tests.support.faults.census import assert_exactly_once, census
from tests.support.faults.faults import Delay, Fail, LoseResponse, storm, throttle
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import chance, nth, on, s3
from tests.support.faults.rules import dynamodb as dynamodb_requests


@pytest.mark.slow
def test_a_storm_of_faults(proxy: FaultProxy, dynamodb: Any, queue_files: Callable[[], dict[str, str]]) -> None:
    """30 % throttling, 5 % lost answers and 5 % server errors at once: complete, nothing lost or double."""
    proxy.add(dynamodb_requests(), storm(throttled=0.30, lost=0.05, errors=0.05))
    proxy.add(s3(), LoseResponse(), when=chance(0.05))
    attempt = Attempt(proxy.url, 3000)

    summary = Worker(attempt).outcome()

    assert isinstance(summary, dict), summary
    assert_exactly_once(dynamodb, attempt.job_id, 3000)
    assert queue_files() == {}


@pytest.mark.slow
def test_a_lost_answer_is_settled_by_the_marker(proxy: FaultProxy, dynamodb: Any) -> None:
    """The page was committed though its answer was lost: it is sent again, and found to be there."""
    proxy.add(on("TransactWriteItems"), LoseResponse(), when=nth(1))
    attempt = Attempt(proxy.url, 50)

    assert until_success(attempt, attempts=1)["tasks"] == 50
    assert_exactly_once(dynamodb, attempt.job_id, 50)
    assert [entry.error for entry in proxy.journal.entries if entry.operation == "TransactWriteItems"] == [
        "",
        "TransactionCanceledException",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("emulator", ["ministack"], indirect=True)  # the proxy alone limits the writes
@pytest.mark.parametrize("index_units", [5, 2])
def test_a_table_of_five_write_units(proxy: FaultProxy, dynamodb: Any, index_units: int) -> None:
    """At least 80 % of what the table, or its index, allows; and no request that can never succeed."""
    table = proxy.provision(
        "sosw_tasks", 5, indexes={"sosw_tasks_greenfield": index_units}, burst_seconds=1, initial_seconds=0
    )
    attempt = Attempt(proxy.url, 30)

    assert until_success(attempt, attempts=1)["tasks"] == 30
    assert_exactly_once(dynamodb, attempt.job_id, 30)
    assert proxy.impossible_requests == []
    used = {name: bucket.used_share() for name, bucket in table.buckets.items()}
    print(f"used {used}, refused {table.refused}")
    assert max(used.values()) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message"), [("AccessDeniedException", "AccessDenied"), ("ValidationException", "AwsFault")]
)
def test_a_permanent_fault_ends_the_attempt_at_once(proxy: FaultProxy, code: str, message: str) -> None:
    """It is not sent again and again."""
    proxy.add(on("TransactWriteItems"), Fail(code))

    outcome = Worker(Attempt(proxy.url, 50)).outcome()

    assert isinstance(outcome, str)
    assert outcome.startswith(message)
    assert sum(entry.operation == "TransactWriteItems" for entry in proxy.journal.entries) == 1


@pytest.mark.slow
def test_without_any_progress_the_attempt_gives_up(proxy: FaultProxy, dynamodb: Any) -> None:
    """It says how far it came, and the next attempt continues from there."""
    storm_rule = on("TransactWriteItems")
    proxy.add(storm_rule, throttle(), when=lambda count, _: count > 1)
    attempt = Attempt(proxy.url, 300, patience=3)

    outcome = Worker(attempt).outcome()

    assert isinstance(outcome, str)
    assert outcome.startswith("NoProgress: No task of the job")
    committed = len(census(dynamodb, attempt.job_id).places)
    assert f"{committed} of 300 tasks are in the queue" in outcome
    proxy.clear()
    until_success(attempt)
    assert_exactly_once(dynamodb, attempt.job_id, 300)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_no_half_page(proxy: FaultProxy, dynamodb: Any, number: signal.Signals) -> None:
    """The process ends within seconds; what is committed is whole pages, and a retry continues from them."""
    proxy.add(on("TransactWriteItems"), Delay(1.0))
    attempt = Attempt(proxy.url, 4000, run_id=number.name)
    with started(attempt) as worker:
        while not census(dynamodb, attempt.job_id).places:
            time.sleep(0.1)
        os.kill(worker.pid, number)
        begun = time.monotonic()
        assert worker.outcome() == "Stopped"
        assert time.monotonic() - begun < 5
    proxy.wait_idle()
    there = census(dynamodb, attempt.job_id).count("sosw_tasks")
    record = dynamodb.query(
        TableName="sosw_jobs",
        KeyConditionExpression="job_id = :job",
        ExpressionAttributeValues={":job": {"S": attempt.job_id}},
    )
    header, *markers = record["Items"]
    assert 0 < there < 4000
    assert there == int(header["page_rows"]["N"]) * len(markers)
    proxy.clear()
    until_success(attempt)
    assert_exactly_once(dynamodb, attempt.job_id, 4000)


@pytest.mark.slow
def test_behind_a_queue_of_1_7_million_rows(proxy: FaultProxy, dynamodb: Any) -> None:
    """The new rows stay below the present, in order, though the old ones stand a thousand apart."""
    newest = 1_700_000 * 1000 + 93_000_000
    dynamodb.put_item(TableName="sosw_tasks", Item=row_item(Row("f" * 32, LABOURER, "{}", 0.0, newest)))
    attempt = Attempt(proxy.url, 3000)

    until_success(attempt)

    assert queue(dynamodb, attempt) == [f"{attempt.job_id}{index:012x}" for index in range(3000)]
    last = dynamodb.get_item(TableName="sosw_tasks", Key={"task_id": {"S": f"{attempt.job_id}{2999:012x}"}})["Item"]
    assert newest < int(last["greenfield"]["N"]) < time.time()
