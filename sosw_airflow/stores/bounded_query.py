"""Queries for people who watch: a bounded number of rows, eventually consistent, and how many read units they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.stores.aws_errors import explain_faults, member

__all__ = ["BoundedQueries"]


@dataclass
class BoundedQueries:
    """Queries of one reading. Used by one thread.

    :ivar dynamodb: a boto3 DynamoDB client.
    :ivar rows: of each query, at most.
    :ivar units: read units so far.
    """

    dynamodb: Any
    rows: int
    units: float = field(default=0.0, init=False)

    def read(
        self, table: str, index: str | None, condition: str, values: Mapping[str, str | int], **more: Any
    ) -> tuple[list[dict[str, Any]], bool]:
        """The first rows, and whether there are more.

        :param condition: of the keys.
        :param values: of the placeholders in it, and in a filter.
        :param more: further arguments of the request.
        :raises SoswError: AWS refuses.
        """
        request = {
            "TableName": table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {
                name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in values.items()
            },
            "Limit": self.rows,
            "ReturnConsumedCapacity": "TOTAL",
            **({"IndexName": index} if index else {}),
            **more,
        }
        with explain_faults(action="dynamodb:Query", resource=f"{table}/index/{index}" if index else table):
            reply = self.dynamodb.query(**request)
        self.count(reply)
        return member(reply, "Items", action="dynamodb:Query"), "LastEvaluatedKey" in reply

    def count(self, reply: Mapping[str, Any]) -> None:
        """Add the read units of an answer. An emulator that reports none counts as the least that DynamoDB asks for."""
        self.units += float(reply.get("ConsumedCapacity", {}).get("CapacityUnits", 0.5))
