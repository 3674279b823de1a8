"""Closes tasks as sosw's Scavenger does: a row of `sosw_closed_tasks`, and none of `sosw_tasks` any more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sosw_airflow.jobs.identity import task_id
from sosw_airflow.stores.job_record import JobRecords
from tests.conftest import Aws


def close(
    aws: Aws,
    job_id: str,
    indexes: Iterable[int],
    *,
    completed: bool = True,
    at: float | None = None,
    keep: bool = False,
    attempts: int = 1,
) -> None:
    """Close these tasks of a job at this second (default: as the job was created); `keep` leaves the task rows."""
    header = JobRecords(aws.dynamodb, aws.names.jobs_table).header(job_id)
    assert header is not None
    for index in indexes:
        key = {"task_id": {"S": task_id(job_id, index)}}
        row = aws.dynamodb.get_item(TableName=aws.names.tasks_table, Key=key).get("Item", key)
        payload = repr(json.loads(row["payload"]["S"])) if "payload" in row else "{}"
        item: dict[str, Any] = {
            **row,
            "labourer_id": {"S": header.labourer_id},
            "payload": {"S": payload},
            "attempts": {"N": str(attempts)},
            "labourer_id_task_status": {"S": f"{header.labourer_id}_{int(completed)}"},
            "closed_at": {"N": str(int(header.created_at if at is None else at))},
            **({"completed_at": {"N": str(header.created_at)}} if completed else {}),
        }
        aws.dynamodb.put_item(TableName=aws.names.closed_tasks_table, Item=item)
        if not keep:
            aws.dynamodb.delete_item(TableName=aws.names.tasks_table, Key=key)
