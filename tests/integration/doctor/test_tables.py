"""What the "Test" button and the doctor find about tables, indexes, bucket and clock, and how to mend it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from sosw_airflow.doctor.findings import Finding, Level
from sosw_airflow.doctor.tables import examine
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.conftest import Aws
from tests.integration.conftest import Installation, MakeInstallation
from tests.support.network_edge import answering, at, dynamodb_error, s3_error

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse


@pytest.fixture
def make_installation(make_installation: MakeInstallation) -> MakeInstallation:
    """With this machine's clock, which moto has as well."""
    return lambda **settings: make_installation(**{"now": time.time, **settings})


def faults(deployment: Deployment) -> list[Finding]:
    """All that is not as it should be."""
    return [each for each in examine(deployment) if each.level is not Level.OK]


def only_fault(deployment: Deployment) -> Finding:
    """The one thing that is not as it should be."""
    (found,) = faults(deployment)
    return found


def test_all_is_there(make_installation: MakeInstallation, aws: Aws) -> None:
    """Table by table, with key, indexes, what these carry, and capacity."""
    found = list(examine(make_installation(tables=aws.names).deployment))
    assert {each.level for each in found} == {Level.OK}
    queue = "sosw_tasks_greenfield (labourer_id, greenfield; all attributes)"
    archive = "labourer_task_status_with_time (labourer_id_task_status, closed_at; completed_at, greenfield, attempts)"
    retry = "labourer_id_greenfield (labourer_id, desired_launch_time; all attributes)"
    assert [str(each) for each in found] == [
        f"sosw_tasks: is right: key task_id (S); index {queue}; on demand.",
        f"sosw_closed_tasks: is right: key task_id (S); index {archive}; on demand.",
        f"sosw_retry_tasks: is right: key labourer_id (S), task_id (S); index {retry}; on demand.",
        "sosw_jobs: is right: key job_id (S), record (S); on demand.",
        "sosw_jobs: removes old records by itself (expires_at).",
        "sosw_tasks_meta: is right: key task_id (S), created_at (N); on demand.",
        "clock: agrees with AWS's.",
        "sosw-queue: exists.",
    ]


@pytest.mark.parametrize(
    ("settings", "level", "subject", "setting"),
    [
        ({"tables": TableNames(tasks_table="elsewhere")}, Level.ERROR, "elsewhere", "tasks_table"),
        ({"tables": TableNames(closed_tasks_table="elsewhere")}, Level.ERROR, "elsewhere", "closed_tasks_table"),
        ({"tables": TableNames(retry_tasks_table="elsewhere")}, Level.WARNING, "elsewhere", "retry_tasks_table"),
        ({"tables": TableNames(jobs_table="elsewhere")}, Level.ERROR, "elsewhere", "jobs_table"),
        ({"tables": TableNames(meta_table="elsewhere")}, Level.ERROR, "elsewhere", "meta_table"),
        ({"queue_bucket": "no-bucket"}, Level.ERROR, "no-bucket", "queue_bucket"),
        ({"tables": TableNames(index_greenfield="x")}, Level.ERROR, "sosw_tasks/x", "index_greenfield"),
        ({"tables": TableNames(closed_tasks_index="x")}, Level.ERROR, "sosw_closed_tasks/x", "closed_tasks_index"),
    ],
)
def test_one_thing_is_missing(
    make_installation: MakeInstallation, settings: dict[str, Any], level: Level, subject: str, setting: str
) -> None:
    """It is named, with the setting that names it."""
    found = only_fault(make_installation(**settings).deployment)
    assert (found.level, found.subject, "does not exist" in found.text, setting in found.fix) == (
        level,
        subject,
        True,
        True,
    )


MakeTable = Callable[..., None]


@pytest.fixture
def remake(aws: Aws) -> MakeTable:
    """Make one of the tables again, after a change of the arguments of its creation."""

    def make(name: str, change: Callable[[dict[str, Any]], object]) -> None:
        (definition,) = [each for each in table_definitions() if each.name == name]
        arguments = definition.create_arguments()
        change(arguments)
        aws.dynamodb.delete_table(TableName=name)
        aws.dynamodb.create_table(**arguments)

    return make


def test_a_wrong_key(installation: Installation, remake: MakeTable) -> None:
    """Both keys are told."""

    def change(arguments: dict[str, Any]) -> None:
        arguments["AttributeDefinitions"][0]["AttributeName"] = "id"
        arguments["KeySchema"][0]["AttributeName"] = "id"

    remake("sosw_tasks", change)
    found = only_fault(installation.deployment)
    assert str(found) == (
        "sosw_tasks: has the key id (S), but must have task_id (S). Keys cannot be changed: create the table again, or "
        "another one and name it in 'tasks_table'."
    )


def test_a_key_of_the_wrong_type(installation: Installation, remake: MakeTable) -> None:
    """The type counts as well."""
    remake("sosw_jobs", lambda arguments: arguments["AttributeDefinitions"][1].update(AttributeType="N"))
    assert "key job_id (S), record (N), but must have job_id (S), record (S)" in faults(installation.deployment)[0].text


