"""Reading ``sosw_closed_tasks``, where sosw's Scavenger puts what is over (sosw rules 10 and 11)."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

from sosw_airflow.exceptions import JobRecordDamaged
from sosw_airflow.stores.aws_errors import explained, member
from sosw_airflow.stores.tables import TableNames

__all__ = ["ClosedTask", "ClosedTasks", "Closing", "End", "describe_failures"]

#: Rows of one query of the index: about 200 kB, so 25 read units. A whole page of 1 MB would stall a small table.
_QUERY_ROWS = 1000

#: Keys of one BatchGetItem, by DynamoDB's rule.
_BATCH_KEYS = 100

#: How often keys that a batch has left out are asked for again; botocore waits and repeats where nothing is answered.
_BATCH_ATTEMPTS = 8

#: Characters of a payload that a message shows.
_SHOWN_CHARACTERS = 300


class End(str, Enum):
    """How a task ended, with the value that the index has for it."""

    COMPLETED = "1"
    FAILED = "0"


class Closing(NamedTuple):
    """That a task is closed. ``closed_at``: seconds since 1970, by the clock of sosw's Scavenger."""

    task_id: str
    closed_at: int


@dataclass(frozen=True)
class ClosedTask:
    """A closed row.

    :ivar payload: what the worker was given; None where the row has none that can be read.
    """

    task_id: str
    end: End
    attempts: int
    payload: dict[str, Any] | None

    def __str__(self) -> str:
        """For a message: id, attempts, and the beginning of the payload."""
        payload = "its payload cannot be read" if self.payload is None else json.dumps(self.payload)
        if len(payload) > _SHOWN_CHARACTERS:
            payload = f"{payload[:_SHOWN_CHARACTERS]}..."
        return f"{self.task_id} ({self.attempts} attempt{'' if self.attempts == 1 else 's'}): {payload}"


class ClosedTasks:
    """The closed tasks of one labourer.

    :param dynamodb: a boto3 DynamoDB client with botocore's retries.
    """

    def __init__(self, dynamodb: Any, tables: TableNames, labourer_id: str) -> None:
        self._dynamodb = dynamodb
        self._table = tables.closed_tasks_table
        self._index = tables.closed_tasks_index
        self._labourer_id = labourer_id

    def since(self, end: End, closed_at: int) -> Iterator[Closing]:
        """What was closed at this second or later, of all jobs of the labourer, in the order of ``closed_at``.

        No filter for one job: it would cost the same read units, and hide how far the reading has come.
        """
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": self._index,
            "KeyConditionExpression": "labourer_id_task_status = :status AND closed_at >= :from",
            "ExpressionAttributeValues": {
                ":status": {"S": f"{self._labourer_id}_{end.value}"},
                ":from": {"N": str(closed_at)},
            },
            "ProjectionExpression": "task_id, closed_at",
            "Limit": _QUERY_ROWS,
        }
        resource = f"{self._table}/index/{self._index}"
        while True:
            with explained(action="dynamodb:Query", resource=resource, setting="closed_tasks_index"):
                reply = self._dynamodb.query(**query)
            for item in member(reply, "Items", action="dynamodb:Query"):
                yield Closing(item["task_id"]["S"], int(float(item["closed_at"]["N"])))
            if "LastEvaluatedKey" not in reply:
                return
            query["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def rows(self, task_ids: Iterable[str]) -> Iterator[ClosedTask]:
        """The rows of these tasks, in their order; those that are not closed are left out."""
        ids = iter(task_ids)
        while batch := list(islice(ids, _BATCH_KEYS)):
            found = self._batch(batch)
            yield from (_closed_task(found[each]) for each in batch if each in found)

    def _batch(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        keys: Any = [{"task_id": {"S": each}} for each in ids]
        for _ in range(_BATCH_ATTEMPTS):
            request = {self._table: {"Keys": keys, "ConsistentRead": True}}
            with explained(action="dynamodb:BatchGetItem", resource=self._table, setting="closed_tasks_table"):
                reply = self._dynamodb.batch_get_item(RequestItems=request)
            answers = member(reply, "Responses", action="dynamodb:BatchGetItem").get(self._table, [])
            found.update((item["task_id"]["S"], item) for item in answers)
            left = reply.get("UnprocessedKeys", {}).get(self._table)
            if not left:
                return found
            keys = left["Keys"]
        raise _unanswered(self._table)


def describe_failures(dynamodb: Any, tables: TableNames, task_ids: Iterable[str]) -> list[str]:
    """A line for each of these closed tasks."""
    return [str(row) for row in ClosedTasks(dynamodb, tables, labourer_id="").rows(task_ids)]


def _unanswered(table: str) -> Exception:
    fault = JobRecordDamaged(f"{table} gives its rows too slowly: raise its read capacity, or try again later.")
    fault.retryable = True
    return fault


def _closed_task(item: dict[str, Any]) -> ClosedTask:
    status = item.get("labourer_id_task_status", {}).get("S", "")
    return ClosedTask(
        task_id=item["task_id"]["S"],
        end=End.COMPLETED if status.endswith(f"_{End.COMPLETED.value}") else End.FAILED,
        attempts=int(float(item.get("attempts", {}).get("N", 0))),
        payload=_payload(item.get("payload", {})),
    )


def _payload(value: dict[str, Any]) -> dict[str, Any] | None:
    """The payload of a closed row, where it is the text of a Python object instead of JSON (sosw rule 10)."""
    text = value.get("S")
    if text is None:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            payload = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(payload, dict):
            return payload
    return None
