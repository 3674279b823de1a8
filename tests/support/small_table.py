"""A table of closed tasks with little read capacity, and a clock that moves only when the code sleeps.

It answers `batch_get_item`, `query` and `get_item` as DynamoDB does: a reserve of 300 seconds of its capacity, one read
unit for a row that is read consistently, half of one otherwise, a part of a batch if there are not units for all of it,
and a throttling error if there is none at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.support.simulated_tables import Clock

__all__ = ["SmallTable"]

#: Seconds for which DynamoDB keeps units that were not used.
_RESERVE = 300


@dataclass
class SmallTable:
    """A boto3 DynamoDB client for one table of closed tasks; everything else that it is asked for does not exist.

    :ivar rows: by their ids.
    :ivar units: read units a second.
    :ivar header: the header of the job, in DynamoDB's notation.
    :ivar requests: sent so far.
    """

    clock: Clock
    rows: dict[str, dict[str, Any]]
    units: float
    header: dict[str, Any] = field(default_factory=dict)
    requests: int = 0

    def __post_init__(self) -> None:
        self._left, self._filled_at = self.units * _RESERVE, self.clock.now

    def get_item(self, **_: Any) -> dict[str, Any]:
        """The header of the job."""
        return {"Item": self.header}

    def query(self, **arguments: Any) -> dict[str, Any]:
        """All rows with the wanted end at once. The index has its own capacity, which is not simulated."""
        status = arguments["ExpressionAttributeValues"][":status"]
        return {"Items": [row for row in self.rows.values() if row["labourer_id_task_status"] == status]}

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        """As many rows as there are units for."""
        ((table, request),) = RequestItems.items()
        self.requests += 1
        cost = 1.0 if request.get("ConsistentRead") else 0.5
        now = self.clock.now
        self._left = min(self.units * _RESERVE, self._left + (now - self._filled_at) * self.units)
        self._filled_at = now
        keys = request["Keys"]
        answered = min(len(keys), int(self._left / cost))
        if keys and not answered:
            message = {"Code": "ProvisionedThroughputExceededException", "Message": "too much"}
            raise ClientError({"Error": message}, "BatchGetItem")
        self._left -= answered * cost
        found = [self.rows[key["task_id"]["S"]] for key in keys[:answered] if key["task_id"]["S"] in self.rows]
        left = {table: {"Keys": keys[answered:]}} if answered < len(keys) else {}
        return {"Responses": {table: found}, "UnprocessedKeys": left}
