"""The tables: as code, created in moto, and as a CloudFormation template."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from cfnlint.api import lint_all

from sosw_airflow.provision.cloudformation import cloudformation_template
from sosw_airflow.stores.tables import SOSW_NAMES, TableNames, Throughput, create_missing_tables, table_definitions

ALL = TableNames(meta_table="sosw_tasks_meta")
TEMPLATE = Path(__file__).parents[3] / "docs" / "cloudformation" / "sosw_airflow.yaml"

# sosw's own tables as its template for them defines them (keys, types, indexes, projections).
SOSW_TABLES: dict[str, dict[str, Any]] = {
    "sosw_tasks": {
        "keys": [("task_id", "S")],
        "indexes": {"sosw_tasks_greenfield": ("global", [("labourer_id", "S"), ("greenfield", "N")], "ALL")},
    },
    "sosw_closed_tasks": {
        "keys": [("task_id", "S")],
        "indexes": {
            "labourer_task_status_with_time": (
                "global",
                [("labourer_id_task_status", "S"), ("closed_at", "N")],
                ["attempts", "completed_at", "greenfield"],
            )
        },
    },
    "sosw_retry_tasks": {
        "keys": [("labourer_id", "S"), ("task_id", "S")],
        "indexes": {"labourer_id_greenfield": ("local", [("labourer_id", "S"), ("desired_launch_time", "N")], "ALL")},
    },
    "sosw_tasks_meta": {"keys": [("task_id", "S"), ("created_at", "N")], "indexes": {}},
}


@pytest.fixture
def dynamodb(mocked_aws: None) -> Any:
    """A DynamoDB client on an empty account."""
    return boto3.client("dynamodb")


def described(dynamodb: Any, name: str) -> dict[str, Any]:
    """The table's keys and indexes in the form of SOSW_TABLES."""
    table = dynamodb.describe_table(TableName=name)["Table"]
    types = {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]}
    indexes = {}
    for kind, where in (("global", "GlobalSecondaryIndexes"), ("local", "LocalSecondaryIndexes")):
        for index in table.get(where, []):
            projection = index["Projection"]
            projected = sorted(projection.get("NonKeyAttributes", [])) or projection["ProjectionType"]
            indexes[index["IndexName"]] = (kind, _keys(index["KeySchema"], types), projected)
    return {"keys": _keys(table["KeySchema"], types), "indexes": indexes}


def _keys(schema: list[dict[str, str]], types: dict[str, str]) -> list[tuple[str, str]]:
    assert [key["KeyType"] for key in schema] == ["HASH", "RANGE"][: len(schema)]
    return [(key["AttributeName"], types[key["AttributeName"]]) for key in schema]


@pytest.mark.parametrize("name", SOSW_TABLES)
def test_upstreams_tables_have_upstreams_keys_and_indexes(dynamodb: Any, name: str) -> None:
    """Each of sosw's tables is created as sosw's own template creates it."""
    create_missing_tables(dynamodb, names=ALL)
    assert described(dynamodb, name) == SOSW_TABLES[name]


def test_the_jobs_table_is_keyed_by_job_and_record_and_expires(dynamodb: Any) -> None:
    """`sosw_jobs` has its two string keys and the TTL attribute `expires_at`."""
    create_missing_tables(dynamodb)
    assert described(dynamodb, "sosw_jobs") == {"keys": [("job_id", "S"), ("record", "S")], "indexes": {}}
    ttl = dynamodb.describe_time_to_live(TableName="sosw_jobs")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_the_meta_table_is_created_only_if_it_is_named(dynamodb: Any) -> None:
    """Without a name for it there is no audit table."""
    assert create_missing_tables(dynamodb) == ["sosw_tasks", "sosw_closed_tasks", "sosw_retry_tasks", "sosw_jobs"]
    assert create_missing_tables(dynamodb, names=ALL) == ["sosw_tasks_meta"]


