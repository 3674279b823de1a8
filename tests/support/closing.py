"""Closes tasks as sosw's Scavenger does: a row of `sosw_closed_tasks`, and none of `sosw_tasks` any more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sosw_airflow.jobs.identity import task_id
from sosw_airflow.stores.job_record import JobRecords
from tests.conftest import Aws

#: Items of one BatchWriteItem at most.
_BATCH = 25


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
    tasks, closed = aws.names.tasks_table, aws.names.closed_tasks_table
    ids = [task_id(job_id, index) for index in indexes]
    for part in (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH)):
        keys = [{"task_id": {"S": each}} for each in part]
        found = aws.dynamodb.batch_get_item(RequestItems={tasks: {"Keys": keys}})["Responses"].get(tasks, [])
        rows = {row["task_id"]["S"]: row for row in found}
        puts = []
        for key in keys:
            row = rows.get(key["task_id"]["S"], key)
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
            puts.append({"PutRequest": {"Item": item}})
        aws.dynamodb.batch_write_item(RequestItems={closed: puts})
        if not keep:
            deletes = [{"DeleteRequest": {"Key": key}} for key in keys]
            aws.dynamodb.batch_write_item(RequestItems={tasks: deletes})
