"""Closed tasks by their ids, on tables that give few rows at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sosw_airflow.exceptions import AccessDenied, AwsFault
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.scheduling.page_writer import WriterStopped
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.closed_tasks import ClosedTasks, describe_failures
from sosw_airflow.stores.tables import TableNames
from tests.conftest import Aws
from tests.support.simulated_tables import Clock, passing_by_sleep
from tests.support.small_table import SmallTable

JOB = "0123456789abcdef0123"
TABLE = "sosw_closed_tasks"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Time passes only when the code sleeps."""
    yield passing_by_sleep(monkeypatch)
    monkeypatch.undo()


def ids(number: int) -> list[str]:
    """The ids of so many tasks."""
    return [task_id(JOB, index) for index in range(number)]


def closed(task: str) -> dict[str, Any]:
    """The row of a failed task."""
    return {
        "task_id": {"S": task},
        "labourer_id_task_status": {"S": "worker_0"},
        "closed_at": {"N": "1"},
        "attempts": {"N": "3"},
        "payload": {"S": "{'a': 1}"},
    }


def small_table(clock: Clock, number: int, *, units: float = 3) -> SmallTable:
    """A table with so many failed tasks."""
    return SmallTable(clock, {task: closed(task) for task in ids(number)}, units)


def closed_tasks(dynamodb: Any, **arguments: Any) -> ClosedTasks:
    """The closed tasks of the labourer."""
    return ClosedTasks(dynamodb, TableNames(), "worker", **arguments)


def test_a_small_table_takes_as_long_as_its_capacity_needs(clock: Clock) -> None:
    """1,100 rows at 3 units a second with a reserve of 900: the last 200 need 67 s, and a few pauses."""
    table = small_table(clock, 1100)
    begun = clock.now

    rows = list(closed_tasks(table).rows(ids(1100)))

    assert [row.task_id for row in rows] == ids(1100)
    assert 66 <= clock.now - begun <= 95
    assert table.requests <= 60


@pytest.mark.parametrize("units", [1, 0.02])
def test_no_pace_is_too_slow(clock: Clock, units: float) -> None:
    """As long as a row comes at all, one in fifty seconds."""
    table = small_table(clock, 20, units=units)
    table._left = 0

    assert len(list(closed_tasks(table).rows(ids(20)))) == 20


@pytest.mark.parametrize("how", ["throttled", "unprocessed"])
def test_a_table_that_gives_nothing_at_all(clock: Clock, how: str) -> None:
    """After five minutes the next attempt of the Airflow task may try again."""
    begun = clock.now

    class Dead:
        def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
            if how == "throttled":
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, "BatchGetItem")
            return {"Responses": {}, "UnprocessedKeys": RequestItems}

    with pytest.raises(AwsFault, match=TABLE) as raised:
        list(closed_tasks(Dead()).rows(ids(3)))
    assert raised.value.retryable
    assert 300 <= clock.now - begun <= 330


def test_a_refusal_is_raised_at_once(clock: Clock) -> None:
    """Waiting does not change it."""

    class Denied:
        def batch_get_item(self, **_: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "BatchGetItem")

    begun = clock.now
    with pytest.raises(AccessDenied, match="dynamodb:BatchGetItem on sosw_closed_tasks"):
        list(closed_tasks(Denied()).rows(ids(3)))
    assert clock.now == begun


def test_a_row_that_a_replica_does_not_have_yet(aws: Aws) -> None:
    """What the index shows is read consistently from the table."""
    requests: list[dict[str, Any]] = []
    client = boto3.client("dynamodb")
    client.meta.events.register_first(
        "provide-client-params.dynamodb.BatchGetItem", lambda params, **_: requests.append(params["RequestItems"])
    )
    list(closed_tasks(client).rows(ids(2)))
    closed_tasks(client).some_rows(ids(2))
    assert [request[TABLE]["ConsistentRead"] for request in requests] == [True, True]


def test_a_slow_table_is_no_reason_to_wait_while_polling(clock: Clock) -> None:
    """A triggerer's threads are shared: what one request does not give is left for the next poll."""
    table = small_table(clock, 100, units=0.2)
    begun = clock.now

    rows, unanswered = closed_tasks(table).some_rows(ids(100))

    assert ([row.task_id for row in rows], unanswered) == (ids(100)[:60], ids(100)[60:])
    assert (table.requests, clock.now) == (1, begun)


def test_a_stop_ends_the_waiting() -> None:
    """An Airflow task that is killed does not wait for a slow table."""
    scheduler = JobScheduler.__new__(JobScheduler)
    scheduler.stop, scheduler.patience = threading.Event(), 300.0
    scheduler.stop.set()
    backoff: Backoff = scheduler.backoff()
    with pytest.raises(WriterStopped):
        backoff.wait()


def test_failures_are_described_without_their_rows(clock: Clock) -> None:
    """A row that was removed since does not hide that the task failed."""
    table = small_table(clock, 2)
    gone = task_id(JOB, 7)

    lines = describe_failures(table, TableNames(), [*ids(2), gone])

    assert [line.partition(" ")[0].rstrip(":") for line in lines] == [*ids(2), gone]
    assert lines[2] == f"{gone}: its row is not in sosw_closed_tasks any more"


def test_failures_are_described_though_aws_refuses_their_rows() -> None:
    """The job's failure is not replaced by the refusal."""

    class Denied:
        def batch_get_item(self, **_: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "BatchGetItem")

    (line,) = describe_failures(Denied(), TableNames(), ids(1))
    assert line.startswith(f"{ids(1)[0]}: its row cannot be read: AWS refuses dynamodb:BatchGetItem")


def test_a_request_has_a_hundred_keys_at_most(clock: Clock) -> None:
    """DynamoDB refuses more."""
    asked: list[int] = []

    class Table:
        def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
            asked.append(len(RequestItems[TABLE]["Keys"]))
            return {"Responses": {TABLE: []}}

    assert not list(closed_tasks(Table()).rows(ids(250)))
    assert asked == [100, 100, 50]
