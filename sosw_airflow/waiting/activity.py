"""What happens to the open tasks of a job at the moment, and how fast its labourer's queue moves.

Bounded reads: 1,000 rows of each index and table at most. A number that reached the bound is "at least".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.stores.bounded_query import BoundedQueries
from sosw_airflow.stores.closed_tasks import End, error_of
from sosw_airflow.stores.tables import TableNames

__all__ = ["ActiveTask", "Activity", "read_activity"]

#: Rows of each query: up to 128 read units for rows of 1 KB.
_ROWS = 1000

#: Seconds of the past in which closings make the pace; and the least, so that one closing just now is no pace.
_RECENT, _SHORT = 600, 10

#: Tasks that are named.
_NAMED = 5


@dataclass(frozen=True)
class ActiveTask:
    """A task that runs, or that waits for its next attempt.

    :ivar attempts: so far.
    :ivar seconds: since its invocation; or until it may be queued again, below 0 if it may already.
    :ivar error: of its last failed attempt, without secrets; empty if none is stored.
    """

    task_id: str
    attempts: int
    seconds: int
    error: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"task_id": self.task_id, "attempts": self.attempts, "seconds": self.seconds, "error": self.error}


@dataclass(frozen=True)
class Activity:
    """What the open tasks of a job do.

    :ivar running: the longest first.  :ivar retrying: the next first.
    :ivar ahead: queued tasks of other jobs before the job's first queued one.
    :ivar closed_per_second: tasks of the labourer, in the last ten minutes or since the first of them.
    :ivar bounded: names of those that are "at least": ``running``, ``retrying``, ``ahead``.
    """

    running: tuple[ActiveTask, ...] = ()
    retrying: tuple[ActiveTask, ...] = ()
    ahead: int = 0
    closed_per_second: float = 0.0
    bounded: frozenset[str] = frozenset()

    def seconds_left(self, open_tasks: int) -> float | None:
        """When so many open tasks are closed at this pace, those ahead of them included; None without a pace."""
        return (self.ahead + open_tasks) / self.closed_per_second if self.closed_per_second else None

    def as_dict(self, open_tasks: int) -> dict[str, Any]:
        """For JSON."""
        seconds = self.seconds_left(open_tasks)
        return {
            "running": len(self.running),
            "retrying": len(self.retrying),
            "queued_ahead": self.ahead,
            "closed_per_second": round(self.closed_per_second, 6),
            "seconds_left": None if seconds is None else round(seconds),
            "at_least": sorted(self.bounded),
            "running_tasks": [each.as_dict() for each in self.running[:_NAMED]],
            "retrying_tasks": [each.as_dict() for each in self.retrying[:_NAMED]],
        }


def read_activity(
    dynamodb: Any, tables: TableNames, labourer_id: str, job_id: str, *, now: int, rows: int = _ROWS
) -> Activity:
    """Read what the job's open tasks do: five requests.

    :param now: seconds since 1970.
    :param rows: of each query, at most.
    :raises SoswError: AWS refuses.
    """
    queries, bounded = BoundedQueries(dynamodb, rows), set()
    values = {":labourer": labourer_id, ":job": job_id}
    invoked, more = queries.read(
        tables.tasks_table,
        tables.index_greenfield,
        "labourer_id = :labourer AND greenfield > :now",
        {**values, ":now": now},
        FilterExpression="begins_with(task_id, :job) AND attribute_not_exists(completed_at)",
    )
    bounded |= {"running"} if more else set()
    waiting, more = queries.read(
        tables.retry_tasks_table, None, "labourer_id = :labourer AND begins_with(task_id, :job)", values
    )
    bounded |= {"retrying"} if more else set()
    queued, more = queries.read(
        tables.tasks_table,
        tables.index_greenfield,
        "labourer_id = :labourer AND greenfield <= :now",
        {":labourer": labourer_id, ":now": now},
    )
    jobs = [job_of(row["task_id"]["S"]) for row in queued]
    if job_id in jobs:
        ahead = jobs.index(job_id)
    else:
        # Nothing of the job is queued, or its first task is behind what was read.
        ahead, bounded = (len(jobs), bounded | {"ahead"}) if more else (0, bounded)
    return Activity(
        running=_active(invoked, lambda row: now - (_number(row, "greenfield") - INVOCATION_DELTA), -1),
        retrying=_active(waiting, lambda row: _number(row, "desired_launch_time") - now, 1),
        ahead=ahead,
        closed_per_second=_pace(queries, tables, labourer_id, now),
        bounded=frozenset(bounded),
    )


def _active(rows: list[dict[str, Any]], seconds: Callable[[dict[str, Any]], int], order: int) -> tuple[ActiveTask, ...]:
    tasks = []
    for row in rows:
        error = str(redacted({"error": error_of(row)})["error"])
        tasks.append(ActiveTask(row["task_id"]["S"], _number(row, "attempts"), seconds(row), error))
    return tuple(sorted(tasks, key=lambda task: order * task.seconds))


def _number(row: dict[str, Any], name: str) -> int:
    return int(float(row.get(name, {}).get("N", 0)))


def _pace(queries: BoundedQueries, tables: TableNames, labourer_id: str, now: int) -> float:
    """Tasks of the labourer that were closed in a second, lately: a labourer that has just begun has a pace, too."""
    counts, begins = [], []
    for end in End:
        rows, more = queries.read(
            tables.closed_tasks_table,
            tables.closed_tasks_index,
            "labourer_id_task_status = :status AND closed_at > :from",
            {":status": f"{labourer_id}_{end.value}", ":from": now - _RECENT},
            ScanIndexForward=False,
        )
        if rows:
            counts.append((len(rows), _number(rows[-1], "closed_at"), more))
            begins.append(_number(rows[-1], "closed_at"))
    # Rows of one end that were not all read make the pace of their own time.
    return sum(number / max(now - (begin if more else min(begins)), _SHORT) for number, begin, more in counts)
