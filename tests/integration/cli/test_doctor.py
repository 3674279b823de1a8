"""`sosw-airflow doctor`: the right finding, and its fix, for each way in which a deployment can be broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from sosw_airflow.cli import main
from sosw_airflow.doctor import left_files
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.conftest import BUCKET, Aws
from tests.integration.cli.conftest import Configure
from tests.support.lambda_functions import make_function

Finding = dict[str, Any]
DAY = 86_400


@pytest.fixture
def sound(aws: Aws, configure: Configure) -> Aws:
    """A deployment in which all is well."""
    aws.dynamodb.delete_table(TableName="sosw_tasks_meta")
    make_function("worker")
    return aws


def doctor(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> list[Finding]:
    """All findings that are not fine, of an examination that ends with this exit code."""
    capsys.readouterr()
    assert main(["doctor", "--output", "json", "--quiet", *arguments]) == code
    findings: list[Finding] = json.loads(capsys.readouterr().out)
    return findings


def brief(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """What each is about."""
    return [(each["level"], each["check"], each["subject"]) for each in findings]


def test_all_is_well(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that was checked is reported, and nothing has changed."""
    assert main(["doctor", "--strict"]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("\n0 broken, 0 warnings, 19 right\n")
    for text in ("Connection sosw_default: is right", "sosw_tasks: is right: key task_id (S)", "clock: agrees"):
        assert text in printed
    assert "sosw_tasks: allows dynamodb:PutItem, dynamodb:Query, dynamodb:DeleteItem." in printed
    assert (sound.rows(), sound.rows("sosw_jobs"), sound.queue_files()) == ([], [], {})
    assert "Uploads" not in sound.s3.list_multipart_uploads(Bucket=BUCKET)


# -- ten ways to be broken ---------------------------------------------------------------------------------------------


def remake(aws: Aws, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Make a table again, in another way."""
    (definition,) = [each for each in table_definitions() if each.name == name]
    arguments = definition.create_arguments()
    change(arguments)
    aws.dynamodb.delete_table(TableName=name)
    aws.dynamodb.create_table(**arguments)


def test_1_a_missing_table(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be created, or the setting corrected."""
    sound.dynamodb.delete_table(TableName="sosw_jobs")
    (found,) = doctor(capsys, 1)
    assert brief([found]) == [("error", "missing", "sosw_jobs")]
    assert "sosw-airflow init" in found["fix"]
    assert "'jobs_table'" in found["fix"]


def test_2_a_wrong_key(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """A key cannot be changed."""

    def change(arguments: dict[str, Any]) -> None:
        arguments["AttributeDefinitions"][0]["AttributeName"] = "id"
        arguments["KeySchema"][0]["AttributeName"] = "id"

    remake(sound, "sosw_tasks", change)
    (found,) = doctor(capsys, 1)
    assert brief([found]) == [("error", "key", "sosw_tasks")]
    assert "create the table again" in found["fix"]


def test_3_a_missing_index(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be added."""

    def change(arguments: dict[str, Any]) -> None:
        del arguments["GlobalSecondaryIndexes"]
        arguments["AttributeDefinitions"] = arguments["AttributeDefinitions"][:1]

    remake(sound, "sosw_tasks", change)
    (found,) = doctor(capsys, 1)
    assert brief([found]) == [("error", "index", "sosw_tasks/sosw_tasks_greenfield")]
    assert "Add a global index with the key labourer_id (S), greenfield (N)" in found["fix"]


def test_4_an_index_without_the_attributes(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """It has to be made again."""
    keys_only = {"ProjectionType": "KEYS_ONLY"}
    remake(
        sound,
        "sosw_closed_tasks",
        lambda arguments: arguments["GlobalSecondaryIndexes"][0].update(Projection=keys_only),
    )
    (found,) = doctor(capsys, 1)
    assert brief([found]) == [("error", "projection", "sosw_closed_tasks/labourer_task_status_with_time")]
    assert "completed_at, greenfield, attempts" in found["text"]
    assert "Delete the index and create it again" in found["fix"]


def test_5_no_bucket(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """One finding, though no permission could be tried there."""
    sound.s3.delete_bucket(Bucket=BUCKET)
    (found,) = doctor(capsys, 1)
    assert brief([found]) == [("error", "bucket", BUCKET)]
    assert "'queue_bucket'" in found["fix"]


@pytest.fixture
def limited(sound: Aws) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Take the identity of a user with this policy, which moto enforces from then on."""
    authorization = pytest.importorskip("moto.core.authorization", reason="this moto enforces no policies")

    def become(policy: dict[str, Any]) -> None:
        iam = boto3.client("iam")
        iam.create_user(UserName="writer")
        iam.put_user_policy(UserName="writer", PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="writer")["AccessKey"]
        # Not by monkeypatch, which would put moto's own keys back after moto has ended.
        own = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        enforcing.enter_context(patch.dict(os.environ, own))
        enforcing.enter_context(authorization.enable_iam_authentication())

    with ExitStack() as enforcing:
        yield become


def test_6_denied_writes(limited: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture[str]) -> None:
    """The very actions are named."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denied = {"Effect": "Deny", "Action": ["dynamodb:PutItem", "s3:PutObject"], "Resource": "*"}
    limited({"Version": "2012-10-17", "Statement": [everything, denied]})
    found = [each for each in doctor(capsys, 1) if each["check"] == "permission"]
    assert brief(found) == [
        ("error", "permission", "sosw_tasks"),
        ("error", "permission", "sosw_jobs"),
        ("error", "permission", BUCKET),
    ]
    assert [each["text"] for each in found] == [
        "denies dynamodb:PutItem.",
        "denies dynamodb:PutItem.",
        "denies s3:PutObject.",
    ]
    assert "docs/permissions.md" in found[0]["fix"]


def test_7_an_unknown_function(sound: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """The labourer is named."""
    configure(labourers='{"worker": {}, "gone": {"arn": "arn:aws:lambda:us-west-2:123456789012:function:gone"}}')
    (found,) = doctor(capsys, 1)
    assert brief([found]) == [("error", "function", "labourer gone")]
    assert "Deploy the function, or correct" in found["fix"]


def test_8_a_variable_that_is_no_json(sound: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Both are checked; a schema that cannot be used is a fault as well."""
    configure(labourers="{'worker': {}}", schemas='{"default": {"chunkable_attrs": ["words"]}}')
    found = doctor(capsys, 1)
    assert brief(found) == [
        ("error", "labourers", "Variable sosw_labourers"),
        ("error", "job_schemas", "Variable sosw_job_schemas.default.chunkable_attrs[0]"),
    ]
    assert "is not valid JSON" in found[0]["text"]
    assert "airflow variables get sosw_labourers" in found[0]["fix"]


def test_9_the_wrong_region(sound: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Besides the missing tables, the likely reason."""
    configure(region_name="eu-central-1", labourers="{}")
    found = [each for each in doctor(capsys, 1) if each["level"] == "error"]
    assert [each["check"] for each in found] == ["missing"] * 3 + ["region"]
    assert "'region_name'" in found[-1]["fix"]


def test_10_an_unreachable_endpoint(sound: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Soon, and once."""
    configure(endpoint_url="http://127.0.0.1:9")
    (found,) = doctor(capsys, 1)
    assert brief([found]) == [("error", "endpoint", "http://127.0.0.1:9")]
    assert "'endpoint_url'" in found["fix"]


def test_no_connection(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that creates it is printed."""
    found = doctor(capsys, 1, "--conn-id", "no_such_sosw")
    assert "airflow connections add no_such_sosw" in found[0]["text"]


# -- what is left behind -----------------------------------------------------------------------------------------------


def schedule(aws: Aws, *, ago: float, stop: bool = False) -> str:
    """Schedule a job of two tasks so many seconds ago; `stop` after the plan. Gives its id."""
    now = datetime.now(timezone.utc).timestamp() - ago
    at = Deployment(
        dynamodb=aws.dynamodb,
        dynamodb_once=aws.dynamodb,
        s3=aws.s3,
        tables=TableNames(),
        queue_bucket=BUCKET,
        s3_prefix="sosw/scheduler",
        now=lambda: now,
    )
    today = date(2026, 3, 2)
    job = Expansion(
        {"words": ["a", "b"], "isolate_words": True}, schema={"chunkable_attrs": ["word"]}, reference_date=today
    )
    request = ScheduleRequest(JobIdentity("dag", "run", "task", -1, 0, "worker"), job, today)
    scheduler = JobScheduler(at)
    scheduled = scheduler.schedule(request)
    if stop:
        header = replace(scheduled.header, state=scheduled.header.state.__class__("planned"))
        aws.dynamodb.put_item(TableName="sosw_jobs", Item=header.item())
    return scheduled.header.job_id


def test_a_job_that_was_planned_long_ago(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Its Airflow task is named; a job that is being written is no fault."""
    job_id = schedule(sound, ago=7200, stop=True)
    (found,) = doctor(capsys, 3, "--strict")
    assert brief([found]) == [("warning", "planned", f"job {job_id}")]
    assert "is planned since 2 h" in found["text"]
    assert "Airflow task task of the DAG dag, run run" in found["fix"]
    schedule(sound, ago=0)


def test_a_damaged_record_hides_no_other(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """It is an error of its own beside the job that was planned long ago."""
    job_id = schedule(sound, ago=7200, stop=True)
    broken = {"job_id": {"S": "0" * 20}, "record": {"S": "header"}, "state": {"S": "planned"}, "tasks": {"S": "x"}}
    sound.dynamodb.put_item(TableName="sosw_jobs", Item=broken)
    found = doctor(capsys, 1)
    assert brief(found) == [("error", "planned", "sosw_jobs"), ("warning", "planned", f"job {job_id}")]
    assert "0" * 20 in found[0]["text"]


def test_tasks_that_stay_in_the_queue(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The Orchestrator is the thing to check."""
    job_id = schedule(sound, ago=3 * DAY)
    (found,) = doctor(capsys, 0)
    assert brief([found]) == [("warning", "waiting", "queue of worker")]
    assert f"{job_id}000000000000 of job {job_id}, waits since 3 days" in found["text"]


def test_tasks_that_stay_with_a_worker(sound: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The Scavenger is the thing to check."""
    job_id = schedule(sound, ago=0)
    invoked = int(datetime.now(timezone.utc).timestamp()) + 31_557_600 - 2 * DAY
    sound.dynamodb.update_item(
        TableName="sosw_tasks",
        Key={"task_id": {"S": f"{job_id}000000000001"}},
        UpdateExpression="SET greenfield = :g",
        ExpressionAttributeValues={":g": {"N": str(invoked)}},
    )
    (found,) = doctor(capsys, 0)
    assert (found["check"], "Scavenger" in found["fix"]) == ("overdue", True)


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or an upload need not be old to be left."""
    monkeypatch.setattr(left_files, "FILE_SECONDS", -timedelta(days=1).total_seconds())


def test_queue_files_that_are_left(sound: Aws, tomorrow: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan that is still needed, one that is not, one of sosw's own Scheduler."""
    planned = schedule(sound, ago=7200, stop=True)
    header = JobRecords(sound.dynamodb, "sosw_jobs").header(planned)
    assert header is not None
    of_no_job, of_sosw = (f"sosw/scheduler/locked_tasks_queue_{name}.txt" for name in ("0" * 20, "5d1e3f6a-request"))
    for key in (header.queue_key, of_no_job, of_sosw):
        sound.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    found = {each["subject"]: each for each in doctor(capsys, 0) if each["check"] == "queue_file"}
    assert "do not delete the file" in found[f"s3://{BUCKET}/{header.queue_key}"]["fix"]
    assert "aws s3 rm s3://" in found[f"s3://{BUCKET}/{of_no_job}"]["fix"]
    assert "by a Scheduler of sosw that is gone" in found[f"s3://{BUCKET}/{of_sosw}"]["text"]


def test_uploads_that_are_left(sound: Aws, tomorrow: None, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that ends them."""
    upload = sound.s3.create_multipart_upload(Bucket=BUCKET, Key="sosw/scheduler/x")["UploadId"]
    found = [each for each in doctor(capsys, 0) if each["check"] == "upload"]
    assert (
        f"aws s3api abort-multipart-upload --bucket {BUCKET} --key sosw/scheduler/x --upload-id {upload}"
        in found[0]["fix"]
    )


def test_no_secret_is_printed(sound: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in the extras."""
    configure(token="t0k3n", queue_bucket=BUCKET)
    main(["doctor"])
    printed = capsys.readouterr()
    assert "t0k3n" not in printed.out + printed.err
