"""The closed tasks of a labourer, in ``sosw_closed_tasks`` (sosw rules 10 and 11)."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

from sosw_airflow.exceptions import SoswError
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.json_documents import parse_json
from sosw_airflow.jobs.json_values import json_faults
from sosw_airflow.jobs.redaction import HIDDEN_PAYLOAD, redacted, shown_payload
from sosw_airflow.stores.aws_errors import explain_faults, member
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.batch_reads import BATCH_KEYS, ask_batch, read_batch
from sosw_airflow.stores.tables import TableNames

__all__ = [
    "ClosedEntry",
    "ClosedTask",
    "ClosedTasks",
    "End",
    "Place",
    "describe_failures",
    "end_of",
    "error_of",
    "payload_of",
    "whole_number",
]

#: Rows of one query of the index: about 200 kB, so 25 read units. A whole page of 1 MB would stall a small table.
_QUERY_ROWS = 1000

#: Characters of a payload, and of an error, that a message shows.
_SHOWN_CHARACTERS = 300


#: A place in the index: DynamoDB's key of the last row of a page.
Place = dict[str, dict[str, str]]


class End(str, Enum):
    """How a task ended, with the value that the index has for it."""

    COMPLETED = "1"
    FAILED = "0"


class ClosedEntry(NamedTuple):
    """A task that is closed. ``closed_at``: seconds since 1970, by the clock of sosw's Scavenger."""

    task_id: str
    closed_at: int


@dataclass(frozen=True)
class ClosedTask:
    """A closed row.

    :ivar payload: what the worker was given; None if the row has none that can be read.
    :ivar error: of its last attempt, as the assistant or the orchestrator has stored it; empty if it is unknown.
    :ivar closed_at: seconds since 1970, as in `ClosedEntry`; 0 if it is unknown.
    """

    task_id: str
    end: End
    attempts: int
    payload: dict[str, Any] | None
    error: str = ""
    closed_at: int = 0

    def __str__(self) -> str:
        """For a message: id, attempts, the beginning of the error and of the payload, without their secrets."""
        payload = "its payload cannot be read" if self.payload is None else _shown(_text_of(self.payload))
        error = f" {_shown(redacted({'error': self.error})['error'])};" if self.error else ""
        return f"{self.task_id} ({counted(self.attempts, 'attempt')}):{error} {payload}"


