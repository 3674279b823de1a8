"""How long the tasks of a job took, from some of its closed rows."""

from __future__ import annotations

from typing import Any

from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.stores.batch_reads import read_batch
from sosw_airflow.stores.tables import TableNames

__all__ = ["mean_seconds"]

#: Rows that are read at most: half a read unit for each 4 KB.
_SAMPLE = 25


def mean_seconds(dynamodb: Any, tables: TableNames, job_id: str, tasks: int) -> float | None:
    """Seconds for which the function worked on a task, on average, by tasks that are evenly spread over the job.

    All attempts count: each as long as the last one. None: no task in the sample has reported its end.

    :param tasks: of the job.
    :raises SoswError: AWS refuses.
    """
    step = max(1, -(-tasks // _SAMPLE))
    keys = [{"task_id": {"S": task_id(job_id, index)}} for index in range(0, tasks, step)]
    rows = read_batch(dynamodb, tables.closed_tasks_table, keys, setting="closed_tasks_table")
    times = [seconds for row in rows if (seconds := _seconds(row)) is not None]
    return sum(times) / len(times) if times else None


def _seconds(row: dict[str, Any]) -> float | None:
    try:
        invoked, ended = (float(row[name]["N"]) for name in ("greenfield", "completed_at"))
        attempts = float(row["attempts"]["N"])
    except (KeyError, ValueError):
        return None  # failed, or another program has written it
    seconds = ended - (invoked - INVOCATION_DELTA)
    return seconds * attempts if 0 <= seconds < 100_000 and 0 < attempts < 1_000 else None
