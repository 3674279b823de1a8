"""`sosw-airflow init`: what is missing is created, when it is asked for."""

from __future__ import annotations

import json

import boto3
import pytest

from sosw_airflow.cli import main
from sosw_airflow.provision.cloudformation import cloudformation_template
from tests.conftest import BUCKET, REGION, Aws
from tests.integration.cli.conftest import Configure

TABLES = ["sosw_closed_tasks", "sosw_jobs", "sosw_retry_tasks", "sosw_tasks"]


@pytest.fixture
def nothing(mocked_aws: None, configure: Configure) -> None:
    """A Connection to an empty account."""


def tables() -> list[str]:
    """What there is."""
    names: list[str] = boto3.client("dynamodb").list_tables()["TableNames"]
    return sorted(names)


def test_shows_what_is_missing(nothing: None, capsys: pytest.CaptureFixture[str]) -> None:
    """And creates nothing."""
    assert main(["init"]) == 0
    assert capsys.readouterr().out == (
        "Missing in us-west-2: table sosw_tasks, table sosw_closed_tasks, table sosw_retry_tasks, table sosw_jobs, "
        "bucket sosw-queue.\nNothing was created: --apply creates them.\n"
    )
    assert tables() == []


def test_creates_it(nothing: None, capsys: pytest.CaptureFixture[str]) -> None:
    """So that the doctor is content, and a second time there is nothing to do."""
    assert main(["init", "--apply"]) == 0
    assert tables() == TABLES
    assert main(["init", "--apply"]) == 0
    assert "Nothing is missing in us-west-2." in capsys.readouterr().out
    main(["doctor", "--quiet", "--output", "json"])
    found = json.loads(capsys.readouterr().out)
    assert [each["check"] for each in found] == ["function"]


def test_the_bucket(nothing: None) -> None:
    """Is in the Connection's region, private, and rids itself of unfinished uploads."""
    main(["init", "--apply"])
    s3 = boto3.client("s3")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == REGION
    assert all(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_the_first_region(nothing: None, configure: Configure) -> None:
    """S3 does not let it be named."""
    configure(region_name="us-east-1", queue_bucket="first")
    assert main(["init", "--apply"]) == 0
    assert boto3.client("s3").get_bucket_location(Bucket="first")["LocationConstraint"] is None


def test_provisioned_tables(nothing: None, configure: Configure) -> None:
    """With the units that are given, under the Connection's names."""
    configure(jobs_table="airflow_jobs")
    main(["init", "--apply", "--provisioned", "5", "7"])
    units = boto3.client("dynamodb").describe_table(TableName="airflow_jobs")["Table"]["ProvisionedThroughput"]
    assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (5, 7)


def test_what_exists_is_left_alone(aws: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the missing table is created."""
    aws.dynamodb.delete_table(TableName="sosw_jobs")
    assert main(["init", "--apply"]) == 0
    assert capsys.readouterr().out == "Created in us-west-2: table sosw_jobs.\n"


def test_cloudformation(capsys: pytest.CaptureFixture[str]) -> None:
    """The template of the documentation, without AWS and without a Connection."""
    assert main(["init", "--cloudformation"]) == 0
    assert json.loads(capsys.readouterr().out) == cloudformation_template()


def test_a_faulty_connection(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Its faults are the message."""
    configure(queue_bucket=None)
    assert main(["init"]) == 1
    assert "extra queue_bucket: is missing" in capsys.readouterr().err