def test_creating_again_creates_nothing(dynamodb: Any) -> None:
    """The function is idempotent."""
    create_missing_tables(dynamodb, names=ALL)
    assert create_missing_tables(dynamodb, names=ALL) == []


def test_an_existing_table_is_left_as_it_is(dynamodb: Any) -> None:
    """A table with other keys, another billing and no TTL keeps them."""
    dynamodb.create_table(
        TableName="sosw_jobs",
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 7, "WriteCapacityUnits": 7},
    )
    before = dynamodb.describe_table(TableName="sosw_jobs")["Table"]
    assert "sosw_jobs" not in create_missing_tables(dynamodb)
    assert dynamodb.describe_table(TableName="sosw_jobs")["Table"] == before
    ttl = dynamodb.describe_time_to_live(TableName="sosw_jobs")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "DISABLED"}


def test_names_of_tables_and_indexes_can_be_chosen(dynamodb: Any) -> None:
    """Every table and every index gets the name that was asked for."""
    names = TableNames("t", "t_index", "c", "c_index", "r", "r_index", "j", "m")
    assert create_missing_tables(dynamodb, names=names) == ["t", "c", "r", "j", "m"]
    indexes = {name: list(described(dynamodb, name)["indexes"]) for name in "tcrjm"}
    assert indexes == {"t": ["t_index"], "c": ["c_index"], "r": ["r_index"], "j": [], "m": []}


def test_tables_are_on_demand_by_default(dynamodb: Any) -> None:
    """Idle capacity costs nothing, unless it is asked for."""
    create_missing_tables(dynamodb, names=ALL)
    modes = {
        d.name: dynamodb.describe_table(TableName=d.name)["Table"]["BillingModeSummary"]["BillingMode"]
        for d in table_definitions(ALL)
    }
    assert set(modes.values()) == {"PAY_PER_REQUEST"}


def test_provisioned_tables_give_their_global_indexes_the_same_units(dynamodb: Any) -> None:
    """An index with less capacity than its table would throttle the table."""
    create_missing_tables(dynamodb, billing=Throughput(read_units=5, write_units=4))
    table = dynamodb.describe_table(TableName="sosw_tasks")["Table"]
    units = [t["ProvisionedThroughput"] for t in (table, *table["GlobalSecondaryIndexes"])]
    assert [(u["ReadCapacityUnits"], u["WriteCapacityUnits"]) for u in units] == [(5, 4), (5, 4)]


