"""Task rows and transactions for the tests of the fault tools."""

from __future__ import annotations

from typing import Any

from sosw_airflow.stores.tables import SOSW_NAMES, table_definitions

JOB_ID = "0123456789abcdef0123"
LABOURER = "labourer"
TASKS = SOSW_NAMES.tasks_table


def task_row(index: int, *, job_id: str = JOB_ID, greenfield: int | None = None, payload: str = "{}") -> dict[str, Any]:
    """Make a row of `sosw_tasks` as DynamoDB's JSON. Without a `greenfield` the queue has the order of the indexes."""
    return {
        "task_id": {"S": f"{job_id}{index:012x}"},
        "labourer_id": {"S": LABOURER},
        "payload": {"S": payload},
        "created_at": {"N": "1795431627.651599"},
        "greenfield": {"N": str(1000 * (index + 1) if greenfield is None else greenfield)},
        "attempts": {"N": "0"},
    }


def key(index: int) -> dict[str, Any]:
    """Make the key of a task row."""
    return {"task_id": {"S": f"{JOB_ID}{index:012x}"}}


def puts(*indexes: int, payload: str = "{}") -> list[dict[str, Any]]:
    """Make the items of a transaction that creates task rows."""
    return [
        {
            "Put": {
                "TableName": TASKS,
                "Item": task_row(index, payload=payload),
                "ConditionExpression": "attribute_not_exists(task_id)",
            }
        }
        for index in indexes
    ]


def create_tables(dynamodb: Any, *names: str) -> None:
    """Create these of sosw's tables, or all. The emulators have them at once, so that nothing has to wait."""
    for definition in table_definitions():
        if not names or definition.name in names:
            dynamodb.create_table(**definition.create_arguments())


def stored(dynamodb: Any, table: str = TASKS) -> int:
    """Count the rows of a table."""
    return int(dynamodb.scan(TableName=table, Select="COUNT")["Count"])
