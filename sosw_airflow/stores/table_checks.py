"""Compares a table as DynamoDB describes it with what it must be: key, indexes, what the indexes carry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sosw_airflow.stores.findings import Finding, error, ok, warning
from sosw_airflow.stores.tables import Index, TableDefinition

__all__ = ["compare_table"]


def compare_table(definition: TableDefinition, settings: tuple[str, str], table: dict[str, Any]) -> Iterator[Finding]:
    """One finding where the table is right, or one for each fault.

    :param settings: the extras of the Connection that name the table and its index.
    :param table: as DescribeTable gives it.
    """
    types = {each["AttributeName"]: each["AttributeType"] for each in table.get("AttributeDefinitions", ())}
    wanted = _keys(definition.schema(), {**types, **_types(definition.schema())})
    found = _keys(table, types)
    faults = []
    if wanted != found:
        mend = f"Keys cannot be changed: create the table anew, or another one and name it in {settings[0]!r}."
        faults.append(error("key", definition.name, f"has the key {found}, but must have {wanted}.", mend))
    if table.get("TableStatus", "ACTIVE") != "ACTIVE":
        faults.append(warning("table", definition.name, f"is {table['TableStatus']}.", "Wait until it is ACTIVE."))
    there = {
        each["IndexName"]: each
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for each in table.get(kind, ())
    }
    described = []
    for index in definition.indexes:
        problems = list(_compare_index(definition, index, settings[1], there.get(index.name), types))
        faults += problems
        if not problems:
            kept = "all attributes" if index.attributes is None else ", ".join(index.attributes)
            described.append(f"index {index.name} ({index.hash_key[0]}, {index.range_key[0]}; {kept})")
    yield from faults
    if not faults:
        units = table.get("ProvisionedThroughput", {}).get("WriteCapacityUnits")
        billing = f"{units} write units" if units else "on demand"
        yield ok("table", definition.name, f"is right: key {found}; {'; '.join([*described, billing])}.")


def _compare_index(
    definition: TableDefinition, index: Index, setting: str, found: dict[str, Any] | None, types: dict[str, str]
) -> Iterator[Finding]:
    subject = f"{definition.name}/{index.name}"
    wanted = f"{index.hash_key[0]} ({index.hash_key[1]}), {index.range_key[0]} ({index.range_key[1]})"
    kept = "all attributes" if index.attributes is None else f"the attributes {', '.join(index.attributes)}"
    if index.is_global:
        create = f"with the key {wanted} and {kept}"
    else:
        create = "A local index cannot be added: create the table anew"
    naming = f", or correct {setting!r} in the extras of the sosw Connection" if setting else ""
    if found is None:
        mend = f"Add a global index {create}{naming}." if index.is_global else f"{create}."
        yield error("index", subject, "does not exist.", mend)
        return
    anew = f"Delete the index and create it again {create}{naming}." if index.is_global else f"{create}."
    keys = _keys(found, types)
    if keys != wanted:
        yield error("index", subject, f"has the key {keys}, but must have {wanted}.", anew)
    projection = found.get("Projection", {})
    if projection.get("ProjectionType") != "ALL":
        lacking = (
            ["all others than it has"]
            if index.attributes is None
            else [name for name in index.attributes if name not in projection.get("NonKeyAttributes", ())]
        )
        if lacking:
            yield error("projection", subject, f"lacks attributes: {', '.join(lacking)}.", anew)
    if found.get("IndexStatus", "ACTIVE") != "ACTIVE":
        yield warning("index", subject, f"is {found['IndexStatus']}.", "Wait until it is ACTIVE.")


def _types(schema: dict[str, Any]) -> dict[str, str]:
    return {each["AttributeName"]: each["AttributeType"] for each in schema["AttributeDefinitions"]}


def _keys(described: dict[str, Any], types: dict[str, str]) -> str:
    """The key in words, the hash key first: ``labourer_id (S), greenfield (N)``."""
    ordered = sorted(described.get("KeySchema", ()), key=lambda each: str(each["KeyType"]))
    return ", ".join(f"{each['AttributeName']} ({types.get(each['AttributeName'], '?')})" for each in ordered)
