"""Airflow's "Test" button: what is missing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sosw_airflow.stores.checks import missing_parts
from sosw_airflow.stores.tables import TableNames
from tests.stores.conftest import Installation, MakeInstallation
from tests.stores.network_edge import answering, at, dynamodb_error


def test_all_is_there(make_installation: MakeInstallation, aws: Any) -> None:
    """Nothing to tell, also with a meta table."""
    assert missing_parts(make_installation(tables=aws.names).deployment) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"tables": TableNames(tasks_table="elsewhere")}, "DynamoDB table 'elsewhere'.*'tasks_table'"),
        ({"tables": TableNames(index_greenfield="elsewhere")}, "'sosw_tasks/index/elsewhere'.*'index_greenfield'"),
        ({"tables": TableNames(jobs_table="elsewhere")}, "DynamoDB table 'elsewhere'.*'jobs_table'"),
        ({"tables": TableNames(meta_table="elsewhere")}, "DynamoDB table 'elsewhere'.*'meta_table'"),
        ({"queue_bucket": "elsewhere-bucket"}, "S3 bucket 'elsewhere-bucket'.*'queue_bucket'"),
    ],
    ids=["tasks", "index", "jobs", "meta", "bucket"],
)
def test_one_thing_is_missing(make_installation: MakeInstallation, settings: dict[str, Any], expected: str) -> None:
    """It is named, with the setting that names it."""
    problems = missing_parts(make_installation(**settings).deployment)
    assert len(problems) == 1
    assert re.search(expected, problems[0])


def test_all_is_missing(make_installation: MakeInstallation) -> None:
    """Everything is told at once."""
    names = TableNames(tasks_table="a_table", jobs_table="b_table", meta_table="c_table")
    assert len(missing_parts(make_installation(tables=names, queue_bucket="no-bucket").deployment)) == 4


def test_tables_need_not_be_described(installation: Installation) -> None:
    """Without that permission the tables are still seen by what the scheduling reads."""
    refusal = at("DescribeTable", lambda: dynamodb_error("AccessDeniedException"))
    with answering(installation.deployment.dynamodb, handler=refusal):
        assert missing_parts(installation.deployment) == []


@pytest.mark.parametrize("operation", ["Query", "GetItem"])
def test_a_permission_is_missing(installation: Installation, operation: str) -> None:
    """An identity that cannot schedule does not pass for one that can."""
    refusal = at(operation, lambda: dynamodb_error("AccessDeniedException"))
    with answering(installation.deployment.dynamodb, handler=refusal):
        problems = missing_parts(installation.deployment)
    assert [f"AWS refuses dynamodb:{operation}" in problem for problem in problems] == [True]
