"""The two written forms of a task: its line in the queue file and its row in ``sosw_tasks`` (sosw rules 7 and 8)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import TaskTooLarge
from sosw_airflow.jobs.excerpts import printable
from sosw_airflow.jobs.json_documents import NotJson, parse_json
from sosw_airflow.jobs.redaction import shown_payload

__all__ = ["DYNAMODB_ITEM_LIMIT", "LAMBDA_PAYLOAD_LIMIT", "LineCodec", "Row", "row_item", "row_size_of_line"]

#: Bytes that a DynamoDB item may have.
DYNAMODB_ITEM_LIMIT = 400 * 1024

#: Bytes that the payload of an asynchronous Lambda invocation may have (256 KiB until October 2025).
LAMBDA_PAYLOAD_LIMIT = 1024 * 1024

# What a row has beside payload and labourer: the names of the attributes, an id, three numbers at their largest.
_ROW_OVERHEAD = len("task_idlabourer_idpayloadcreated_atgreenfieldattempts") + 32 + 3 * 21
# What an invocation has beside them: `, "task_id": "<32>", "labourer_id": "", "created_at": <17>, "greenfield": <12>,
# ...`.
_EVENT_OVERHEAD = 180

_encode = json.JSONEncoder().encode


@dataclass(frozen=True, slots=True)
class Row:
    """A task as it goes into ``sosw_tasks``.

    :ivar payload: JSON text of an object.
    :ivar created_at: seconds since 1970.
    """

    task_id: str
    labourer_id: str
    payload: str
    created_at: float
    greenfield: int


def row_item(row: Row) -> dict[str, dict[str, str]]:
    """The row in DynamoDB's notation, with the attributes and types that upstream writes."""
    return {
        "task_id": {"S": row.task_id},
        "labourer_id": {"S": row.labourer_id},
        "created_at": {"N": f"{row.created_at:.6f}"},
        "greenfield": {"N": str(row.greenfield)},
        "attempts": {"N": "0"},
        "payload": {"S": row.payload},
    }


def row_size_of_line(line_bytes: int) -> int:
    """Bytes of a task's row as DynamoDB counts them, from the length of its line; at the most."""
    return line_bytes + _ROW_OVERHEAD - len(', "labourer_id": ""')


class LineCodec:
    """Turns tasks into lines of the queue file, and lines into payloads, for one labourer.

    A line ends with the labourer, so that a payload is cut out of it without parsing; a line that ends otherwise is
    parsed, so that any line of upstream's can be read.

    :ivar tail: what a line ends with, after the attributes of its task.
    :ivar longest_line: characters that a line may have; if ``payload`` is text, it may have to be shorter.
    """

    def __init__(self, labourer_id: str, *, lambda_payload_limit: int = LAMBDA_PAYLOAD_LIMIT) -> None:
        self.labourer_id = labourer_id
        self._only_tail = f'"labourer_id": {_encode(labourer_id)}}}'
        self.tail = f", {self._only_tail}"
        beside = len(labourer_id.encode())
        limits = (
            (DYNAMODB_ITEM_LIMIT - _ROW_OVERHEAD - beside, DYNAMODB_ITEM_LIMIT, "the limit of a DynamoDB item"),
            (
                lambda_payload_limit - _EVENT_OVERHEAD - beside,
                lambda_payload_limit,
                "the limit of a Lambda payload (lambda_payload_limit)",
            ),
        )
        self._room, self._limit, self._limit_name = min(limits)
        self.longest_line = self._room + len(self.tail)

    def line(self, task: Mapping[str, Any], index: int, *, labourer_first: bool = False) -> str:
        """The line of a task, without the newline. It is ASCII, so its length is its size.

        :param index: the task's index in its job, for messages.
        :param labourer_first: as upstream writes a job that it passes on whole.
        :raises TaskTooLarge: the task would not fit into a DynamoDB item or a Lambda invocation.
        """
        if labourer_first:
            text = _encode({"labourer_id": self.labourer_id, **task})
        else:
            text = _encode(task)
            text = f"{text[:-1]}{self.tail}" if task else f"{{{self._only_tail}"
        size = len(text)
        if isinstance(task.get("payload"), str):  # merged as JSON it may be longer than as text
            size = max(size, len(self.payload(text)) + len(self.tail))
        if size > self.longest_line:
            self._refuse(task, index, size - len(self.tail) + self._limit - self._room)
        return text

    def payload(self, line: str) -> str:
        """The JSON text of the payload in a line, as upstream puts it into a row (sosw rules 8, D9)."""
        return self.payloads([line])[0]

    def payloads(self, lines: Iterable[str]) -> list[str]:
        """The payloads of many lines."""
        tail, end = self.tail, -len(self.tail)
        return [
            f"{line[:end]}}}" if line.endswith(tail) and '"payload"' not in line else self._parsed_payload(line)
            for line in lines
        ]

    def _parsed_payload(self, line: str) -> str:
        task = json.loads(line)
        task.pop("labourer_id", None)
        given = task.pop("payload", {})
        if isinstance(given, str):
            given = _merged(given)
        elif not isinstance(given, dict):
            given = {"payload": given}
        return _encode({**given, **task})

    def _refuse(self, task: Mapping[str, Any], index: int, size: int) -> None:
        largest = max(task, key=lambda name: len(_encode(task[name])))
        raise TaskTooLarge(
            index=index,
            size=size,
            limit=self._limit,
            limit_name=self._limit_name,
            largest=printable(largest),
            excerpt=_encode(shown_payload(dict(task)))[:200],
        )


def _merged(text: str) -> dict[str, Any]:
    """The attributes of a ``payload`` that is text; other text than the JSON of an object stays as it is."""
    try:
        document = parse_json(text)
    except NotJson:
        document = None
    return document if isinstance(document, dict) else {"payload": text}
