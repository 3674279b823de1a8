"""The five DynamoDB tables: sosw's four, as its own template defines them, and `sosw_jobs` for the job records.

One set of definitions feeds both ways of creating them: `create_missing_tables` (demo, tests, small installations) and
the CloudFormation template of `sosw_airflow.provision.cloudformation`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "SOSW_NAMES",
    "SOSW_THROUGHPUT",
    "Index",
    "TableDefinition",
    "TableNames",
    "Throughput",
    "create_missing_tables",
    "table_definitions",
]

log = logging.getLogger(__name__)

AttributeType = Literal["S", "N"]
Key = tuple[str, AttributeType]

# A table that is being created is polled every second, for two minutes: DynamoDB usually needs ten seconds,
# and botocore's own pace (20 s) would make the first start of a demo slow.
_WAIT = {"Delay": 1, "MaxAttempts": 120}


@dataclass(frozen=True, slots=True)
class TableNames:
    """Names of the tables and of the indexes; the defaults are sosw's.

    `meta_table` is None unless it is wanted: sosw writes an audit row for each step of each task wherever that table
    exists.
    """

    tasks_table: str = "sosw_tasks"
    index_greenfield: str = "sosw_tasks_greenfield"
    closed_tasks_table: str = "sosw_closed_tasks"
    closed_tasks_index: str = "labourer_task_status_with_time"
    retry_tasks_table: str = "sosw_retry_tasks"
    retry_tasks_index: str = "labourer_id_greenfield"
    jobs_table: str = "sosw_jobs"
    meta_table: str | None = None


SOSW_NAMES = TableNames()


@dataclass(frozen=True, slots=True)
class Throughput:
    """Provisioned units of a table and of each of its global indexes; the defaults are those of sosw's template."""

    read_units: int = 3
    write_units: int = 2

    def as_argument(self) -> dict[str, int]:
        """`ProvisionedThroughput` as boto3 and CloudFormation want it."""
        return {"ReadCapacityUnits": self.read_units, "WriteCapacityUnits": self.write_units}


SOSW_THROUGHPUT = Throughput()


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index. `attributes` are those it carries beside the keys; None carries them all."""

    name: str
    hash_key: Key
    range_key: Key
    is_global: bool
    attributes: tuple[str, ...] | None = None

    def as_argument(self) -> dict[str, Any]:
        """The index as boto3 and CloudFormation want it, without billing."""
        projection: dict[str, Any] = {"ProjectionType": "ALL"}
        if self.attributes is not None:
            projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(self.attributes)}
        return {
            "IndexName": self.name,
            "KeySchema": _key_schema(self.hash_key, self.range_key),
            "Projection": projection,
        }


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table. `ttl_attribute` names the attribute whose Unix time (seconds) lets DynamoDB delete an item."""

    name: str
    hash_key: Key
    range_key: Key | None = None
    indexes: tuple[Index, ...] = ()
    ttl_attribute: str | None = None

    def schema(self) -> dict[str, Any]:
        """What `create_table` and an `AWS::DynamoDB::Table` have in common, without billing."""
        keys = dict([self.hash_key] + ([self.range_key] if self.range_key else []))
        for index in self.indexes:
            keys.update([index.hash_key, index.range_key])
        arguments: dict[str, Any] = {
            "TableName": self.name,
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in keys.items()],
            "KeySchema": _key_schema(self.hash_key, self.range_key),
        }
        for name, is_global in (("GlobalSecondaryIndexes", True), ("LocalSecondaryIndexes", False)):
            indexes = [index.as_argument() for index in self.indexes if index.is_global is is_global]
            if indexes:
                arguments[name] = indexes
        return arguments

    def create_arguments(self, billing: Throughput | None = None) -> dict[str, Any]:
        """The arguments of boto3's `create_table`; `billing` None means on demand."""
        arguments = self.schema()
        if billing is None:
            return {**arguments, "BillingMode": "PAY_PER_REQUEST"}
        for index in arguments.get("GlobalSecondaryIndexes", []):
            index["ProvisionedThroughput"] = billing.as_argument()
        return {**arguments, "BillingMode": "PROVISIONED", "ProvisionedThroughput": billing.as_argument()}


def table_definitions(names: TableNames = SOSW_NAMES) -> Iterator[TableDefinition]:
    """The tables in the order of their creation; the meta table only if `names` has one."""
    yield TableDefinition(
        name=names.tasks_table,
        hash_key=("task_id", "S"),
        indexes=(Index(names.index_greenfield, ("labourer_id", "S"), ("greenfield", "N"), is_global=True),),
    )
    yield TableDefinition(
        name=names.closed_tasks_table,
        hash_key=("task_id", "S"),
        indexes=(
            Index(
                names.closed_tasks_index,
                ("labourer_id_task_status", "S"),
                ("closed_at", "N"),
                is_global=True,
                attributes=("completed_at", "greenfield", "attempts"),
            ),
        ),
    )
    yield TableDefinition(
        name=names.retry_tasks_table,
        hash_key=("labourer_id", "S"),
        range_key=("task_id", "S"),
        indexes=(Index(names.retry_tasks_index, ("labourer_id", "S"), ("desired_launch_time", "N"), is_global=False),),
    )
    yield TableDefinition(
        name=names.jobs_table, hash_key=("job_id", "S"), range_key=("record", "S"), ttl_attribute="expires_at"
    )
    if names.meta_table is not None:
        yield TableDefinition(name=names.meta_table, hash_key=("task_id", "S"), range_key=("created_at", "N"))


def create_missing_tables(
    dynamodb: Any, *, names: TableNames = SOSW_NAMES, billing: Throughput | None = None
) -> list[str]:
    """Create the tables that do not exist, wait until all of them can be used, and return the names of those created.

    `dynamodb` is a boto3 DynamoDB client; `billing` None means on demand. An existing table is never altered, whatever
    its keys, billing or TTL. Two processes may call this at once: each table is reported by the one that created it,
    and both return only when every table is active. Errors of AWS other than "exists already" pass through.
    """
    created = []
    pending = []
    for definition in table_definitions(names):
        status = _table_status(dynamodb, definition.name)
        if status is None and _create(dynamodb, definition, billing):
            created.append(definition)
        if status != "ACTIVE":
            pending.append(definition.name)
    waiter = dynamodb.get_waiter("table_exists")
    for name in pending:
        waiter.wait(TableName=name, WaiterConfig=_WAIT)
    for definition in created:
        if definition.ttl_attribute:
            dynamodb.update_time_to_live(
                TableName=definition.name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": definition.ttl_attribute},
            )
    return [definition.name for definition in created]


def _table_status(dynamodb: Any, name: str) -> str | None:
    """The table's status in DynamoDB's words, None if there is no such table."""
    try:
        status: str = dynamodb.describe_table(TableName=name)["Table"]["TableStatus"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return None
    return status


def _create(dynamodb: Any, definition: TableDefinition, billing: Throughput | None) -> bool:
    """Create the table; False if another process was faster."""
    try:
        dynamodb.create_table(**definition.create_arguments(billing))
    except dynamodb.exceptions.ResourceInUseException:
        return False
    log.info("Creating the DynamoDB table %s", definition.name)
    return True


def _key_schema(hash_key: Key, range_key: Key | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_key[0], "KeyType": "HASH"}]
    if range_key:
        schema.append({"AttributeName": range_key[0], "KeyType": "RANGE"})
    return schema
