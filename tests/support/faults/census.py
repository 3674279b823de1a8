"""Where each task of a job is, over the tables through which sosw moves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sosw_airflow.stores.tables import SOSW_NAMES, TableNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.faults.ledger import Ledger

_EXAMPLES = 5


def task_ids(job_id: str, number: int) -> list[str]:
    """Give the ids of a job's tasks: the job id and the index in 12 hex digits."""
    return [f"{job_id}{index:012x}" for index in range(number)]


@dataclass
class Census:
    """The rows of one job.

    places: task id -> the tables that have a row of it. others: the number of rows of other jobs, by table.
    ghosts: ids of rows with nothing but `completed_at`, which sosw makes when a worker reports a task that is not in
    `sosw_tasks` any more. They are no rows of the queue and are not in `places`.
    """

    job_id: str
    names: TableNames
    places: dict[str, list[str]] = field(default_factory=dict)
    ghosts: set[str] = field(default_factory=set)
    others: dict[str, int] = field(default_factory=dict)

    def count(self, table: str) -> int:
        """Count the job's rows in one table."""
        return sum(table in tables for tables in self.places.values())

    def missing(self, expected: Iterable[str]) -> list[str]:
        """Give the expected tasks that are nowhere."""
        return sorted(set(expected) - self.places.keys())

    def foreign(self, expected: Iterable[str]) -> list[str]:
        """Give the rows that bear the job's id and should not exist."""
        return sorted(self.places.keys() - set(expected))

    def multiple(self) -> dict[str, list[str]]:
        """Give the tasks that are in several tables, with those tables."""
        return {task_id: tables for task_id, tables in self.places.items() if len(tables) > 1}

    def problems(self, expected: Iterable[str], ledger: Ledger | None = None) -> list[str]:
        """Say everything that contradicts "each task exactly once, none invoked twice"."""
        wanted = list(expected)
        found = {
            "missing": self.missing(wanted),
            "not of this job's plan": self.foreign(wanted),
            "in several tables": [f"{task_id} in {tables}" for task_id, tables in self.multiple().items()],
        }
        if ledger is not None:
            doubles = ledger.doubles(self.job_id)
            found["invoked twice"] = [f"{task_id} in attempts {attempts}" for task_id, attempts in doubles.items()]
        return [
            f"{len(cases)} of {len(wanted)} tasks {what}, such as {', '.join(cases[:_EXAMPLES])}"
            for what, cases in found.items()
            if cases
        ]


def census(dynamodb: Any, job_id: str, names: TableNames = SOSW_NAMES) -> Census:
    """Read all three tables.

    Only while no consumer works (`Consumer.paused`) and no request is under way (`FaultProxy.wait_idle`): sosw puts a
    row into the next table before it deletes it from the former one.
    """
    result = Census(job_id, names)
    for table in (names.tasks_table, names.closed_tasks_table, names.retry_tasks_table):
        for item in _scan(dynamodb, table):
            task_id = item["task_id"]["S"]
            if not task_id.startswith(job_id):
                result.others[table] = result.others.get(table, 0) + 1
            elif "labourer_id" not in item:
                result.ghosts.add(task_id)
            else:
                result.places.setdefault(task_id, []).append(table)
    return result


def _scan(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table, ProjectionExpression="task_id, labourer_id", ConsistentRead=True
    )
    for page in pages:
        yield from page["Items"]


def assert_exactly_once(
    dynamodb: Any, job_id: str, number: int, *, ledger: Ledger | None = None, names: TableNames = SOSW_NAMES
) -> Census:
    """Fail unless each of the job's `number` tasks has one row, and none was invoked twice in one attempt."""
    result = census(dynamodb, job_id, names)
    problems = result.problems(task_ids(job_id, number), ledger)
    assert not problems, "\n".join(problems)
    return result
