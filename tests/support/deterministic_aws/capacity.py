"""Provisioned capacity of tables: what a request costs, and which part of it there are units for.

The rules are those of DynamoDB's developer guide ("Provisioned capacity mode", "Error handling"): a write costs a unit
for each KB that is begun, twice that in a transaction; a read half a unit for 4 KB, or a whole one if it is consistent.
A batch is done in part, and refused if nothing of it can be done. Anything else is done as a whole or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from tests.support.deterministic_aws.answers import AwsError
from tests.support.deterministic_aws.tables import Table, item_bytes

_EXCEEDED = "The level of configured provisioned throughput for the table was exceeded."


@dataclass
class Units:
    """Units of one kind, which fill up with time.

    :ivar rate: a second.  :ivar most: that are kept; DynamoDB keeps those of 300 seconds.
    """

    rate: float
    most: float
    left: float
    filled_at: float

    def at(self, now: float) -> float:
        """The units that exist at this time."""
        self.left = min(self.most, self.left + max(0.0, now - self.filled_at) * self.rate)
        self.filled_at = now
        return self.left


class Capacity:
    """The capacity of the tables that have one.

    :param now: seconds since 1970.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.units: dict[tuple[str, str], Units] = {}
        self._now = now

    def provision(self, table: Table, *, read: float, write: float, kept_seconds: float = 1.0) -> None:
        """Give a table a capacity, of which so many seconds are kept, and exist now."""
        for kind, rate in (("read", read), ("write", write)):
            most = rate * kept_seconds
            self.units[table.name, kind] = Units(rate, most, most, self._now())
        throughput = {"ReadCapacityUnits": int(read), "WriteCapacityUnits": int(write)}
        table.arguments = {**table.arguments, "ProvisionedThroughput": throughput}

    def digest(self) -> int:
        """Of the units that are left."""
        return hash(tuple((each.left, each.filled_at) for each in self.units.values()))

    def admit(
        self, operation: str, arguments: dict[str, Any], tables: Mapping[str, Table]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The part of a request that there are units for, and the rest of a batch by table.

        :raises AwsError: the request is refused.
        """
        if not self.units:
            return arguments, {}
        if operation in ("BatchWriteItem", "BatchGetItem"):
            return self._what_fits(operation, arguments, tables)
        if operation == "TransactWriteItems":
            self._transaction(arguments, tables)
        elif (cost := _cost(operation, arguments, tables)) and not self._take(arguments["TableName"], *cost):
            raise AwsError("ProvisionedThroughputExceededException", _EXCEEDED)
        return arguments, {}

    def _what_fits(
        self, operation: str, arguments: dict[str, Any], tables: Mapping[str, Table]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        writes = operation == "BatchWriteItem"
        done: dict[str, Any] = {}
        left: dict[str, Any] = {}
        for name, request in arguments["RequestItems"].items():
            for each in request if writes else request["Keys"]:
                if writes:
                    kind, units = "write", _written(tables.get(name), next(iter(each.values())))
                else:
                    kind, units = "read", _read(_item(tables.get(name), each), request)
                fits = self._take(name, kind, units)
                (done if fits else left).setdefault(name, []).append(each)
        if not done:
            raise AwsError("ProvisionedThroughputExceededException", _EXCEEDED)
        if not writes:
            requests = arguments["RequestItems"]
            done, left = (
                {name: {**requests[name], "Keys": keys} for name, keys in part.items()} for part in (done, left)
            )
        return {**arguments, "RequestItems": done}, left

    def _transaction(self, arguments: dict[str, Any], tables: Mapping[str, Table]) -> None:
        needed: dict[str, float] = {}
        reasons = []
        for action in arguments["TransactItems"]:
            ((_, request),) = action.items()
            name = request["TableName"]
            needed[name] = needed.get(name, 0.0) + 2 * _written(tables.get(name), request)
            lacks = (name, "write") in self.units and self.units[name, "write"].at(self._now()) < needed[name]
            reasons.append(
                {"Code": "ProvisionedThroughputExceeded", "Message": _EXCEEDED} if lacks else {"Code": "None"}
            )
        if any(reason["Code"] != "None" for reason in reasons):
            codes = ", ".join(reason["Code"] for reason in reasons)
            text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            raise AwsError("TransactionCanceledException", text, CancellationReasons=reasons)
        for name, units in needed.items():
            self._take(name, "write", units)

    def _take(self, table: str, kind: str, units: float) -> bool:
        bucket = self.units.get((table, kind))
        if bucket is None:
            return True
        if bucket.at(self._now()) < units:
            return False
        bucket.left -= units
        return True


def _cost(operation: str, arguments: dict[str, Any], tables: Mapping[str, Table]) -> tuple[str, float] | None:
    if operation in ("PutItem", "UpdateItem", "DeleteItem"):
        return "write", _written(tables.get(arguments["TableName"]), arguments)
    if operation == "GetItem":
        return "read", _read(_item(tables.get(arguments["TableName"]), arguments["Key"]), arguments)
    # The items of these scenarios fit into 4 KB, and an index has a capacity of its own.
    if operation in ("Query", "Scan") and "IndexName" not in arguments:
        return "read", _read(None, arguments)
    return None


def _item(table: Table | None, key: dict[str, Any]) -> dict[str, Any] | None:
    return table.items.get(table.key_of(key)) if table is not None else None


def _written(table: Table | None, request: dict[str, Any]) -> float:
    """The larger one of the item before and after counts."""
    sizes = [item_bytes(request["Item"])] if "Item" in request else []
    if "Key" in request and (former := _item(table, request["Key"])):
        sizes.append(item_bytes(former))
    return max(1, ceil(max(sizes, default=0) / 1024))


def _read(item: dict[str, Any] | None, request: dict[str, Any]) -> float:
    whole = max(1, ceil((item_bytes(item) if item else 0) / 4096))
    return whole if request.get("ConsistentRead") else whole / 2