def test_two_processes_at_once_create_each_table_once(dynamodb: Any) -> None:
    """The process that loses the race for a table continues, and does not report it as its own."""
    barrier = threading.Barrier(2)

    class Together:
        """A client whose first poll of each table waits for the other process's poll."""

        exceptions = dynamodb.exceptions
        seen: set[str]

        def __init__(self) -> None:
            self.seen = set()

        def describe_table(self, TableName: str) -> Any:
            try:
                return dynamodb.describe_table(TableName=TableName)
            finally:
                if TableName not in self.seen:
                    self.seen.add(TableName)
                    barrier.wait(timeout=10)

        def __getattr__(self, name: str) -> Any:
            return getattr(dynamodb, name)

    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(create_missing_tables(Together()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(name for result in results for name in result) == sorted(d.name for d in table_definitions())
    ttl = dynamodb.describe_time_to_live(TableName="sosw_jobs")["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED"


def test_it_waits_until_a_table_that_another_process_creates_is_active() -> None:
    """A table in the state CREATING is waited for, and is not reported as created."""
    calls: list[str] = []

    class Waiter:
        def wait(self, TableName: str, WaiterConfig: dict[str, int]) -> None:
            calls.append(TableName)

    class Client:
        class exceptions:
            ResourceNotFoundException = KeyError

        def describe_table(self, TableName: str) -> Any:
            return {"Table": {"TableStatus": "CREATING" if TableName == "sosw_tasks" else "ACTIVE"}}

        def get_waiter(self, name: str) -> Waiter:
            assert name == "table_exists"
            return Waiter()

    assert (create_missing_tables(Client()), calls) == ([], ["sosw_tasks"])


def test_the_template_file_is_the_template_of_the_code() -> None:
    """docs/cloudformation/sosw_airflow.yaml says what `cloudformation_template()` says."""
    assert yaml.safe_load(TEMPLATE.read_text(encoding="utf-8")) == cloudformation_template()


def test_cfn_lint_accepts_the_template() -> None:
    """No error and no warning."""
    found = [str(match) for match in lint_all(TEMPLATE.read_text(encoding="utf-8")) if match.rule.id[0] in "EW"]
    assert found == []


def deployed(parameters: dict[str, str], names: TableNames = SOSW_NAMES) -> list[str]:
    """Deploy the file's template on moto; the names of the tables that exist afterwards."""
    cloudformation = boto3.client("cloudformation")
    body = TEMPLATE.read_text(encoding="utf-8") if names == SOSW_NAMES else json.dumps(cloudformation_template(names))
    cloudformation.create_stack(
        StackName="sosw-airflow",
        TemplateBody=body,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    tables: list[str] = boto3.client("dynamodb").list_tables()["TableNames"]
    return tables


def test_beside_an_existing_stack_the_template_creates_jobs_table_and_bucket(dynamodb: Any) -> None:
    """By default sosw's own tables are left alone."""
    assert deployed({}) == ["sosw_jobs"]
    assert len(boto3.client("s3").list_buckets()["Buckets"]) == 1


def test_the_bucket_can_be_named_or_left_out(dynamodb: Any) -> None:
    """A bucket that exists already is not created again."""
    deployed({"CreateQueueBucket": "false"})
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    boto3.client("cloudformation").delete_stack(StackName="sosw-airflow")
    deployed({"QueueBucketName": "my-queue", "JobsTableName": "other_jobs"})
    assert [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]] == ["my-queue"]


@pytest.mark.parametrize("billing", [None, Throughput(read_units=6, write_units=5)], ids=["on-demand", "provisioned"])
def test_deploying_everything_creates_the_same_tables_as_the_code(dynamodb: Any, billing: Throughput | None) -> None:
    """CloudFormation and `create_missing_tables` end with equal tables (but for the TTL: moto ignores a template's)."""
    everything = {"CreateSoswTables": "true", "CreateMetaTable": "true"}
    if billing:
        units = {"ReadCapacityUnits": str(billing.read_units), "WriteCapacityUnits": str(billing.write_units)}
        everything |= {"BillingMode": "PROVISIONED", **units}
    deployed(everything)
    by_template = {d.name: comparable(dynamodb, d.name) for d in table_definitions(ALL)}
    for name in by_template:
        dynamodb.delete_table(TableName=name)
    create_missing_tables(dynamodb, names=ALL, billing=billing)
    assert by_template == {name: comparable(dynamodb, name) for name in by_template}


def comparable(dynamodb: Any, name: str) -> dict[str, Any]:
    """A table's description without its identity, with numbers as numbers (moto's templates leave them as text)."""
    table = dynamodb.describe_table(TableName=name)["Table"]
    for part in (table, *table.get("GlobalSecondaryIndexes", [])):
        units = part.get("ProvisionedThroughput") or {}
        part["ProvisionedThroughput"] = [int(units.get(f"{kind}CapacityUnits", 0)) for kind in ("Read", "Write")]
    return {key: value for key, value in table.items() if key not in ("CreationDateTime", "TableId", "TableArn")}


def test_the_templates_names_can_be_chosen_in_code(dynamodb: Any) -> None:
    """The names given to `cloudformation_template` become its defaults, a named meta table is created."""
    names = TableNames(jobs_table="my_jobs", meta_table="my_meta")
    assert deployed({}, names) == ["my_jobs", "my_meta"]
