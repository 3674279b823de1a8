"""Write units: against the rules, and against what an emulator reports of the same requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.faults.proxy import FaultProxy
from tests.support.faults.sample_rows import TASKS, create_tables, key, puts, task_row
from tests.support.faults.units import item_bytes, units_of

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"a": {"S": "xyz"}}, 1 + 3),
        ({"näme": {"S": "ü"}}, 5 + 2),
        ({"n": {"N": "0"}}, 1 + 2),
        ({"n": {"N": "1795431627.651599"}}, 1 + 9),
        ({"n": {"N": "-25"}}, 1 + 3),
        ({"n": {"N": "1000"}}, 1 + 2),
        ({"n": {"N": "1e9"}}, 1 + 2),
        ({"n": {"N": "0.00123"}}, 1 + 3),
        ({"b": {"BOOL": True}, "z": {"NULL": True}}, 2 + 2),
        ({"l": {"L": [{"S": "ab"}, {"S": "c"}]}}, 1 + 3 + 2 + 3),
        ({"m": {"M": {"k": {"S": "v"}}}}, 1 + 3 + 1 + 1 + 1),
        ({"s": {"SS": ["ab", "c"]}}, 1 + 3),
    ],
)
def test_item_size(item: dict[str, Any], expected: int) -> None:
    """Names and values count in UTF-8 bytes, numbers by their digits, containers with an overhead."""
    assert item_bytes(item) == expected


@pytest.mark.parametrize(("size", "expected"), [(1, 1), (1024, 1), (1025, 2), (400 * 1024, 400)])
def test_units_are_started_kilobytes(size: int, expected: int) -> None:
    """One unit for each started kilobyte."""
    assert units_of(size) == expected


def _consumed(answer: Any) -> dict[str, int]:
    reported = answer["ConsumedCapacity"]
    units = {}
    for table in reported if isinstance(reported, list) else [reported]:
        name = table["TableName"]
        indexes = {
            f"{name}/{index}": int(used["CapacityUnits"])
            for index, used in table.get("GlobalSecondaryIndexes", {}).items()
        }
        units.update({name: int(table["CapacityUnits"]) - sum(indexes.values()), **indexes})
    return units


@pytest.mark.slow
def test_units_agree_with_ministack(ministack_emulator: Emulator) -> None:
    """Rows of several sizes cost what ministack, which was measured against DynamoDB, says that they cost."""
    create_tables(ministack_emulator.client("dynamodb"))
    with FaultProxy(ministack_emulator.endpoint_url) as proxy:
        dynamodb = ministack_emulator.client("dynamodb", endpoint_url=proxy.url)
        answers = []
        for index, size in enumerate([10, 900, 1100, 5000]):
            items = puts(index, 100 + index, payload="x" * size)
            answers.append(dynamodb.transact_write_items(TransactItems=items, ReturnConsumedCapacity="INDEXES"))
        put = {"TableName": TASKS, "Item": task_row(200, payload="x" * 3000), "ReturnConsumedCapacity": "INDEXES"}
        answers.append(dynamodb.put_item(**put))
        update = {
            "TableName": TASKS,
            "Key": key(200),
            "UpdateExpression": "SET greenfield = :g, attempts = attempts + :one",
            "ExpressionAttributeValues": {":g": {"N": "5"}, ":one": {"N": "1"}},
            "ReturnConsumedCapacity": "INDEXES",
        }
        proxy.provision(TASKS, 1e9)  # sizes are remembered for tables with a capacity
        answers.append(dynamodb.put_item(**put | {"Item": task_row(201, payload="x" * 3000)}))
        answers.append(dynamodb.update_item(**update | {"Key": key(201)}))
        answers.append(dynamodb.delete_item(TableName=TASKS, Key=key(201), ReturnConsumedCapacity="INDEXES"))
        assert [entry.units for entry in proxy.journal.entries] == [_consumed(answer) for answer in answers]


def test_journal_sums_up_applied_units(proxy: FaultProxy, dynamodb: Any) -> None:
    """Only what was applied counts: a cancelled transaction adds nothing to the sums."""
    dynamodb.transact_write_items(TransactItems=puts(0, 1))
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=puts(1, 2))
    assert proxy.journal.units() == {TASKS: 4, f"{TASKS}/sosw_tasks_greenfield": 2}
    assert [entry.error for entry in proxy.journal.of("TransactWriteItems")] == ["", "TransactionCanceledException"]
