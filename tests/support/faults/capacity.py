"""Tables with a write capacity: a token bucket for each table and index, and the refusals that DynamoDB gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.faults import replies
from tests.support.faults.batches import add_unprocessed, leave_out
from tests.support.faults.request import DYNAMODB
from tests.support.faults.units import Meter, Units, index_resource

if TYPE_CHECKING:
    from tests.support.faults.request import Request, Response

DYNAMODB_BURST_SECONDS = 300.0
_ARN = "arn:aws:dynamodb:us-west-2:123456789012:table/"


class Bucket:
    """Write units that fill up at `rate` a second, up to `burst_seconds` of them."""

    def __init__(self, rate: float, burst_seconds: float, initial_seconds: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.burst_seconds = max(burst_seconds, 1.0)
        self.consumed = 0
        self._clock = clock
        self._tokens = min(initial_seconds * rate, self.size)
        self._filled_at = clock()
        self._granted = self._tokens
        self._first_at: float | None = None
        self._last_at = self._filled_at

    @property
    def size(self) -> float:
        """The largest number of units that it can ever hold."""
        return self.rate * self.burst_seconds

    def available(self) -> float:
        """Fill up, and give the units that exist now."""
        now = self._clock()
        self._tokens = min(self.size, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        return self._tokens

    def take(self, units: float) -> None:
        """Consume units; the caller has checked that they exist."""
        self._tokens -= units
        self.consumed += int(units)
        self._last_at = self._clock()
        if self._first_at is None:
            self._first_at = self._last_at

    def set_rate(self, rate: float) -> None:
        """Change the capacity, as UpdateTable or auto scaling does."""
        self.available()
        self.rate = rate
        self._tokens = min(self._tokens, self.size)

    def used_share(self) -> float:
        """Consumed units per unit that could have been consumed between the first and the last consumption (0 to 1).

        The units at the start count as allowed, so that burst credit which was not used lowers the share.
        """
        if self._first_at is None:
            return 0.0
        allowed = self._granted + (self._last_at - self._first_at) * self.rate
        return self.consumed / allowed if allowed else 0.0


@dataclass
class ProvisionedTable:
    """The capacity of one table and of its indexes, as `FaultProxy.provision` has set it."""

    name: str
    on_demand: bool
    buckets: dict[str, Bucket]
    refused: int = 0

    @property
    def bucket(self) -> Bucket:
        """The table's own bucket; those of its indexes are in `buckets` under `table/index`."""
        return self.buckets[self.name]

    def set_write_units(self, write_units: float) -> None:
        """Change the capacity of the table and of all its indexes."""
        for bucket in self.buckets.values():
            bucket.set_rate(write_units)


