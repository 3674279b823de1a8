"""The reads and writes of sosw's Lambdas on the raw tables, in requests of one row or of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sosw_airflow.stores.tables import TableNames

Row = dict[str, Any]

# DynamoDB's limits for the items of one request.
_TRANSACTION_ITEMS = 100
_BATCH_WRITE_ITEMS = 25


class RowWriter:
    """Queries and moves rows. `batch`: how many rows go into one request at most, 1 to 100."""

    def __init__(self, dynamodb: Any, names: TableNames, batch: int) -> None:
        self._dynamodb = dynamodb
        self._names = names
        self._batch = batch

    # Reads

    def queued(self, labourer: str, *, before: int, limit: int) -> list[Row]:
        """Give the head of the queue: rows with a greenfield below `before`, ascending."""
        return self._query_index(labourer, "greenfield < :a", {":a": before}, limit=limit)

    def invoked(self, labourer: str, *, since: int) -> list[Row]:
        """Give the rows with a greenfield of `since` or more, ascending."""
        return self._query_index(labourer, "greenfield >= :a", {":a": since})

    def due_for_retry(self, labourer: str, *, until: int, limit: int) -> list[Row]:
        """Give the rows of the retry table whose time has come."""
        found = self._dynamodb.query(
            TableName=self._names.retry_tasks_table,
            IndexName=self._names.retry_tasks_index,
            KeyConditionExpression="labourer_id = :l AND desired_launch_time <= :a",
            ExpressionAttributeValues={":l": {"S": labourer}, ":a": {"N": str(until)}},
            Limit=limit,
        )
        return list(found["Items"])

    def was_moved(self, task_id: str) -> bool:
        """Whether the row is not in the queue's table (any more)."""
        found = self._dynamodb.get_item(TableName=self._names.tasks_table, Key=_key(task_id), ConsistentRead=True)
        return "Item" not in found

    def any_left(self, labourers: Iterable[str]) -> bool:
        """Whether a labourer has rows that are not archived."""
        for labourer in labourers:
            if self._query_index(labourer, "greenfield > :a", {":a": -(10**12)}, limit=1):
                return True
            if self.due_for_retry(labourer, until=10**12, limit=1):
                return True
        return False

    def _query_index(self, labourer: str, condition: str, values: dict[str, int], *, limit: int = 0) -> list[Row]:
        arguments: dict[str, Any] = {
            "TableName": self._names.tasks_table,
            "IndexName": self._names.index_greenfield,
            "KeyConditionExpression": f"labourer_id = :l AND {condition}",
            "ExpressionAttributeValues": {
                ":l": {"S": labourer},
                **{name: {"N": str(value)} for name, value in values.items()},
            },
        }
        if limit:
            return list(self._dynamodb.query(**arguments, Limit=limit)["Items"])
        pages = self._dynamodb.get_paginator("query").paginate(**arguments)
        return [row for page in pages for row in page["Items"]]

    # Writes

    def invoke(self, rows: Sequence[Row], *, greenfields: Mapping[str, int], before: int) -> Iterator[Row]:
        """Mark rows as invoked, each if its greenfield is still below `before`; give those which were marked."""
        for part in self._parts(rows):
            updates = [self._invocation(row["task_id"]["S"], greenfields, before) for row in part]
            if len(part) > 1 and self._transact([{"Update": update} for update in updates]):
                yield from part
                continue
            # One of them is not in the queue any more, perhaps invoked by another orchestrator: one at a time, then.
            for row, update in zip(part, updates, strict=True):
                if self._update(update):
                    yield row

    def _invocation(self, task_id: str, greenfields: Mapping[str, int], before: int) -> dict[str, Any]:
        return {
            "TableName": self._names.tasks_table,
            "Key": _key(task_id),
            "UpdateExpression": "SET greenfield = :g, attempts = attempts + :one",
            "ConditionExpression": "greenfield < :before",
            "ExpressionAttributeValues": {
                ":g": {"N": str(greenfields[task_id])},
                ":one": {"N": "1"},
                ":before": {"N": str(before)},
            },
        }

    def complete(self, task_ids: Sequence[str], *, at: int) -> None:
        """Report tasks as completed, without a condition: a row that has been moved away leaves a ghost."""
        updates = [
            {
                "TableName": self._names.tasks_table,
                "Key": _key(task_id),
                "UpdateExpression": "SET completed_at = :t",
                "ExpressionAttributeValues": {":t": {"N": str(at)}},
            }
            # A late worker of one attempt and the worker of the next one may report in the same step.
            for task_id in dict.fromkeys(task_ids)
        ]
        for part in self._parts(updates):
            if len(part) == 1:
                self._dynamodb.update_item(**part[0])
            else:
                self._dynamodb.transact_write_items(TransactItems=[{"Update": update} for update in part])

    def move_to_closed(self, rows: Sequence[Row]) -> None:
        """Put rows into the table of closed tasks, then delete them from the queue."""
        self._move(rows, self._names.closed_tasks_table)

    def move_to_retry(self, rows: Sequence[Row], *, launch_time: int) -> None:
        """Put rows into the retry table, then delete them from the queue."""
        for row in rows:
            row["desired_launch_time"] = {"N": str(launch_time)}
        self._move(rows, self._names.retry_tasks_table)

    def _move(self, rows: Sequence[Row], table: str) -> None:
        for part in self._parts(rows, _BATCH_WRITE_ITEMS):
            self._write(table, [{"PutRequest": {"Item": row}} for row in part])
            keys = [_key(row["task_id"]["S"]) for row in part]
            self._write(self._names.tasks_table, [{"DeleteRequest": {"Key": key}} for key in keys])

    def move_back(self, rows: Sequence[Row]) -> None:
        """Put rows of the retry table back into the queue, in one transaction with their deletion there."""
        for part in self._parts(rows, _TRANSACTION_ITEMS // 2):
            actions: list[dict[str, Any]] = []
            for row in part:
                retry_key = {"labourer_id": row["labourer_id"], "task_id": row["task_id"]}
                actions.append({"Put": {"TableName": self._names.tasks_table, "Item": row}})
                actions.append({"Delete": {"TableName": self._names.retry_tasks_table, "Key": retry_key}})
            self._dynamodb.transact_write_items(TransactItems=actions)

    def _write(self, table: str, requests: list[dict[str, Any]]) -> None:
        if len(requests) == 1:
            ((kind, arguments),) = requests[0].items()
            call = self._dynamodb.put_item if kind == "PutRequest" else self._dynamodb.delete_item
            call(TableName=table, **arguments)
            return
        pending = {table: requests}
        while pending:
            pending = self._dynamodb.batch_write_item(RequestItems=pending).get("UnprocessedItems")

    def _transact(self, actions: list[dict[str, Any]]) -> bool:
        try:
            self._dynamodb.transact_write_items(TransactItems=actions)
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            return False
        return True

    def _update(self, update: dict[str, Any]) -> bool:
        try:
            self._dynamodb.update_item(**update)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _parts(self, rows: Sequence[Any], most: int = _TRANSACTION_ITEMS) -> Iterator[Sequence[Any]]:
        size = min(self._batch, most)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def _key(task_id: str) -> Row:
    return {"task_id": {"S": task_id}}
