"""Counts the capacity that requests consume, as DynamoDB does: from the items before and after, and those it reads.

The rules are those of DynamoDB's developer guide ("Read and write operations", "Global secondary indexes"). Written
apart from the estimates of the package, which are compared with it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from tests.support.deterministic_aws.answers import AwsError, Reply, Request
from tests.support.deterministic_aws.aws import DeterministicAws
from tests.support.deterministic_aws.expressions import Item, placeholders
from tests.support.deterministic_aws.tables import SecondaryIndex, Table
from tests.support.faults.units import item_bytes

_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})


@dataclass
class MeteredAws:
    """A deterministic AWS for threads, whose clock is the real one and whose consumption is counted.

    :ivar writes: and ``reads``: units by table and index.
    :ivar requests: by operation.
    """

    aws: DeterministicAws
    writes: Counter[str] = field(default_factory=Counter)
    reads: dict[str, float] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, request: Request) -> Reply:
        """Answer one request, and count it."""
        with self._lock:
            self.aws.clock = time.time()
            self.requests[request.operation] += 1
            if request.service != "dynamodb":
                return self.aws.answer(self.aws.call(request))
            places = list(self._written(request)) if request.operation in _WRITES else []
            before = [table.items.get(key) for table, key in places]
            self._read(request)
            reply = self.aws.answer(self.aws.call(request))
            if reply.error is None or "Condition" in reply.error.code:
                factor = 2 if request.operation == "TransactWriteItems" else 1
                for (table, key), former in zip(places, before, strict=True):
                    self._write(table, former, table.items.get(key), factor)
            return reply

    def _written(self, request: Request) -> Iterator[tuple[Table, Any]]:
        arguments = request.arguments
        tables = self.aws.dynamodb.tables
        if request.operation == "TransactWriteItems":
            writes = [next(iter(action.values())) for action in arguments["TransactItems"]]
        elif request.operation == "BatchWriteItem":
            writes = [
                {"TableName": name, **next(iter(each.values()))}
                for name, requests in arguments["RequestItems"].items()
                for each in requests
            ]
        else:
            writes = [arguments]
        for write in writes:
            table = tables[write["TableName"]]
            yield table, table.schema.key(write.get("Item") or write["Key"])

    def _write(self, table: Table, former: Item | None, new: Item | None, factor: int) -> None:
        self.writes[table.name] += factor * _kilobytes(max(_size(former), _size(new)), 1024)
        for name, index in table.indexes.items():
            before, after = _entry(table, index, former), _entry(table, index, new)
            # A local index is part of its table; a global one is written later, outside of the transaction.
            place = f"{table.name}/{name}" if index.is_global else table.name
            self.writes[place] += _entry_units(index, before, after)

    def _read(self, request: Request) -> None:
        arguments, dynamodb = request.arguments, self.aws.dynamodb
        if request.operation == "GetItem":
            table = dynamodb.tables[arguments["TableName"]]
            self._add(table.name, _size(table.items.get(table.schema.key(arguments["Key"]))), arguments)
        elif request.operation == "BatchGetItem":
            for name, wanted in arguments["RequestItems"].items():
                table = dynamodb.tables[name]
                for key in wanted["Keys"]:
                    self._add(name, _size(table.items.get(table.schema.key(key))), wanted)
        elif request.operation == "Query":
            place = "/".join(arguments[name] for name in ("TableName", "IndexName") if name in arguments)
            self._add(place, sum(map(_size, self._queried(arguments))), arguments)

    def _queried(self, arguments: dict[str, Any]) -> list[Item]:
        """The items that a query goes through, whole: neither a filter nor a projection makes it cheaper."""
        kept = {name: value for name, value in arguments.items() if name not in _NARROWING}
        used = placeholders(arguments["KeyConditionExpression"])
        for names in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            kept[names] = {name: value for name, value in arguments.get(names, {}).items() if name in used}
        try:
            return list(self.aws.dynamodb.call("Query", kept)["Items"])
        except AwsError:
            return []

    def _add(self, place: str, size: int, arguments: dict[str, Any]) -> None:
        units = _kilobytes(size, 4096) * (1 if arguments.get("ConsistentRead") else 0.5)
        self.reads[place] = self.reads.get(place, 0.0) + units


_NARROWING = ("FilterExpression", "ProjectionExpression", "Select")


def _kilobytes(size: int, unit: int) -> int:
    return max(1, ceil(size / unit))


def _size(item: Item | None) -> int:
    return item_bytes(item) if item else 0


def _entry(table: Table, index: SecondaryIndex, item: Item | None) -> Item | None:
    """The entry of an index for this item, None for none."""
    if item is None or not index.schema.covers(item):
        return None
    return item if index.carries is None else {name: item[name] for name in item if name in index.carries}


def _entry_units(index: SecondaryIndex, before: Item | None, after: Item | None) -> int:
    if before == after:
        return 0
    if before is None or after is None:
        return _kilobytes(_size(before or after), 1024)
    if index.schema.key(before) != index.schema.key(after):  # deleted at the one place, put at the other
        return _kilobytes(_size(before), 1024) + _kilobytes(_size(after), 1024)
    return _kilobytes(max(_size(before), _size(after)), 1024)