def test_a_wrong_key_of_an_index(installation: Installation, remake: MakeTable) -> None:
    """An index can be made again."""

    def change(arguments: dict[str, Any]) -> None:
        arguments["AttributeDefinitions"][2] = {"AttributeName": "created_at", "AttributeType": "N"}
        arguments["GlobalSecondaryIndexes"][0]["KeySchema"][1]["AttributeName"] = "created_at"

    remake("sosw_tasks", change)
    found = only_fault(installation.deployment)
    assert (found.check, found.subject) == ("index", "sosw_tasks/sosw_tasks_greenfield")
    assert "labourer_id (S), created_at (N), but must have labourer_id (S), greenfield (N)" in found.text
    assert "create it again with the key labourer_id (S), greenfield (N) and all attributes" in found.fix


@pytest.mark.parametrize(
    ("table", "projection", "lacking"),
    [
        ("sosw_tasks", {"ProjectionType": "KEYS_ONLY"}, "all others than it has"),
        ("sosw_closed_tasks", {"ProjectionType": "KEYS_ONLY"}, "completed_at, greenfield, attempts"),
        (
            "sosw_closed_tasks",
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["greenfield"]},
            "completed_at, attempts",
        ),
        ("sosw_closed_tasks", {"ProjectionType": "ALL"}, None),
    ],
)
def test_what_an_index_carries(
    installation: Installation, remake: MakeTable, table: str, projection: dict[str, Any], lacking: str | None
) -> None:
    """The attributes that it lacks are told; more than it needs is fine."""
    remake(table, lambda arguments: arguments["GlobalSecondaryIndexes"][0].update(Projection=projection))
    expected = [] if lacking is None else [("projection", f"lacks attributes: {lacking}.")]
    assert [(each.check, each.text) for each in faults(installation.deployment)] == expected


def test_no_time_to_live(installation: Installation, remake: MakeTable) -> None:
    """The command that switches it on is told."""
    remake("sosw_jobs", lambda arguments: None)
    found = only_fault(installation.deployment)
    assert (found.level, found.check) == (Level.WARNING, "ttl")
    assert "aws dynamodb update-time-to-live --table-name sosw_jobs" in found.fix


def test_the_wrong_region(installation: Installation) -> None:
    """Where nothing is there at all, it is said."""
    elsewhere = boto3.client("dynamodb", region_name="eu-central-1")
    found = faults(replace(installation.deployment, dynamodb=elsewhere))
    assert [each.check for each in found] == ["missing"] * 4 + ["region"]
    assert "eu-central-1: has none of the tables" in str(found[-1])


def test_an_unreachable_endpoint(installation: Installation) -> None:
    """One finding, not one for each table."""
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    nobody = boto3.client("dynamodb", endpoint_url="http://127.0.0.1:9", config=once)
    found = only_fault(replace(installation.deployment, dynamodb=nobody))
    assert (found.check, found.subject) == ("endpoint", "http://127.0.0.1:9")
    assert "'endpoint_url'" in found.fix


# -- permissions -------------------------------------------------------------------------------------------------------


def refusing(*operations: str) -> Callable[[str], AWSResponse | None]:
    """AWS denies these."""
    return lambda name: dynamodb_error("AccessDeniedException") if name in operations else None


def test_tables_need_not_be_described(installation: Installation) -> None:
    """Without that permission the tables are still seen by what the scheduling reads; the pace is a note."""
    with answering(installation.deployment.dynamodb, handler=refusing("DescribeTable")):
        found = faults(installation.deployment)
    assert {each.level for each in found} == {Level.WARNING}
    assert all("cannot be described" in each.text for each in found)


@pytest.mark.parametrize("operation", ["Query", "GetItem"])
def test_credentials_that_may_nothing(installation: Installation, operation: str) -> None:
    """Neither describe nor read: that is told, and no more."""
    with answering(installation.deployment.dynamodb, handler=refusing("DescribeTable", operation)):
        found = faults(installation.deployment)
    assert (found[-1].check, f"AWS refuses dynamodb:{operation}" in found[-1].text) == ("credentials", True)


def test_the_time_to_live_need_not_be_readable(installation: Installation) -> None:
    """It is left out."""
    with answering(installation.deployment.dynamodb, handler=refusing("DescribeTimeToLive")):
        assert faults(installation.deployment) == []


def test_a_bucket_that_may_not_be_listed(installation: Installation) -> None:
    """The writer can do without."""
    with answering(installation.deployment.s3, handler=at("HeadBucket", lambda: s3_error("AccessDenied", 403))):
        assert only_fault(installation.deployment).level is Level.WARNING


# -- the clock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "level"), [(0, Level.OK), (29, Level.OK), (-60, Level.WARNING), (60, Level.WARNING), (900, Level.ERROR)]
)
def test_the_clock(installation: Installation, ahead: int, level: Level) -> None:
    """Against the date of AWS's answers."""
    handler = _dated(installation.deployment.dynamodb, "Mon, 23 Nov 2026 16:00:00 GMT")
    try:
        found = {each.check: each for each in examine(replace(installation.deployment, now=lambda: 1795449600 + ahead))}
    finally:
        installation.deployment.dynamodb.meta.events.unregister("after-call", handler)
    assert found["clock"].level is level


def _dated(client: Any, date: str) -> Any:
    def handle(parsed: dict[str, Any], **_: Any) -> None:
        parsed.setdefault("ResponseMetadata", {}).setdefault("HTTPHeaders", {})["date"] = date

    client.meta.events.register("after-call", handle)
    return handle
