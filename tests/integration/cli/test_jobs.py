"""`sosw-airflow jobs`: the records of the jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sosw_airflow.cli import main
from sosw_airflow.cli.jobs import STATES
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.job_record import JobState
from tests.conftest import BUCKET, Aws
from tests.integration.cli.conftest import Configure
from tests.integration.conftest import NOW, request_for


@pytest.fixture
def jobs(aws: Aws, configure: Configure) -> list[str]:
    """Ids of three jobs: the oldest first; the last one is planned only, and mapped."""
    at = Deployment(
        dynamodb=aws.dynamodb,
        dynamodb_once=aws.dynamodb,
        s3=aws.s3,
        tables=aws.names,
        queue_bucket=BUCKET,
        s3_prefix="sosw/scheduler",
        now=lambda: NOW,
    )
    headers = []
    for number, who in enumerate(({"dag_id": "a"}, {"dag_id": "b", "labourer_id": "other"}, {"map_index": 3})):
        scheduler = JobScheduler(replace(at, now=lambda moment=NOW + number: moment))
        headers.append(scheduler.schedule(request_for(**who)).header)
    aws.dynamodb.put_item(TableName="sosw_jobs", Item=replace(headers[-1], state=JobState.PLANNED).item())
    return [header.job_id for header in headers]


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """The jobs as JSON."""
    assert main(["jobs", "--output", "json", *arguments]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_the_list(jobs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first, with state, tasks, labourer, time and origin; pages are not shown."""
    assert main(["jobs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["job_id", "state", "tasks", "labourer", "scheduled", "by", "max_running"]
    assert [line.split()[0] for line in lines[1:]] == jobs[::-1]
    assert lines[1].split()[1:] == [
        *("planned", "4", "worker", "2026-11-23T11:00:29Z"),
        *("dag.schedule[3]", "scheduled__2026-03-02", "-"),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), [2, 1, 0]),
        (("--state", "planned"), [2]),
        (("--labourer", "other"), [1]),
        (("--dag-id", "a", "--state", "written"), [0]),
        (("--dag-id", "nothing"), []),
        (("--limit", "2"), [2, 1]),
    ],
)
def test_a_choice(
    jobs: list[str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: list[int]
) -> None:
    """By state, labourer, DAG; all of them must fit."""
    assert [each["job_id"] for each in listed(capsys, *arguments)] == [jobs[index] for index in expected]


def test_every_state_can_be_chosen() -> None:
    """The command knows those that there are."""
    assert set(STATES) == {state.value for state in JobState}


def test_more_than_are_shown(jobs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Their number is printed."""
    main(["jobs", "--limit", "1"])
    assert capsys.readouterr().out.endswith("... and 2 older ones: --limit 3 lists all\n")


@pytest.mark.parametrize("output", ["table", "json", "plain"])
def test_a_damaged_record(aws: Aws, jobs: list[str], output: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The other jobs are listed; the record is named with a fix, and the exit code says that something is wrong."""
    broken = {"job_id": {"S": "f" * 20}, "record": {"S": "header"}, "state": {"S": "written"}, "tasks": {"S": "x"}}
    aws.dynamodb.put_item(TableName="sosw_jobs", Item=broken)
    assert main(["jobs", "--output", output]) == 1
    printed = capsys.readouterr()
    assert [job for job in jobs if job not in printed.out] == []
    assert "f" * 20 in printed.err
    assert "Fix: " in printed.err


def test_no_table(mocked_aws: None, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says how to fix it."""
    assert main(["jobs"]) == 1
    assert "There is no DynamoDB table 'sosw_jobs'" in capsys.readouterr().err


def test_the_namespace_of_a_job(aws: Aws, jobs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Stands before the origin of a job that has one, and among the attributes of its record."""
    key = {"job_id": {"S": jobs[2]}, "record": {"S": "header"}}
    item = aws.dynamodb.get_item(TableName="sosw_jobs", Key=key)["Item"]
    aws.dynamodb.put_item(TableName="sosw_jobs", Item={**item, "namespace": {"S": "blue"}})
    assert main(["jobs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  blue: dag.schedule[3] scheduled__2026-03-02 " in lines[1]
    assert [each["namespace"] for each in listed(capsys)] == ["blue", "", ""]
