"""`cancel_job`: what is taken out of the queue, what stays, and that nothing is added any more."""

from __future__ import annotations

from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

from sosw_airflow.exceptions import JobCancelled
from sosw_airflow.scheduling.cancel import CancelResult, cancel_job
from tests.integration.conftest import Installation, request_for
from tests.support.network_edge import Crash, answering, crash_at, dynamodb_error, once

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

JOB_ID = request_for().identity.job_id


def invoke(installation: Installation, index: int) -> None:
    """What sosw's Orchestrator does to the row of a task (sosw rule 9)."""
    installation.aws.dynamodb.update_item(
        TableName="sosw_tasks",
        Key={"task_id": {"S": f"{JOB_ID}{index:012x}"}},
        UpdateExpression="SET greenfield = :invoked ADD attempts :one",
        ExpressionAttributeValues={":invoked": {"N": "1826989227"}, ":one": {"N": "1"}},
    )


def test_a_job_that_is_unknown(installation: Installation) -> None:
    """There is nothing to cancel."""
    assert cancel_job(installation.deployment, "0" * 20) is None


def test_a_written_job(installation: Installation) -> None:
    """All rows that no worker has got are removed."""
    installation.scheduler().schedule(request_for())

    assert cancel_job(installation.deployment, JOB_ID) == CancelResult(JOB_ID, removed=4, kept=0, never_written=0)
    assert installation.queue() == []


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "TransactionConflictException"])
def test_what_passes_does_not_end_the_cancelling(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """A small table, or a transaction of a writer that still lives: each request is sent until AWS answers it."""
    monkeypatch.setattr("sosw_airflow.stores.backoff.pauses", lambda: repeat(0.0))
    scheduler = installation.scheduler()
    header, _ = scheduler.plan(request_for())
    refusals = iter(range(30))

    def refuse_the_first(operation: str) -> AWSResponse | None:
        refused = operation in ("PutItem", "DeleteItem") and next(refusals, None) is not None
        return dynamodb_error(code) if refused else None

    with answering(*installation.clients, handler=refuse_the_first):
        cancelled = cancel_job(installation.deployment, header.job_id)

    assert cancelled == CancelResult(JOB_ID, removed=0, kept=0, never_written=4)
    assert installation.records() == ["header", "page#00000000"]


def test_a_small_table_does_not_end_the_removal(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is begun again: a row that is deleted a second time costs as much as the first time."""
    monkeypatch.setattr("sosw_airflow.stores.backoff.pauses", lambda: repeat(0.0))
    installation.scheduler().schedule(request_for())
    refusals = iter(range(60))

    def refuse_the_first(operation: str) -> AWSResponse | None:
        refused = operation == "DeleteItem" and next(refusals, None) is not None
        return dynamodb_error("ThrottlingException") if refused else None

    with answering(*installation.clients, handler=refuse_the_first):
        cancelled = cancel_job(installation.deployment, JOB_ID)

    assert (cancelled, installation.queue()) == (CancelResult(JOB_ID, removed=4, kept=0, never_written=0), [])


def test_invoked_tasks_stay(installation: Installation) -> None:
    """A row that a worker has got is not touched."""
    installation.scheduler().schedule(request_for())
    invoke(installation, 2)

    assert cancel_job(installation.deployment, JOB_ID) == CancelResult(JOB_ID, removed=3, kept=1, never_written=0)
    assert [row["task_id"]["S"] for row in installation.queue()] == [f"{JOB_ID}{2:012x}"]


def test_a_task_that_is_invoked_in_the_same_moment_stays(installation: Installation) -> None:
    """The deletion itself is on the condition that the task was never invoked."""
    installation.scheduler().schedule(request_for())
    with answering(*installation.clients, handler=once("DeleteItem", lambda: invoke(installation, 0))):
        cancelled = cancel_job(installation.deployment, JOB_ID)

    assert cancelled == CancelResult(JOB_ID, removed=3, kept=1, never_written=0)


@pytest.mark.usefixtures("pages_of_two")
def test_a_job_that_was_being_written(installation: Installation) -> None:
    """What came into the queue is removed, the rest is never written, and the plan is gone."""
    scheduler = installation.scheduler()
    commit = installation.deployment.dynamodb_once.transact_write_items

    def stop_after_one_page(**request: Any) -> Any:
        scheduler.stop.set()
        return commit(**request)

    installation.deployment.dynamodb_once.transact_write_items = stop_after_one_page
    with suppress(BaseException):
        scheduler.schedule(request_for())
    installation.deployment.dynamodb_once.transact_write_items = commit
    assert len(installation.queue()) == 2

    assert cancel_job(installation.deployment, JOB_ID) == CancelResult(JOB_ID, removed=2, kept=0, never_written=2)
    assert installation.queue() == []
    assert installation.aws.queue_files() == {}


@pytest.mark.usefixtures("pages_of_two")
def test_a_copy_that_still_writes_adds_nothing(installation: Installation) -> None:
    """A writer that was cancelled from elsewhere between two pages commits no other page, and says why."""
    calls: list[str] = []

    def cancel_before_the_second_page(operation: str) -> None:
        if operation == "TransactWriteItems":
            calls.append(operation)
            if len(calls) == 2:
                cancel_job(installation.other_copy().deployment, JOB_ID)

    with answering(*installation.clients, handler=cancel_before_the_second_page), pytest.raises(JobCancelled):
        installation.scheduler().schedule(request_for())

    assert installation.queue() == []


def test_a_cancelled_job_is_not_resumed(installation: Installation) -> None:
    """Another attempt of the same generation is refused."""
    installation.scheduler().schedule(request_for())
    cancel_job(installation.deployment, JOB_ID)

    with pytest.raises(JobCancelled):
        installation.scheduler().schedule(request_for())


@pytest.mark.usefixtures("pages_of_two")
@pytest.mark.parametrize("number", range(8))
def test_a_crash_while_cancelling_is_mended_by_the_next_call(installation: Installation, number: int) -> None:
    """Each step can be repeated."""
    installation.scheduler().schedule(request_for())
    with suppress(Crash), crash_at(number, *installation.clients, applied=True):
        cancel_job(installation.deployment, JOB_ID)

    cancel_job(installation.deployment, JOB_ID)

    assert installation.queue() == []
    with pytest.raises(JobCancelled):
        installation.scheduler().schedule(request_for())


@pytest.mark.usefixtures("pages_of_two")
def test_a_page_that_is_committed_while_it_is_closed(installation: Installation) -> None:
    """Its marker says so, and which tasks it has: they are removed like the others."""
    header = installation.scheduler().schedule(request_for()).header
    records = installation.scheduler().records
    marker = records.close_page(header, 1)
    assert (marker.cancelled, marker.tasks) == (False, range(2, 4))
    closed, again = records.close_page(header, 2), records.close_page(header, 2)
    assert (True, True, None) == (closed.cancelled, again.cancelled, again.tasks)
