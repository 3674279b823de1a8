"""The item of ``sosw_jobs`` that stands for a labourer: its orchestrator's lease, and what people have ordered."""

from __future__ import annotations

from typing import Any

from sosw_airflow.stores.aws_errors import explain_faults

__all__ = ["lease_key", "read_lease"]

_RECORD = {"S": "lease"}


def lease_key(labourer_id: str) -> dict[str, Any]:
    """The key of the lease's item."""
    return {"job_id": {"S": f"orchestrator#{labourer_id}"}, "record": _RECORD}


def read_lease(dynamodb: Any, table: str, labourer_id: str) -> dict[str, Any]:
    """The item of a labourer's lease: ``fence``, ``beat``, ``last_turn``, and ``owner`` while it is held.

    Empty if no orchestrator ever held it.

    :raises SoswError: AWS refuses.
    """
    with explain_faults(action="dynamodb:GetItem", resource=table, setting="jobs_table"):
        reply = dynamodb.get_item(TableName=table, Key=lease_key(labourer_id), ConsistentRead=True)
    return dict(reply.get("Item", {}))
