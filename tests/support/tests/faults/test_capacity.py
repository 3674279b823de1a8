"""Tables with N write units: the bucket, the refusals, what DescribeTable says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.faults.capacity import Bucket
from tests.support.faults.sample_rows import TASKS, puts, stored, task_row

if TYPE_CHECKING:
    from tests.support.faults.proxy import FaultProxy

INDEX = "sosw_tasks_greenfield"
NEVER = 1e-9
"""Write units a second that do not fill up within a test."""


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_bucket_fills_up_to_its_burst() -> None:
    """Units come with the rate and are kept for the seconds of the burst."""
    clock = _Clock()
    bucket = Bucket(rate=5, burst_seconds=10, initial_seconds=1, clock=clock)
    assert bucket.available() == 5
    bucket.take(5)
    clock.now = 4.0
    assert bucket.available() == 20
    clock.now = 1000.0
    assert bucket.available() == 50 == bucket.size


def test_used_share_counts_from_the_first_write_to_the_last() -> None:
    """Half of what the capacity allowed in between, with the units of the start, is one half."""
    clock = _Clock()
    bucket = Bucket(rate=10, burst_seconds=300, initial_seconds=1, clock=clock)
    bucket.take(10)
    clock.now = 9.0
    bucket.take(40)
    assert bucket.used_share() == 0.5


def _cancellation(dynamodb: Any, items: list[dict[str, Any]]) -> list[str]:
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.transact_write_items(TransactItems=items)
    return [reason["Code"] for reason in caught.value.response["CancellationReasons"]]


def test_transaction_over_capacity_is_cancelled_for_the_items_that_do_not_fit(
    proxy: FaultProxy, dynamodb: Any, direct: Any
) -> None:
    """A transactional put of up to 1 KB costs two units; of five, two rows fit, and none is written."""
    table = proxy.provision(TASKS, 5, burst_seconds=1)
    exceeded = "ProvisionedThroughputExceeded"
    assert _cancellation(dynamodb, puts(0, 1, 2)) == ["None", "None", exceeded]
    assert stored(direct) == 0
    assert (table.refused, table.bucket.consumed) == (1, 0)


def test_transaction_within_capacity_passes_and_costs_double(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """Two rows cost four units of the table and two of its index."""
    table = proxy.provision(TASKS, 5, indexes={INDEX: 5}, burst_seconds=1)
    dynamodb.transact_write_items(TransactItems=puts(0, 1))
    assert {name: bucket.consumed for name, bucket in table.buckets.items()} == {TASKS: 4, f"{TASKS}/{INDEX}": 2}
    assert stored(direct) == 2


def test_index_without_capacity_refuses_the_write(proxy: FaultProxy, dynamodb: Any) -> None:
    """An index that cannot keep up stops the table, and the message says so."""
    proxy.provision(TASKS, 100, indexes={INDEX: 1}, burst_seconds=1)
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.transact_write_items(TransactItems=puts(0, 1))
    reasons = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ProvisionedThroughputExceeded"]
    assert "global secondary indexes" in reasons[1]["Message"]


def test_capacity_comes_back(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """What is refused now passes when the bucket has filled up."""
    clock = _Clock()
    proxy.capacity.clock = clock
    proxy.provision(TASKS, 2, burst_seconds=5)
    dynamodb.transact_write_items(TransactItems=puts(0))
    assert _cancellation(dynamodb, puts(1)) == ["ProvisionedThroughputExceeded"]
    clock.now = 1.0
    dynamodb.transact_write_items(TransactItems=puts(1))
    assert stored(direct) == 2


def test_burst_credit_lets_a_large_transaction_pass(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """Saved units may be spent at once: 50 rows on a table of five units that has rested for 20 seconds."""
    table = proxy.provision(TASKS, 5, initial_seconds=20)
    dynamodb.transact_write_items(TransactItems=puts(*range(50)))
    assert stored(direct) == 50
    assert table.bucket.consumed == 100


def test_request_that_can_never_succeed_is_recorded(proxy: FaultProxy, dynamodb: Any) -> None:
    """Only what costs more than the full bucket is impossible; what merely comes too early is not."""
    proxy.provision(TASKS, 5, burst_seconds=2, initial_seconds=0)
    _cancellation(dynamodb, puts(*range(5)))
    assert proxy.impossible_requests == []
    _cancellation(dynamodb, puts(*range(6)))
    assert [request.operation for request in proxy.impossible_requests] == ["TransactWriteItems"]


def test_single_write_over_capacity(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """A put is refused with the exception for provisioned tables and the resource that was exceeded."""
    proxy.provision(TASKS, NEVER, initial_seconds=0)
    with pytest.raises(dynamodb.exceptions.ProvisionedThroughputExceededException) as caught:
        dynamodb.put_item(TableName=TASKS, Item=task_row(0))
    reason = caught.value.response["ThrottlingReasons"][0]
    assert reason["reason"] == "TableWriteProvisionedThroughputExceeded"
    assert reason["resource"].endswith(f":table/{TASKS}")
    assert stored(direct) == 0


def test_batch_is_done_as_far_as_the_capacity_goes(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """Of ten puts on three units three are done and seven come back."""
    proxy.provision(TASKS, 3, burst_seconds=1)
    requests = [{"PutRequest": {"Item": task_row(index)}} for index in range(10)]
    answer = dynamodb.batch_write_item(RequestItems={TASKS: requests})
    assert len(answer["UnprocessedItems"][TASKS]) == 7
    assert stored(direct) == 3


def test_batch_without_any_capacity_is_refused(proxy: FaultProxy, dynamodb: Any) -> None:
    """When not a single item can be written, the whole batch is an error."""
    proxy.provision(TASKS, NEVER, initial_seconds=0)
    with pytest.raises(dynamodb.exceptions.ProvisionedThroughputExceededException):
        dynamodb.batch_write_item(RequestItems={TASKS: [{"PutRequest": {"Item": task_row(0)}}]})


def test_on_demand_table_is_throttled_otherwise(proxy: FaultProxy, dynamodb: Any) -> None:
    """An on-demand table has codes of its own."""
    proxy.provision(TASKS, NEVER, initial_seconds=0, on_demand=True)
    assert _cancellation(dynamodb, puts(0)) == ["ThrottlingError"]
    with pytest.raises(ClientError, match="ThrottlingException"):
        dynamodb.put_item(TableName=TASKS, Item=task_row(0))


def test_describe_table_reports_the_capacity(proxy: FaultProxy, dynamodb: Any) -> None:
    """Table and index say what they are provisioned for, and that they are not on-demand."""
    proxy.provision(TASKS, 5, indexes={INDEX: 3})
    table = dynamodb.describe_table(TableName=TASKS)["Table"]
    assert "BillingModeSummary" not in table
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 5
    assert table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["WriteCapacityUnits"] == 3


def test_describe_table_of_an_on_demand_table(proxy: FaultProxy, dynamodb: Any) -> None:
    """An on-demand table reports its billing mode and no units."""
    proxy.provision(TASKS, 5, on_demand=True)
    table = dynamodb.describe_table(TableName=TASKS)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 0


def test_other_tables_are_not_limited(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """A capacity holds for its own table only, also within one transaction."""
    proxy.provision("sosw_jobs", NEVER, initial_seconds=0)
    dynamodb.transact_write_items(TransactItems=puts(0))
    marker = {"Put": {"TableName": "sosw_jobs", "Item": {"job_id": {"S": "a"}, "record": {"S": "header"}}}}
    assert _cancellation(dynamodb, [*puts(1), marker]) == ["None", "ProvisionedThroughputExceeded"]
    assert stored(direct) == 1


def test_capacity_can_change(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """More units a second let pass what was refused before."""
    clock = _Clock()
    proxy.capacity.clock = clock
    table = proxy.provision(TASKS, 2, burst_seconds=1)
    assert len(_cancellation(dynamodb, puts(0, 1))) == 2
    table.set_write_units(10)
    clock.now = 1.0
    dynamodb.transact_write_items(TransactItems=puts(0, 1))
    assert stored(direct) == 2
