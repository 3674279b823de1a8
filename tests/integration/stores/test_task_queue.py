"""The queue of a labourer, and the capacity of tables."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from sosw_airflow.exceptions import AccessDenied, MissingTable
from sosw_airflow.jobs.rows import Row, row_item
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.stores.task_queue import Capacity, TaskQueue, open_tasks, table_capacity
from tests.conftest import Aws
from tests.support.network_edge import answering, dynamodb_error

NOW = 1_795_431_627.9
TASKS, INDEX = "sosw_tasks", "sosw_tasks_greenfield"


def queue_of(aws: Aws, labourer: str = "worker", **names: str) -> TaskQueue:
    """The labourer's queue."""
    where = {"table": TASKS, "index": INDEX, **names}
    return TaskQueue(aws.dynamodb, where["table"], where["index"], labourer, now=lambda: NOW)


def put(aws: Aws, *greenfields: int, labourer: str = "worker") -> None:
    """Rows with these greenfields."""
    for greenfield in greenfields:
        row = Row(f"{labourer}{greenfield}", labourer, "{}", NOW, greenfield)
        aws.dynamodb.put_item(TableName=TASKS, Item=row_item(row))


def provision(aws: Aws, table: str, write_units: int, **indexes: int) -> None:
    """Give a table, and its indexes, write units of their own."""
    throughput = {"ReadCapacityUnits": 3}
    aws.dynamodb.update_table(
        TableName=table,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={**throughput, "WriteCapacityUnits": write_units},
        GlobalSecondaryIndexUpdates=[
            {"Update": {"IndexName": name, "ProvisionedThroughput": {**throughput, "WriteCapacityUnits": units}}}
            for name, units in indexes.items()
        ],
    )


# -- the queue's ends --------------------------------------------------------------------------------------------------


def test_an_empty_queue(aws: Aws) -> None:
    """It has no ends."""
    assert (queue_of(aws).oldest(), queue_of(aws).newest()) == (None, None)


def test_the_ends(aws: Aws) -> None:
    """The smallest and the largest greenfield, also below zero, where urgent jobs are."""
    put(aws, 5000, -3000, 2000)
    assert (queue_of(aws).oldest(), queue_of(aws).newest()) == (-3000, 5000)


def test_what_is_invoked_does_not_wait(aws: Aws) -> None:
    """Rows above now are at work or expired; now itself still waits, as upstream has it."""
    put(aws, 2000, int(NOW), int(NOW) + 1, int(NOW) + 31_557_600)
    assert queue_of(aws).newest() == int(NOW)


def test_other_labourers_have_queues_of_their_own(aws: Aws) -> None:
    """The index keeps them apart."""
    put(aws, 2000)
    put(aws, 9000, labourer="other")
    assert (queue_of(aws).newest(), queue_of(aws, "other").newest()) == (2000, 9000)


def test_one_row_is_read(aws: Aws) -> None:
    """However long the queue is: upstream reads up to 1 MB here for each task."""
    put(aws, 1000, 2000, 3000)
    sent: list[int] = []
    aws.dynamodb.meta.events.register("provide-client-params", lambda params, **_: sent.append(params["Limit"]))
    queue_of(aws).newest()
    assert sent == [1]


@pytest.mark.parametrize("names", [{"table": "elsewhere"}, {"index": "elsewhere"}], ids=["table", "index"])
def test_no_table_or_index(aws: Aws, names: dict[str, str]) -> None:
    """It is named."""
    with pytest.raises(MissingTable, match="elsewhere"):
        queue_of(aws, **names).newest()


def test_no_permission(aws: Aws) -> None:
    """The policy must name the index, so the message does."""
    with (
        answering(aws.dynamodb, handler=lambda _: dynamodb_error("AccessDeniedException")),
        pytest.raises(AccessDenied, match="AWS refuses dynamodb:Query on sosw_tasks/index/sosw_tasks_greenfield"),
    ):
        queue_of(aws).newest()


# -- capacity ----------------------------------------------------------------------------------------------------------


def test_on_demand(aws: Aws) -> None:
    """No fixed capacity."""
    assert table_capacity(aws.dynamodb, TASKS, setting="tasks_table", index=INDEX) == Capacity(None, None)


def test_provisioned(aws: Aws) -> None:
    """The table's write units, and the index's."""
    provision(aws, TASKS, 20, **{INDEX: 10})
    assert table_capacity(aws.dynamodb, TASKS, setting="tasks_table", index=INDEX) == Capacity(20, 10)


def test_without_an_index(aws: Aws) -> None:
    """Only the table is asked for."""
    provision(aws, "sosw_jobs", 7)
    assert table_capacity(aws.dynamodb, "sosw_jobs", setting="jobs_table") == Capacity(7, None)


def test_a_missing_table(aws: Aws) -> None:
    """It is named with its setting."""
    with pytest.raises(MissingTable, match="'elsewhere'.*'jobs_table'"):
        table_capacity(aws.dynamodb, "elsewhere", setting="jobs_table")


def test_a_missing_index(aws: Aws) -> None:
    """Likewise, with the setting of the index."""
    with pytest.raises(MissingTable, match="'sosw_tasks/index/elsewhere'.*'index_greenfield'"):
        table_capacity(aws.dynamodb, TASKS, setting="tasks_table", index="elsewhere")


def test_without_the_permission_to_describe(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    """The table counts as one on demand, and the log says why that may throttle."""
    with (
        caplog.at_level(logging.WARNING),
        answering(aws.dynamodb, handler=lambda _: dynamodb_error("AccessDeniedException")),
    ):
        capacity = table_capacity(aws.dynamodb, TASKS, setting="tasks_table", index=INDEX)
    assert capacity == Capacity()
    assert ["The write capacity of sosw_tasks is unknown"] == [record.message[:43] for record in caplog.records]


def test_open_tasks_are_read_consistently(aws: Aws) -> None:
    """A replica that lags behind would make a task that was just queued a lost one."""
    put(aws, 1)
    requests: list[dict[str, Any]] = []
    event = "provide-client-params.dynamodb.BatchGetItem"
    aws.dynamodb.meta.events.register(event, lambda params, **_: requests.append(params["RequestItems"]))
    assert open_tasks(aws.dynamodb, TableNames(), "worker", ["worker1", "gone"]) == {"worker1"}
    wanted = {name: part["ConsistentRead"] for request in requests for name, part in request.items()}
    assert wanted == {"sosw_tasks": True, "sosw_retry_tasks": True}


def test_a_description_without_capacity_is_that_of_a_table_on_demand() -> None:
    """As some emulators give it. One unit a second would hold up every job."""
    client = SimpleNamespace(describe_table=lambda **_: {"Table": {"TableName": TASKS}})
    assert table_capacity(client, TASKS, setting="tasks_table") == Capacity()
