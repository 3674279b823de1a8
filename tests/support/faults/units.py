"""What a write costs: DynamoDB's write units, worked out from the request."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sosw_airflow.stores.tables import Index, TableDefinition, TableNames, table_definitions

if TYPE_CHECKING:
    from tests.support.faults.request import Request, Write

_UNIT_BYTES = 1024
# A transaction writes the item twice, prepare and commit. Its index entries are written once, later and asynchronously.
_TRANSACTION_FACTOR = 2

Units = dict[str, int]


def value_bytes(value: Mapping[str, Any]) -> int:  # noqa: PLR0911 - one for each type
    """Give the size of one attribute value, by the rules of DynamoDB's documentation ("Item sizes and formats")."""
    ((kind, content),) = value.items()
    if kind == "S":
        return _text_bytes(content)
    if kind == "N":
        return _number_bytes(content)
    if kind == "B":
        return len(base64.b64decode(content))
    if kind in {"SS", "NS", "BS"}:
        return sum(value_bytes({kind[0]: member}) for member in content)
    if kind == "L":
        return 3 + sum(1 + value_bytes(member) for member in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + value_bytes(member) for name, member in content.items())
    return 1  # BOOL, NULL


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _number_bytes(text: str) -> int:
    if "e" in text or "E" in text:
        text = f"{Decimal(text):f}"
    digits = len(text.lstrip("-").replace(".", "").strip("0")) or 1
    return (digits + 1) // 2 + 1 + text.startswith("-")


def item_bytes(item: Mapping[str, Any]) -> int:
    """Give the size of an item: the names of its attributes and their values."""
    return sum([_text_bytes(name) + value_bytes(value) for name, value in item.items()])


def units_of(size: int) -> int:
    """Give the write units of `size` bytes: one for each started kilobyte, at least one."""
    return max(1, -(-size // _UNIT_BYTES))


def index_resource(table: str, index: str) -> str:
    """Name an index among the resources that have units of their own."""
    return f"{table}/{index}"


def sosw_tables(names: TableNames | None = None) -> dict[str, TableDefinition]:
    """Give sosw's tables by name, the optional meta table among them."""
    return {table.name: table for table in table_definitions(names or TableNames(meta_table="sosw_tasks_meta"))}


@dataclass
class Meter:
    """Works out the write units of requests.

    It sees requests, not items. So it remembers the size of every item over 1 KB that was put through it, for later
    updates and deletes; of other items it supposes one unit. A put is supposed to be of a new item, an update of an
    index key moves the entry (two writes), and any other update rewrites it.
    """

    tables: Mapping[str, TableDefinition] = field(default_factory=sosw_tables)
    _large: dict[tuple[str, ...], int] = field(default_factory=dict)

    def request_units(self, request: Request) -> Units:
        """Add up the units of all items of a request, by resource: a table's name, or `table/index`."""
        total: Units = {}
        for units in self.item_units(request):
            for resource, number in units.items():
                total[resource] = total.get(resource, 0) + number
        return total

    def item_units(self, request: Request) -> list[Units]:
        """Give the units of each item of a write request, in its order; nothing for a read."""
        factor = _TRANSACTION_FACTOR if request.operation == "TransactWriteItems" else 1
        return [self._units(write, factor) for write in request.writes]

    def _units(self, write: Write, factor: int) -> Units:
        size = item_bytes(write.item) if write.action == "Put" else self._large.get(self._key(write), 1)
        units = {write.table: factor * units_of(size)}
        definition = self.tables.get(write.table)
        if definition is None or write.action == "ConditionCheck":
            return units
        for index in definition.indexes:
            number = self._index_units(write, index, size)
            if number:
                resource = index_resource(write.table, index.name) if index.is_global else write.table
                units[resource] = units.get(resource, 0) + number
        return units

    def _index_units(self, write: Write, index: Index, size: int) -> int:
        keys = {index.hash_key[0], index.range_key[0]}
        if write.action == "Put":
            return units_of(self._entry_bytes(write, index, size)) if keys <= write.item.keys() else 0
        if write.action == "Delete":
            return units_of(size)
        named = {*write.names.values(), *write.expression.replace("=", " ").replace(",", " ").split()}
        moves = bool(keys & named)
        if not moves and index.attributes is not None and not named & set(index.attributes):
            return 0
        return units_of(size) * (2 if moves else 1)

    def _entry_bytes(self, write: Write, index: Index, size: int) -> int:
        if index.attributes is None:
            return size
        definition = self.tables[write.table]
        keys = [definition.hash_key, definition.range_key, index.hash_key, index.range_key]
        carried = {key[0] for key in keys if key} | set(index.attributes)
        return item_bytes({name: value for name, value in write.item.items() if name in carried})

    def _key(self, write: Write) -> tuple[str, ...]:
        definition = self.tables.get(write.table)
        names = [key[0] for key in (definition.hash_key, definition.range_key) if key] if definition else []
        return (write.table, *(str(write.item.get(name)) for name in names))

    def remember(self, request: Request) -> None:
        """Note the sizes of the items that a successful request has put."""
        for write in request.writes:
            if write.action == "Put":
                size = item_bytes(write.item)
                if size > _UNIT_BYTES and write.table in self.tables:
                    self._large[self._key(write)] = size
            elif write.action == "Delete":
                self._large.pop(self._key(write), None)
