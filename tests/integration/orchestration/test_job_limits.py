"""`max_running` of a job: at most so many of its tasks run at once, whoever orchestrates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sosw_airflow.jobs.identity import job_of, task_id
from sosw_airflow.orchestration.turn import LabourerOrchestration
from sosw_airflow.stores.job_limits import JobLimit, JobLimits
from tests.integration.orchestration.conftest import LABOURER, Labourer

SLOW, OTHER = "51" * 10, "07" * 10


def put_job(labourer: Labourer, job_id: str, tasks: int, *, limit: int = 0, base: int = 0, step: int = 1000) -> None:
    """A written job: what an orchestrator reads of its header, and its rows."""
    numbers = {"max_running": limit, "greenfield_base": base, "greenfield_step": step, "tasks": tasks}
    header = {name: {"N": str(value)} for name, value in numbers.items() if value or name != "max_running"}
    key = {"job_id": {"S": job_id}, "record": {"S": "header"}}
    labourer.aws.dynamodb.put_item(TableName="sosw_jobs", Item=key | header)
    rows = [
        {
            "task_id": {"S": task_id(job_id, index)},
            "labourer_id": {"S": LABOURER},
            "payload": {"S": json.dumps({"word": job_id})},
            "created_at": {"N": "1795431000.5"},
            "greenfield": {"N": str(base + (index + 1) * step)},
            "attempts": {"N": "0"},
        }
        for index in range(tasks)
    ]
    for start in range(0, tasks, 25):
        puts = [{"PutRequest": {"Item": row}} for row in rows[start : start + 25]]
        labourer.aws.dynamodb.batch_write_item(RequestItems={"sosw_tasks": puts})


def running(labourer: Labourer, *done: set[str]) -> Counter[str]:
    """How many tasks of each job were invoked and have not reported."""
    return Counter(
        job_of(event["task_id"])
        for event in labourer.function.events
        if not any(event["task_id"] in each for each in done)
    )


def drain(labourer: Labourer, orchestration: LabourerOrchestration, done: set[str]) -> Iterator[Counter[str]]:
    """Turns until nothing is left; after each one the oldest running tasks report. Gives what ran at each turn."""
    for _ in range(200):
        report = orchestration.turn()
        if report.idle:
            return
        yield running(labourer, done)
        open_events = [event for event in labourer.function.events if event["task_id"] not in done]
        for event in open_events[:2]:
            assert labourer.report(event)
            done.add(event["task_id"])
        labourer.pass_time(1)
    raise AssertionError("some tasks are left")


@contextmanager
def counted(client: Any) -> Iterator[Counter[str]]:
    """The requests of a client, by operation."""
    found: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        found[model.name] += 1

    client.meta.events.register("before-call", count)
    try:
        yield found
    finally:
        client.meta.events.unregister("before-call", count)


def test_a_limited_job_and_another_one_of_the_labourer(labourer: Labourer) -> None:
    """With 3 of 10 places for the first job the second one gets the other 7; every task is done once."""
    put_job(labourer, SLOW, 20, limit=3)
    put_job(labourer, OTHER, 30, base=20_000)
    done: set[str] = set()
    found = list(drain(labourer, labourer.orchestration(max_simultaneous_invocations=10), done))
    assert (3, 7) == (max(each[SLOW] for each in found), max(each[OTHER] for each in found if each[SLOW]))
    assert max(each.total() for each in found) == 10
    assert len(done) == len(labourer.function.events) == 50


def test_a_job_behind_one_of_a_thousand_tasks_at_its_limit(labourer: Labourer) -> None:
    """It is found in the first turn, though a turn reads a few rows of the queue."""
    put_job(labourer, SLOW, 1000, limit=2)
    put_job(labourer, OTHER, 5, base=1_000_000)
    with counted(labourer.clients.dynamodb) as requests:
        labourer.orchestration(max_simultaneous_invocations=4).turn()
    assert {SLOW: 2, OTHER: 2} == running(labourer)
    assert requests["Query"] <= 8


def test_a_failed_task_that_is_queued_again_waits_for_its_job(labourer: Labourer) -> None:
    """It comes back at the head of the queue; the limit holds for it, and others pass it."""
    put_job(labourer, SLOW, 3, limit=1)
    orchestration = labourer.orchestration(max_simultaneous_invocations=4, retry_delay=1)
    orchestration.turn()
    assert labourer.report(labourer.function.events[0], ok=False)
    orchestration.turn()
    put_job(labourer, OTHER, 1, base=3000)
    labourer.pass_time(40)
    report = orchestration.turn()
    assert (1, 1) == (report.requeued, report.invoked)
    assert {SLOW: 2, OTHER: 1} == running(labourer)  # one of SLOW has failed, one runs


def test_the_next_holder_counts_what_the_former_one_has_invoked(labourer: Labourer) -> None:
    """The rows say it; a crash adds nothing."""
    put_job(labourer, SLOW, 10, limit=3)
    labourer.orchestration("crashed", max_simultaneous_invocations=10).turn()
    there = labourer.orchestration("there", max_simultaneous_invocations=10)
    there.turn()
    labourer.pass_time(60)
    assert 0 == there.turn().invoked
    assert {SLOW: 3} == running(labourer)


def test_a_limit_that_is_changed_holds_within_ten_seconds(labourer: Labourer) -> None:
    """By the command, in the header."""
    from sosw_airflow.stores.job_record import JobRecordDamaged

    put_job(labourer, SLOW, 10, limit=3)
    orchestration = labourer.orchestration(max_simultaneous_invocations=10)
    orchestration.turn()
    limits = JobLimits(labourer.aws.dynamodb, "sosw_jobs")
    with pytest.raises(JobRecordDamaged):  # this test's header is not whole; the change is made all the same
        limits.change(SLOW, 5)
    labourer.pass_time(11)
    assert 2 == orchestration.turn().invoked
    assert JobLimit(5, 0, 10_000) == limits.read(SLOW)


def test_a_job_without_a_record_has_no_limit(labourer: Labourer) -> None:
    """A row of sosw's Scheduler, or of a job whose record has gone."""
    limits = JobLimits(labourer.aws.dynamodb, "sosw_jobs")
    assert (JobLimit(), None) == (limits.read(SLOW), limits.change(SLOW, 3))


def test_an_idle_labourer_reads_no_limit(labourer: Labourer) -> None:
    """And one with tasks of one job reads its header every ten seconds at most."""
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    with counted(labourer.clients.dynamodb) as requests:
        orchestration.turn()
    assert {"Query": 2} == requests
    put_job(labourer, OTHER, 5)
    orchestration.turn()
    labourer.report(labourer.function.events[-1])
    with counted(labourer.clients.dynamodb) as requests:
        orchestration.turn()
    assert 0 == requests["GetItem"]
