"""What the open tasks of a job do: running, waiting for a retry, queued behind others; the queue's pace."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.activity import Activity, read_activity
from tests.conftest import Aws

NOW = 1_795_431_627
JOB, OTHER = "a" * 20, "b" * 20


@pytest.fixture
def put(aws: Aws) -> Any:
    """Put a row of a job's task into one of the tables."""

    def row(job: str, index: int, table: str = "sosw_tasks", **attributes: Any) -> None:
        item: dict[str, Any] = {"task_id": {"S": f"{job}{index:012x}"}, "labourer_id": {"S": "worker"}}
        for name, value in attributes.items():
            item[name] = {"S": value} if isinstance(value, str) else {"N": str(value)}
        aws.dynamodb.put_item(TableName=table, Item=item)

    return row


def read(aws: Aws, rows: int = 1000) -> Activity:
    """Of the job."""
    return read_activity(aws.dynamodb, TableNames(), "worker", JOB, now=NOW, rows=rows)


def test_running_tasks(aws: Aws, put: Any) -> None:
    """The longest first, with attempts and the error of the attempt before; not those of others, nor what is done."""
    put(JOB, 1, greenfield=NOW + INVOCATION_DELTA - 60, attempts=1)
    put(JOB, 2, greenfield=NOW + INVOCATION_DELTA - 90, attempts=2, error_type="ValueError", error_message="bad")
    put(JOB, 3, greenfield=NOW + INVOCATION_DELTA - 90, attempts=1, completed_at=NOW - 5)
    put(OTHER, 1, greenfield=NOW + INVOCATION_DELTA - 60, attempts=1)
    found = [(each.task_id[-1], each.seconds, each.attempts, each.error) for each in read(aws).running]
    assert found == [("2", 90, 2, "ValueError: bad"), ("1", 60, 1, "")]


def test_tasks_that_wait_for_a_retry(aws: Aws, put: Any) -> None:
    """The next first; below zero if its time has come."""
    put(JOB, 1, "sosw_retry_tasks", desired_launch_time=NOW + 40, attempts=1)
    put(JOB, 2, "sosw_retry_tasks", desired_launch_time=NOW - 2, attempts=2)
    put(OTHER, 1, "sosw_retry_tasks", desired_launch_time=NOW, attempts=2)
    assert [(each.task_id[-1], each.seconds) for each in read(aws).retrying] == [("2", -2), ("1", 40)]


def test_tasks_ahead(aws: Aws, put: Any) -> None:
    """Those of other jobs that are queued before the first of the job."""
    for number in range(3):
        put(OTHER, number, greenfield=1000 + number, attempts=0)
    put(JOB, 1, greenfield=2000, attempts=0)
    put(OTHER, 9, greenfield=3000, attempts=0)
    assert (read(aws).ahead, read(aws).bounded) == (3, frozenset())


def test_a_job_with_nothing_in_the_queue(aws: Aws, put: Any) -> None:
    """Waits for none of the others."""
    put(OTHER, 1, greenfield=1000, attempts=0)
    assert read(aws).ahead == 0


def test_the_pace(aws: Aws, put: Any) -> None:
    """Closings of the last ten minutes, completed and failed, of all jobs; the time left includes the tasks ahead."""
    for number in range(60):
        status = f"worker_{number % 2}"
        put(OTHER, number, "sosw_closed_tasks", labourer_id_task_status=status, closed_at=NOW - 10 * number)
    put(OTHER, 99, "sosw_closed_tasks", labourer_id_task_status="worker_1", closed_at=NOW - 601)
    found = read(aws)
    assert found.closed_per_second == pytest.approx(60 / 590)
    assert found.seconds_left(60) == pytest.approx(590)


def test_the_pace_of_a_labourer_that_has_just_begun(aws: Aws, put: Any) -> None:
    """Since its first closing of the last ten minutes; but one closing just now says little."""
    put(OTHER, 0, "sosw_closed_tasks", labourer_id_task_status="worker_0", closed_at=NOW - 1)
    assert read(aws).closed_per_second == pytest.approx(0.1)
    for number in range(1, 20):
        put(OTHER, number, "sosw_closed_tasks", labourer_id_task_status="worker_1", closed_at=NOW - number)
    assert read(aws).closed_per_second == pytest.approx(20 / 19)


def test_no_pace(aws: Aws) -> None:
    """Without a closing the time left is unknown."""
    assert read(aws).seconds_left(5) is None


def test_numbers_beyond_the_bound(aws: Aws, put: Any) -> None:
    """Are at least what was read; a pace follows from what was read."""
    for number in range(6):
        put(OTHER, number, greenfield=1000 + number, attempts=0)
        put(JOB, 20 + number, greenfield=NOW + INVOCATION_DELTA, attempts=1)
        put(JOB, 40 + number, "sosw_retry_tasks", desired_launch_time=NOW, attempts=1)
        put(OTHER, 60 + number, "sosw_closed_tasks", labourer_id_task_status="worker_1", closed_at=NOW - 8 * number)
    put(JOB, 1, greenfield=2000, attempts=0)
    found = read(aws, rows=4)
    assert found.bounded == {"running", "retrying", "ahead"}
    assert (len(found.running), len(found.retrying), found.ahead) == (4, 4, 4)
    assert found.closed_per_second == pytest.approx(4 / 24)


def test_five_requests(aws: Aws) -> None:
    """However long the queue is."""
    calls = []
    aws.dynamodb.meta.events.register("before-call.dynamodb.Query", lambda **_: calls.append(1))
    read(aws)
    assert len(calls) == 5
