"""A pause of a labourer that a person has ordered: attributes of its lease's item, which orchestrators read anyway.

An orchestrator that holds the lease reads them with each beat, so it follows within a quarter of the lease's length.
While the pause lasts it claims nothing; what is invoked is closed, expires and goes to the retries as always.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.stores.aws_errors import error_code, explain_faults
from sosw_airflow.stores.lease_item import lease_key

__all__ = ["LabourerPause", "pause_labourer", "resume_command", "resume_labourer"]

#: Characters of a name and of a reason: the item stays small, so that a beat costs one write unit.
_NAME, _REASON = 60, 200


@dataclass(frozen=True)
class LabourerPause:
    """One pause.

    :ivar by: who has ordered it.
    :ivar at: seconds since 1970.
    :ivar reason: in the person's words; empty for none.
    """

    by: str
    at: int
    reason: str = ""

    @classmethod
    def of_lease(cls, item: Mapping[str, Mapping[str, Any]]) -> LabourerPause | None:
        """The pause in the item of a lease; None if the labourer is not paused."""
        if "paused_at" not in item:
            return None
        try:
            at = int(float(item["paused_at"].get("N", 0)))
        except (ValueError, OverflowError):
            at = 0
        by, reason = (
            _line(str(item.get(name, {}).get("S", "")), most)
            for name, most in (("paused_by", _NAME), ("paused_because", _REASON))
        )
        return cls(by, at, reason)

    def __str__(self) -> str:
        when = datetime.fromtimestamp(min(max(self.at, 0), 2**32), tz=timezone.utc)
        because = f": {self.reason}" if self.reason else ""
        return f"{self.by} has paused it on {when:%Y-%m-%d %H:%M} UTC{because}."


def _line(text: str, most: int) -> str:
    """The text as one line, without what a terminal would obey."""
    return " ".join("".join(each if each.isprintable() else " " for each in text[: 2 * most]).split())[:most]


def resume_command(labourer_id: str) -> str:
    """The shell command that ends a pause."""
    return f"sosw-airflow resume {shlex.quote(labourer_id)}"


def pause_labourer(dynamodb: Any, table: str, labourer_id: str, pause: LabourerPause) -> LabourerPause | None:
    """Order a pause, in the place of a former one, and return that one. No orchestrator has to exist.

    :raises SoswError: AWS refuses.
    """
    with explain_faults(action="dynamodb:UpdateItem", resource=table, setting="jobs_table"):
        reply = dynamodb.update_item(
            TableName=table,
            Key=lease_key(labourer_id),
            # A lease that was never held is taken by its numbers.
            UpdateExpression="SET fence = if_not_exists(fence, :zero), beat = if_not_exists(beat, :zero), "
            "paused_by = :by, paused_at = :at, paused_because = :because",
            ExpressionAttributeValues={
                ":zero": {"N": "0"},
                ":by": {"S": _line(pause.by, _NAME)},
                ":at": {"N": str(pause.at)},
                ":because": {"S": _line(pause.reason, _REASON)},
            },
            ReturnValues="ALL_OLD",
        )
    return LabourerPause.of_lease(reply.get("Attributes", {}))


def resume_labourer(dynamodb: Any, table: str, labourer_id: str) -> LabourerPause | None:
    """End the pause, and return it; None if the labourer is not paused.

    :raises SoswError: AWS refuses.
    """
    with explain_faults(action="dynamodb:UpdateItem", resource=table, setting="jobs_table"):
        try:
            reply = dynamodb.update_item(
                TableName=table,
                Key=lease_key(labourer_id),
                UpdateExpression="REMOVE paused_by, paused_at, paused_because",
                ConditionExpression="attribute_exists(paused_at)",
                ReturnValues="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return None
            raise
    return LabourerPause.of_lease(reply.get("Attributes", {}))
