"""Each change of a task's row: what it makes of the row, and that each clause of its condition alone refuses it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sosw_airflow.orchestration import transitions
from sosw_airflow.orchestration.task_rows import INVOCATION_DELTA, TaskRow, row_of
from sosw_airflow.orchestration.transitions import ROW_CHANGES, RowChange, Transitions
from sosw_airflow.stores.tables import TableNames
from tests.integration.orchestration.conftest import LABOURER, NOW, Labourer

TASK = "a" * 32
PRESENT = int(NOW)
REPORTED = {"completed_at": {"N": str(PRESENT)}}


def changing(labourer: Labourer, owner: str = "here") -> Transitions:
    """The changes of one orchestrator."""
    return Transitions(labourer.aws.dynamodb, TableNames(), owner)


def put(labourer: Labourer, table: str = "sosw_tasks", **more: Any) -> TaskRow:
    """Put the task into a table, and read it."""
    item = {
        "task_id": {"S": TASK},
        "labourer_id": {"S": LABOURER},
        "payload": {"S": "{}"},
        "created_at": {"N": "1"},
        "greenfield": {"N": "1000"},
        "attempts": {"N": "0"},
        **more,
    }
    labourer.aws.dynamodb.put_item(TableName=table, Item=item)
    return row_of(item)


def claimed(labourer: Labourer, owner: str = "here") -> TaskRow:
    """The task as an orchestrator has claimed it."""
    row = changing(labourer, owner).claim(put(labourer), now=PRESENT)
    assert row is not None
    return row


def complete_meanwhile(labourer: Labourer, table: str = "sosw_tasks") -> None:
    """A worker reports after the row was read."""
    (item,) = labourer.aws.rows(table)
    labourer.aws.dynamodb.put_item(TableName=table, Item={**item, **REPORTED})


def places(labourer: Labourer) -> dict[str, int]:
    """How many rows each table has."""
    names = {"tasks": "sosw_tasks", "retries": "sosw_retry_tasks", "closed": "sosw_closed_tasks"}
    return {name: len(labourer.aws.rows(table)) for name, table in names.items()}


def only(table: str) -> dict[str, int]:
    """The task is in this table alone."""
    return {name: int(name == table) for name in ("tasks", "retries", "closed")}


def test_claim(labourer: Labourer) -> None:
    """Queued to invoked: one attempt more, the old place kept. Not after a change, a refusal or a report."""
    row = put(labourer)

    assert changing(labourer).claim(row, now=PRESENT) is not None
    (item,) = labourer.aws.rows("sosw_tasks")
    assert (item["greenfield"], item["attempts"]) == ({"N": str(PRESENT + INVOCATION_DELTA)}, {"N": "1"})
    assert (item["queued_as"], item["claimed_by"]) == ({"N": "1000"}, {"S": "here"})
    for meanwhile in ({"attempts": {"N": "1"}}, {"greenfield": {"N": "2000"}}, {"given_back": {"N": "1"}}, REPORTED):
        put(labourer, **meanwhile)
        assert changing(labourer).claim(row, now=PRESENT) is None


def test_give_back(labourer: Labourer) -> None:
    """Invoked to queued, at its old place, and the row counts it. Only its own claim, and not after a report."""
    row = claimed(labourer)

    assert not changing(labourer, "there").give_back(row)
    assert not changing(labourer).give_back(replace(row, item={**row.item, "attempts": {"N": "9"}}))
    assert changing(labourer).give_back(row)
    (item,) = labourer.aws.rows("sosw_tasks")
    assert (item["greenfield"], item["attempts"], item["given_back"]) == ({"N": "1000"}, {"N": "0"}, {"N": "1"})
    assert not {"queued_as", "claimed_by"} & item.keys()
    row = claimed(labourer)
    complete_meanwhile(labourer)
    assert not changing(labourer).give_back(row)


def test_complete(labourer: Labourer) -> None:
    """Completed to closed, without what only a queued row has. Again, it changes nothing."""
    claimed(labourer)
    complete_meanwhile(labourer)
    row = row_of(labourer.aws.rows("sosw_tasks")[0])

    for _ in range(2):
        changing(labourer).complete([row], now=PRESENT)
        assert places(labourer) == only("closed")
    (item,) = labourer.aws.rows("sosw_closed_tasks")
    assert (item["labourer_id_task_status"], item["closed_at"]) == ({"S": f"{LABOURER}_1"}, {"N": str(PRESENT)})
    assert not {"queued_as", "claimed_by"} & item.keys()


def test_complete_retry(labourer: Labourer) -> None:
    """From the retry table to closed, if it is there still."""
    row = put(labourer, "sosw_retry_tasks", desired_launch_time={"N": "1"}, **REPORTED)

    assert changing(labourer).complete_retry(row, now=PRESENT)
    assert places(labourer) == only("closed")
    assert labourer.closed() == {"a": "1"}
    assert not changing(labourer).complete_retry(row, now=PRESENT)


def test_retry(labourer: Labourer) -> None:
    """To the retry table, with the time of its launch. Not if another has claimed it since, or a worker reported."""
    row = claimed(labourer)

    assert not changing(labourer).retry(replace(row, item={**row.item, "attempts": {"N": "9"}}), launch_at=5)
    assert changing(labourer).retry(row, launch_at=5)
    assert places(labourer) == only("retries")
    (item,) = labourer.aws.rows("sosw_retry_tasks")
    assert (item["desired_launch_time"], item["attempts"]) == ({"N": "5"}, {"N": "1"})
    labourer.aws.dynamodb.delete_item(
        TableName="sosw_retry_tasks", Key={"labourer_id": {"S": LABOURER}, "task_id": {"S": TASK}}
    )
    row = claimed(labourer)
    complete_meanwhile(labourer)
    assert not changing(labourer).retry(row, launch_at=5)


def test_requeue(labourer: Labourer) -> None:
    """From the retry table to its place in the queue. Not over a row, not twice, and not after a report."""
    row = put(labourer, "sosw_retry_tasks", desired_launch_time={"N": "1"})

    assert changing(labourer).requeue(row, greenfield=999, now=PRESENT)
    assert places(labourer) == only("tasks")
    assert labourer.aws.rows("sosw_tasks")[0]["greenfield"] == {"N": "999"}
    assert not changing(labourer).requeue(row, greenfield=999, now=PRESENT)
    put(labourer, "sosw_retry_tasks", desired_launch_time={"N": "1"})
    assert not changing(labourer).requeue(row, greenfield=999, now=PRESENT)  # its row is in the queue
    labourer.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": TASK}})
    complete_meanwhile(labourer, "sosw_retry_tasks")
    assert not changing(labourer).requeue(row, greenfield=999, now=PRESENT)
    assert places(labourer) == only("retries")


def test_requeue_ghost(labourer: Labourer) -> None:
    """A report that upstream's assistant made an item of closes the task, and the item goes. A task's row does not."""
    row = put(labourer, "sosw_retry_tasks", desired_launch_time={"N": "1"})
    labourer.aws.dynamodb.put_item(TableName="sosw_tasks", Item={"task_id": {"S": TASK}, **REPORTED})

    assert not changing(labourer).requeue(row, greenfield=999, now=PRESENT)
    assert places(labourer) == only("closed")
    assert labourer.closed() == {"a": "1"}


@pytest.mark.parametrize("faulty", [False, True], ids=["", "without attempts"])
def test_fail(labourer: Labourer, faulty: bool) -> None:
    """To closed as failed, with the reason. Not if another has claimed it since, or a worker reported."""
    row = claimed(labourer)
    if faulty:
        item = {name: value for name, value in row.item.items() if name != "attempts"}
        labourer.aws.dynamodb.put_item(TableName="sosw_tasks", Item=item)
        row = row_of(item)

    changed = replace(row, item={**row.item, "greenfield": {"N": "9"}})
    assert not changing(labourer).fail(changed, now=PRESENT, reason="why")
    assert changing(labourer).fail(row, now=PRESENT, reason="why")
    assert places(labourer) == only("closed")
    assert labourer.aws.rows("sosw_closed_tasks")[0]["closed_reason"] == {"S": "why"}
    assert labourer.closed() == {"a": "0"}
    labourer.aws.dynamodb.put_item(TableName="sosw_tasks", Item={**row.item, **REPORTED})
    assert not changing(labourer).fail(row, now=PRESENT, reason="why")


def test_each_change_has_a_test() -> None:
    """Named after its constant, since two changes are made by one method."""
    named = {name.lower(): each for name, each in vars(transitions).items() if isinstance(each, RowChange)}

    assert set(named.values()) == set(ROW_CHANGES)
    assert [name for name in named if f"test_{name}" not in globals()] == []
