"""The queue of a labourer in ``sosw_tasks``: its ends, its tasks, the table's capacity (sosw rules 9 to 11)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import AccessDenied, MissingTable
from sosw_airflow.stores.aws_errors import explain_faults, member
from sosw_airflow.stores.tables import TableNames

__all__ = ["Capacity", "TaskQueue", "open_tasks", "table_capacity"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Capacity:
    """The write units a second of a table; None for a table on demand, which has no fixed capacity.

    :ivar table: of the table itself.
    :ivar index: of the index that every new row is also written to; None if it is on demand or was not asked for.
    """

    table: int | None = None
    index: int | None = None


def table_capacity(dynamodb: Any, table: str, *, setting: str, index: str | None = None) -> Capacity:
    """The capacity of a table, which also shows that it, and its index, exist.

    Without the permission to describe the table, it is taken to be on demand.

    :raises MissingTable: the table or the index does not exist.
    """
    try:
        with explain_faults(action="dynamodb:DescribeTable", resource=table, setting=setting):
            reply = dynamodb.describe_table(TableName=table)
            description = member(reply, "Table", action="dynamodb:DescribeTable")
    except AccessDenied as error:
        log.warning("The write capacity of %s is unknown, so rows are written until AWS throttles. %s", table, error)
        return Capacity()
    indexes = {each["IndexName"]: each for each in description.get("GlobalSecondaryIndexes", ())}
    if index is not None and index not in indexes:
        raise MissingTable(f"{table}/index/{index}", setting="index_greenfield")
    return Capacity(_write_units(description), _write_units(indexes[index]) if index else None)


class TaskQueue:
    """The queued rows of one labourer.

    :param dynamodb: a boto3 DynamoDB client.
    :param now: the present, in seconds since 1970.
    """

    def __init__(self, dynamodb: Any, table: str, index: str, labourer_id: str, *, now: Callable[[], float]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._index = index
        self._labourer_id = labourer_id
        self._now = now

    def newest(self) -> int | None:
        """The largest greenfield that waits, or None for an empty queue."""
        return self._edge(ascending=False)

    def oldest(self) -> int | None:
        """The smallest greenfield that waits, or None for an empty queue."""
        return self._edge(ascending=True)

    def _edge(self, *, ascending: bool) -> int | None:
        with explain_faults(
            action="dynamodb:Query", resource=f"{self._table}/index/{self._index}", setting="index_greenfield"
        ):
            reply = self._dynamodb.query(
                TableName=self._table,
                IndexName=self._index,
                KeyConditionExpression="labourer_id = :labourer AND greenfield <= :now",
                ExpressionAttributeValues={
                    ":labourer": {"S": self._labourer_id},
                    ":now": {"N": str(int(self._now()))},
                },
                ProjectionExpression="greenfield",
                ScanIndexForward=ascending,
                Limit=1,
            )
        items = member(reply, "Items", action="dynamodb:Query")
        return int(float(items[0]["greenfield"]["N"])) if items else None


def open_tasks(dynamodb: Any, tables: TableNames, labourer_id: str, task_ids: Sequence[str]) -> set[str]:
    """Those of these tasks that are queued, running or waiting for a retry; also those for which a table is too slow.

    :param task_ids: 100 at most.
    :raises AccessDenied: the identity may not read one of the tables.
    """
    found: set[str] = set()
    for table, setting, beside in (
        (tables.tasks_table, "tasks_table", {}),
        (tables.retry_tasks_table, "retry_tasks_table", {"labourer_id": {"S": labourer_id}}),
    ):
        keys = [{**beside, "task_id": {"S": each}} for each in task_ids if each not in found]
        if not keys:
            break
        request = {table: {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "task_id"}}
        with explain_faults(action="dynamodb:BatchGetItem", resource=table, setting=setting):
            reply = dynamodb.batch_get_item(RequestItems=request)
        answers = member(reply, "Responses", action="dynamodb:BatchGetItem").get(table, [])
        left = reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        found.update(item["task_id"]["S"] for item in (*answers, *left))
    return found


def _write_units(description: dict[str, Any]) -> int | None:
    # A table on demand reports zero units.
    return int(description.get("ProvisionedThroughput", {}).get("WriteCapacityUnits", 0)) or None
