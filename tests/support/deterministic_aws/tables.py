"""The tables of the deterministic DynamoDB: items by key, their order in an index, and what an index lags behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.deterministic_aws.answers import AwsError
from tests.support.deterministic_aws.expressions import Item, comparable

Key = tuple[Any, ...]

#: Bytes of an item, by DynamoDB's rule.
_MOST_ITEM_BYTES = 400 * 1024


@dataclass(frozen=True)
class KeySchema:
    """Hash attribute and, optionally, range attribute of a table or an index."""

    attributes: tuple[str, ...]

    @classmethod
    def of(cls, schema: list[dict[str, str]]) -> KeySchema:
        """From `KeySchema` of CreateTable."""
        return cls(tuple(part["AttributeName"] for part in sorted(schema, key=lambda part: part["KeyType"] != "HASH")))

    def key(self, item: Mapping[str, Mapping[str, Any]]) -> Key:
        """The key of an item, as a value that can be compared and hashed."""
        return tuple(comparable(item[name]) for name in self.attributes)

    def covers(self, item: Item) -> bool:
        """The item has all key attributes, so an index has it."""
        return all(name in item for name in self.attributes)

    def of_item(self, item: Item) -> Item:
        """The key attributes of an item."""
        return {name: item[name] for name in self.attributes if name in item}


@dataclass(frozen=True)
class SecondaryIndex:
    """An index of a table.

    :ivar carries: attributes beside the keys, None for all.
    """

    schema: KeySchema
    is_global: bool
    carries: frozenset[str] | None


@dataclass
class Table:
    """One table. Items are never changed in place: a write puts another object.

    :ivar arguments: of CreateTable.
    :ivar lagging: the items that a lagging index or an eventual read shows.
    """

    name: str
    arguments: dict[str, Any]
    schema: KeySchema
    types: dict[str, str]
    indexes: dict[str, SecondaryIndex]
    items: dict[Key, Item] = field(default_factory=dict)
    lagging: dict[Key, Item] = field(default_factory=dict)
    ttl_attribute: str = ""

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> Table:
        """From the arguments of CreateTable."""
        table_schema = KeySchema.of(arguments["KeySchema"])
        indexes = {}
        for member, is_global in (("GlobalSecondaryIndexes", True), ("LocalSecondaryIndexes", False)):
            for each in arguments.get(member, ()):
                schema = KeySchema.of(each["KeySchema"])
                carried = each["Projection"].get("NonKeyAttributes")
                if carried is not None:
                    carried = frozenset([*carried, *schema.attributes, *table_schema.attributes])
                indexes[each["IndexName"]] = SecondaryIndex(schema, is_global, carried)
        types = {each["AttributeName"]: each["AttributeType"] for each in arguments["AttributeDefinitions"]}
        return cls(arguments["TableName"], arguments, table_schema, types, indexes)

    def key_of(self, key: Item) -> Key:
        """The key of a request that names one item.

        :raises AwsError: other attributes than the table's keys, or of another type.
        """
        if set(key) != set(self.schema.attributes) or any(self.types[name] not in key[name] for name in key):
            raise AwsError("ValidationException", "The provided key element does not match the schema")
        return self.schema.key(key)

    def check(self, item: Item) -> None:
        """Refuse an item without its keys, with keys of another type, empty keys or too many bytes."""
        for name in self.schema.attributes:
            if name not in item:
                raise AwsError(
                    "ValidationException",
                    f"One or more values were invalid: Missing the key {name} in the item",
                )
            if self.types[name] not in item[name]:
                raise AwsError("ValidationException", f"One or more values were invalid: Type mismatch for key {name}")
            if item[name].get("S") == "":
                raise AwsError("ValidationException", f"One or more parameter values are not valid: empty key {name}")
        for index in self.indexes.values():
            for name in index.schema.attributes:
                if name in item and self.types[name] not in item[name]:
                    raise AwsError(
                        "ValidationException",
                        f"One or more parameter values were invalid: Type mismatch for Index Key {name}",
                    )
        if item_bytes(item) > _MOST_ITEM_BYTES:
            raise AwsError("ValidationException", "Item size has exceeded the maximum allowed size")

    def rows(self, index: str | None, *, lagging: bool = False) -> tuple[KeySchema, Iterator[Item]]:
        """The items that a query reads, and the keys that order them.

        :raises AwsError: there is no such index.
        """
        items = (self.lagging if lagging else self.items).values()
        if index is None:
            return self.schema, iter(items)
        if index not in self.indexes:
            raise AwsError("ValidationException", f"The table does not have the specified index: {index}")
        found = self.indexes[index]
        covered = (item for item in items if found.schema.covers(item))
        if found.carries is None:
            return found.schema, covered
        carried = found.carries
        return found.schema, ({name: item[name] for name in item if name in carried} for item in covered)

    def description(self) -> dict[str, Any]:
        """The table as DescribeTable answers it."""
        units = self.arguments.get("ProvisionedThroughput", {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0})
        described = {
            **{name: self.arguments[name] for name in ("TableName", "KeySchema", "AttributeDefinitions")},
            "TableStatus": "ACTIVE",
            "ItemCount": 0,
            "ProvisionedThroughput": units,
        }
        for member in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            if member in self.arguments:
                described[member] = [
                    {"ProvisionedThroughput": units, **each, "IndexStatus": "ACTIVE"} for each in self.arguments[member]
                ]
        return described


def item_bytes(item: Item) -> int:
    """About what DynamoDB counts for an item: the names and the contents of its attributes."""
    return sum(len(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    return len(content) // 2 + 1 if kind == "N" else len(json.dumps(content))
