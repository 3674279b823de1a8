"""Closes tasks as sosw's Scavenger does, many at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs import job_of
from tests.system.airflow_runs.queue import Queue

_BATCH = 25


@dataclass(frozen=True)
class Closer:
    """Moves rows of `sosw_tasks` to `sosw_closed_tasks`."""

    dynamodb: Any
    queue: Queue

    def close(self, job: str, *, failed: Sequence[int] = (), only: Callable[[int], bool] = lambda index: True) -> int:
        """Close the tasks of a job that are in the queue, `only` some by their index; how many they were.

        failed: indexes of those that have failed for good. The others have completed.
        """
        rows = [row for row in self.queue.rows() if job_of(row["task_id"]["S"]) == job]
        wanted = [(row, int(row["task_id"]["S"][20:], 16)) for row in rows]
        closed = [_closed(row, completed=index not in failed) for row, index in wanted if only(index)]
        self._write("sosw_closed_tasks", [{"PutRequest": {"Item": row}} for row in closed])
        self._write("sosw_tasks", [{"DeleteRequest": {"Key": {"task_id": row["task_id"]}}} for row in closed])
        return len(closed)

    def _write(self, table: str, requests: Sequence[Any]) -> None:
        for first in range(0, len(requests), _BATCH):
            self.dynamodb.batch_write_item(RequestItems={table: requests[first : first + _BATCH]})


def _closed(row: dict[str, Any], *, completed: bool) -> dict[str, Any]:
    now = {"N": str(int(time.time()))}
    return {
        **row,
        "payload": {"S": repr(json.loads(row["payload"]["S"]))},
        "attempts": {"N": "1" if completed else "3"},
        "labourer_id_task_status": {"S": f"{row['labourer_id']['S']}_{int(completed)}"},
        "closed_at": now,
        **({"completed_at": now} if completed else {}),
    }
