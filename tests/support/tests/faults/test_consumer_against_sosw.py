"""The consumer leaves the rows that sosw 0.7.51 itself leaves, in every table and after every step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sosw_airflow.stores.tables import SOSW_NAMES
from tests.support.faults.consumer import Behaviour, Consumer
from tests.support.faults.sample_rows import TASKS, key, task_row
from tests.support.upstream.components import upstream

if TYPE_CHECKING:
    import pytest

    from tests.conftest import Aws

LABOURER = "worker"
CLOSED, RETRY = SOSW_NAMES.closed_tasks_table, SOSW_NAMES.retry_tasks_table
COMPLETES, EXPIRES, DIES = (key(index)["task_id"]["S"] for index in range(3))
CLOCK_ATTRIBUTES = ("closed_at", "completed_at", "desired_launch_time")

Tables = dict[str, list[dict[str, Any]]]


def _write_rows(aws: Aws) -> None:
    for index, attempts in enumerate((0, 0, 2)):
        row = {
            **task_row(index, payload='{"section": "a", "flag": true, "none": null}'),
            "labourer_id": {"S": LABOURER},
            "attempts": {"N": str(attempts)},
        }
        aws.dynamodb.put_item(TableName=TASKS, Item=row)


def _snapshot(aws: Aws) -> Tables:
    """Read the tables; times are reduced to what does not change between two runs that are seconds apart."""
    tables = {}
    for table in (TASKS, CLOSED, RETRY):
        rows = sorted(aws.rows(table), key=lambda row: row["task_id"]["S"])
        for row in rows:
            for name in CLOCK_ATTRIBUTES:
                if name in row:
                    row[name] = {"N": "seconds"} if row[name]["N"].isdigit() else row[name]
            ahead = int(row["greenfield"]["N"]) - time.time()
            if ahead > 0:
                row["greenfield"] = {"N": f"{round(ahead, -3):.0f} seconds from now"}
        tables[table] = rows
    return tables


def _empty(aws: Aws) -> None:
    for table in (TASKS, CLOSED):
        for row in aws.rows(table):
            aws.dynamodb.delete_item(TableName=table, Key={"task_id": row["task_id"]})


def test_rows_are_those_of_sosw(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that completes, one that expires and one that dies leave the same rows, then the retry does, too."""
    with upstream(aws) as sosw:
        _write_rows(aws)
        sosw.orchestrator({})
        sosw.complete(COMPLETES)
        sosw.expire(EXPIRES)
        sosw.expire(DIES)
        sosw.scavenger({})
        theirs = [_snapshot(aws)]
        sosw.end_delay(LABOURER, EXPIRES)
        sosw.scavenger({})
        theirs.append(_snapshot(aws))
    _empty(aws)

    consumer = Consumer(aws.dynamodb, [LABOURER], behaviour=Behaviour(retry_delay=3600))
    monkeypatch.setattr(consumer, "_fate", lambda task_id, attempt: "completes" if task_id == COMPLETES else "expires")
    _write_rows(aws)
    consumer.step()
    ours = [_snapshot(aws)]
    now = consumer._clock()
    consumer._retry(LABOURER, int(now) + 3601)
    ours.append(_snapshot(aws))

    assert [len(rows) for rows in theirs[0].values()] == [0, 2, 1]
    assert ours == theirs
    assert [entry["task_id"] for _, entry in sosw.invocations] == [
        entry.task_id for entry in consumer.ledger.invocations()
    ]