@dataclass
class Capacity:
    """All tables with a capacity. It admits a request, or refuses it as DynamoDB does."""

    meter: Meter
    clock: Callable[[], float] = time.monotonic
    tables: dict[str, ProvisionedTable] = field(default_factory=dict)
    impossible_requests: list[Request] = field(default_factory=list)
    refused: int = 0

    def provision(
        self,
        name: str,
        *,
        write_units: float,
        indexes: Mapping[str, float],
        burst_seconds: float,
        initial_seconds: float,
        on_demand: bool,
    ) -> ProvisionedTable:
        """Give a table a capacity, or another one."""
        rates = {name: write_units, **{index_resource(name, index): rate for index, rate in indexes.items()}}
        buckets = {
            resource: Bucket(rate, burst_seconds, initial_seconds, self.clock) for resource, rate in rates.items()
        }
        self.tables[name] = ProvisionedTable(name, on_demand, buckets)
        return self.tables[name]

    def admit(self, request: Request) -> Response | None:
        """Take the units of a write, or refuse it."""
        if not self.tables or not request.writes:
            return None
        if request.operation == "BatchWriteItem":
            return self._admit_what_fits(request)
        return self._admit_all_or_nothing(request)

    def _buckets(self) -> dict[str, Bucket]:
        return {resource: bucket for table in self.tables.values() for resource, bucket in table.buckets.items()}

    def _admit_all_or_nothing(self, request: Request) -> Response | None:
        buckets = self._buckets()
        items = self.meter.item_units(request)
        left = {resource: bucket.available() for resource, bucket in buckets.items()}
        lacking = [_take(units, left) for units in items]
        if not any(lacking):
            _consume(items, buckets)
            return None
        self._note_refusal(request, buckets)
        if request.operation == "TransactWriteItems":
            codes = ["None" if lack is None else self._reason(lack) for lack in lacking]
            messages = [replies.INDEX_EXCEEDED if lack and "/" in lack else None for lack in lacking]
            return replies.transaction_cancelled(codes, messages)
        return self._refusal(next(lack for lack in lacking if lack))

    def _admit_what_fits(self, request: Request) -> Response | None:
        buckets = self._buckets()
        items = self.meter.item_units(request)
        left = {resource: bucket.available() for resource, bucket in buckets.items()}
        lacking = [_take(units, left) for units in items]
        _consume([units for units, lack in zip(items, lacking, strict=True) if lack is None], buckets)
        if all(lacking):
            self._note_refusal(request, buckets)
            return self._refusal(next(lack for lack in lacking if lack))
        return leave_out(request, [lack is not None for lack in lacking])

    def _note_refusal(self, request: Request, buckets: Mapping[str, Bucket]) -> None:
        self.refused += 1
        for name in request.tables:
            if name in self.tables:
                self.tables[name].refused += 1
        # The least that could have succeeded: a batch may be done item by item, anything else is done as a whole.
        if request.operation == "BatchWriteItem":
            least = min(self.meter.item_units(request), key=lambda units: max(units.values()))
        else:
            least = self.meter.request_units(request)
        if any(number > buckets[resource].size for resource, number in least.items() if resource in buckets):
            self.impossible_requests.append(request)

    def _reason(self, resource: str) -> str:
        on_demand = self.tables[resource.partition("/")[0]].on_demand
        return "ThrottlingError" if on_demand else "ProvisionedThroughputExceeded"

    def _refusal(self, resource: str) -> Response:
        table, _, index = resource.partition("/")
        on_demand = self.tables[table].on_demand
        kind = "Index" if index else "Table"
        limit = "MaxOnDemandThroughputExceeded" if on_demand else "ProvisionedThroughputExceeded"
        arn = f"{_ARN}{table}/index/{index}" if index else _ARN + table
        reasons = [{"reason": f"{kind}Write{limit}", "resource": arn}]
        if on_demand:
            return replies.dynamodb_error("ThrottlingException", throttlingReasons=reasons)
        message = replies.INDEX_EXCEEDED if index else None
        return replies.dynamodb_error("ProvisionedThroughputExceededException", message, ThrottlingReasons=reasons)

    def answer(self, request: Request, response: Response) -> Response:
        """Report the capacity in DescribeTable, and what a batch has left out."""
        if response.status != 200 or request.service != DYNAMODB:
            return response
        if request.writes:
            self.meter.remember(request)
            return add_unprocessed(request, response) or response
        if request.operation == "DescribeTable" and request.document["TableName"] in self.tables:
            return self._describe(self.tables[request.document["TableName"]], response)
        return response

    @staticmethod
    def _describe(table: ProvisionedTable, response: Response) -> Response:
        document = response.document()
        description = document["Table"]
        description.pop("BillingModeSummary", None)
        if table.on_demand:
            description["BillingModeSummary"] = {"BillingMode": "PAY_PER_REQUEST"}
        for name, resource in [(table.name, description)] + [
            (index_resource(table.name, index["IndexName"]), index)
            for index in description.get("GlobalSecondaryIndexes", [])
        ]:
            # An index without a capacity of its own can take whatever the table can.
            rate = table.buckets.get(name, table.bucket).rate
            units = 0 if table.on_demand else int(rate)
            resource["ProvisionedThroughput"] = {
                **resource.get("ProvisionedThroughput", {}),
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": units,
                "WriteCapacityUnits": units,
            }
        return replies.dynamodb_response(document)


def _take(units: Units, left: dict[str, float]) -> str | None:
    """Take an item's units out of `left` if it has all of them; otherwise name the first resource that lacks some."""
    for resource, number in units.items():
        if left.get(resource, float("inf")) < number:
            return resource
    for resource, number in units.items():
        if resource in left:
            left[resource] -= number
    return None


def _consume(items: list[Units], buckets: Mapping[str, Bucket]) -> None:
    for units in items:
        for resource, number in units.items():
            if resource in buckets:
                buckets[resource].take(number)