class ClosedTasks:
    """The closed tasks of one labourer.

    :param dynamodb: a boto3 DynamoDB client with botocore's retries.
    :param backoff: makes what waits while the table is slow.
    """

    def __init__(
        self, dynamodb: Any, tables: TableNames, labourer_id: str, *, backoff: Callable[[], Backoff] = Backoff
    ) -> None:
        self._dynamodb = dynamodb
        self._table = tables.closed_tasks_table
        self._index = tables.closed_tasks_index
        self._labourer_id = labourer_id
        self._backoff = backoff

    def since(
        self, end: End, closed_at: int, place: Place | None = None
    ) -> Iterator[tuple[list[ClosedEntry], Place | None]]:
        """What was closed at this second or later, of all jobs of the labourer, in the order of ``closed_at``.

        Each page comes with the place behind it, None for the last one. No filter for one job: it would cost the same
        read units, and hide how far the reading has come.

        :param place: to continue behind a page of a reading that broke off.
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
            if place is not None:
                query["ExclusiveStartKey"] = place
            with explain_faults(action="dynamodb:Query", resource=resource, setting="closed_tasks_index"):
                reply = self._dynamodb.query(**query)
            items = member(reply, "Items", action="dynamodb:Query")
            place = reply.get("LastEvaluatedKey")
            yield [ClosedEntry(item["task_id"]["S"], whole_number(item["closed_at"]["N"])) for item in items], place
            if place is None:
                return

    def rows(self, task_ids: Iterable[str]) -> Iterator[ClosedTask]:
        """The rows of these tasks, in their order; those that are not closed are left out.

        It takes the time that the table's read capacity needs, one unit for a row of up to 4 kB.

        :raises AwsFault: the table has given no row for minutes.
        """
        ids = iter(task_ids)
        while batch := list(islice(ids, BATCH_KEYS)):
            # Consistently: the index may show a closing whose row a replica of the table does not have yet.
            items = read_batch(
                self._dynamodb,
                self._table,
                _keys(batch),
                setting="closed_tasks_table",
                consistent=True,
                backoff=self._backoff,
            )
            found = {item["task_id"]["S"]: item for item in items}
            yield from (_closed_task(found[each]) for each in batch if each in found)

    def some_rows(self, task_ids: Sequence[str]) -> tuple[list[ClosedTask], list[str]]:
        """The rows of those of these tasks that are closed, and the ids for which the table was too slow: one request.

        :param task_ids: 100 at most.
        """
        with explain_faults(action="dynamodb:BatchGetItem", resource=self._table, setting="closed_tasks_table"):
            items, unanswered = ask_batch(self._dynamodb, self._table, _keys(task_ids), consistent=True)
        return [_closed_task(item) for item in items], [key["task_id"]["S"] for key in unanswered]


def _keys(task_ids: Iterable[str]) -> list[dict[str, dict[str, str]]]:
    return [{"task_id": {"S": each}} for each in task_ids]


def describe_failures(dynamodb: Any, tables: TableNames, task_ids: Iterable[str]) -> list[str]:
    """One line for each failed task: what its row says, or why that is not known."""
    ids = list(task_ids)
    try:
        found = {row.task_id: str(row) for row in ClosedTasks(dynamodb, tables, labourer_id="").rows(ids)}
        reason = f"its row is not in {tables.closed_tasks_table} any more"
    except SoswError as error:  # what failed is known without the rows
        found, reason = {}, f"its row cannot be read: {error}"
    return [found.get(each, f"{each}: {reason}") for each in ids]


def _closed_task(item: dict[str, Any]) -> ClosedTask:
    return ClosedTask(
        task_id=item["task_id"]["S"],
        end=end_of(item),
        attempts=whole_number(item.get("attempts", {}).get("N")),
        payload=payload_of(item),
        error=error_of(item),
        closed_at=whole_number(item.get("closed_at", {}).get("N")),
    )


def end_of(item: dict[str, Any]) -> End:
    """How the task of a closed row ended."""
    status = item.get("labourer_id_task_status", {}).get("S", "")
    return End.COMPLETED if status.endswith(f"_{End.COMPLETED.value}") else End.FAILED


def error_of(item: dict[str, Any]) -> str:
    """The error of a task's last failed attempt, from its row; empty if none is stored."""
    kind, message, reason = (
        " ".join(_text(item, name).split()) for name in ("error_type", "error_message", "closed_reason")
    )
    return ": ".join(filter(None, (kind, message))) or reason


def _text(item: dict[str, Any], name: str) -> str:
    """An attribute that is a text, as UTF-8 can hold it."""
    return str(item.get(name, {}).get("S", "")).encode("utf-8", "backslashreplace").decode()


def _text_of(payload: dict[str, Any]) -> str:
    shown = shown_payload(payload)
    return f"its payload is {shown}" if shown is HIDDEN_PAYLOAD else json.dumps(shown)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def payload_of(item: dict[str, Any]) -> dict[str, Any] | None:
    """The payload in a row. That of a closed row is the text of a Python object, not JSON (sosw rule 10).

    None if it is neither, or has what no payload can have.
    """
    text = item.get("payload", {}).get("S")
    if text is None:
        return None
    for read in (parse_json, ast.literal_eval):
        try:
            payload = read(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(payload, dict) and not json_faults(payload):
            return payload
    return None


def whole_number(text: object) -> int:
    """A number of DynamoDB as a whole one; 0 if it is none."""
    try:
        return int(Decimal(str(text)))
    except (ArithmeticError, ValueError):
        return 0
