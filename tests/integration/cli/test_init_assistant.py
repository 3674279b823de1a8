"""`sosw-airflow init --assistant`: deploys the function to which labourers report, and connects their functions."""

from __future__ import annotations

import json

import boto3
import pytest

from sosw_airflow.cli import main
from sosw_airflow.orchestration.assistant import VERSION
from sosw_airflow.provision.assistant import ASSISTANT
from sosw_airflow.provision.assistant_template import assistant_template
from sosw_airflow.provision.destinations import labourer_policy
from tests.conftest import Aws
from tests.integration.cli.conftest import Configure
from tests.support.lambda_functions import make_function

ARN = f"arn:aws:lambda:us-west-2:123456789012:function:{ASSISTANT}"


@pytest.fixture
def connection(aws: Aws, configure: Configure) -> None:
    """A Connection to an account with tables and bucket, and the function of the labourer `worker`."""
    make_function("worker")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints."""
    assert main(["init", *arguments]) == 0
    return capsys.readouterr().out


def version() -> str:
    """The version that is deployed; empty for another program's function."""
    configuration = boto3.client("lambda").get_function_configuration(FunctionName=ASSISTANT)
    return str(configuration.get("Environment", {}).get("Variables", {}).get("SOSW_ASSISTANT_VERSION", ""))


def test_shows_what_is_missing(connection: None, capsys: pytest.CaptureFixture[str]) -> None:
    """And creates nothing."""
    assert printed(capsys, "--assistant", "--connect", "worker") == (
        f"Missing in us-west-2: function {ASSISTANT}, destination of worker.\n"
        "Nothing was created: --apply creates them.\n"
    )
    assert [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]] == ["worker"]


def test_deploys_it_once(connection: None, capsys: pytest.CaptureFixture[str]) -> None:
    """The same again has nothing to do."""
    assert printed(capsys, "--apply", "--assistant") == f"Created in us-west-2: function {ASSISTANT}.\n"
    assert version() == VERSION
    assert "Nothing is missing" in printed(capsys, "--apply", "--assistant")


def test_connects_a_labourer(connection: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Its role may invoke the assistant, which is its destination; its events are short-lived and not repeated."""
    out = printed(capsys, "--apply", "--assistant", "--connect", "worker", "--output", "json")
    assert [(each["kind"], each["name"], each["state"]) for each in json.loads(out)] == [
        ("function", ASSISTANT, "created"),
        ("destination", "worker", "created"),
    ]
    config = boto3.client("lambda").get_function_event_invoke_config(FunctionName="worker")
    assert {each["Destination"] for each in config["DestinationConfig"].values()} == {ARN}
    assert (config["MaximumEventAgeInSeconds"], config["MaximumRetryAttempts"]) == (60, 0)
    policy = boto3.client("iam").get_role_policy(RoleName="worker", PolicyName=ASSISTANT)["PolicyDocument"]
    assert policy == labourer_policy(ARN)
    assert "Nothing is missing" in printed(capsys, "--assistant", "--connect", "worker")


def test_an_old_version_is_updated(connection: None, capsys: pytest.CaptureFixture[str]) -> None:
    """As is one for other tables."""
    make_function(ASSISTANT, environment={"SOSW_ASSISTANT_VERSION": "0", "SOSW_TASKS_TABLE": "sosw_tasks"})
    assert printed(capsys, "--assistant").startswith(f"Old in us-west-2: function {ASSISTANT}.\n")
    assert printed(capsys, "--apply", "--assistant") == f"Updated in us-west-2: function {ASSISTANT}.\n"
    assert version() == VERSION


def test_sosws_own_function_is_not_replaced_unasked(connection: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else is changed."""
    make_function(ASSISTANT)
    assert main(["init", "--apply", "--assistant", "--connect", "worker"]) == 1
    error = capsys.readouterr().err
    assert f"function {ASSISTANT}: is another program's" in error
    assert "--replace" in error
    assert version() == ""


def test_sosws_own_function_stays_as_a_version(connection: None, capsys: pytest.CaptureFixture[str]) -> None:
    """So that you can go back to it."""
    make_function(ASSISTANT, source="before = 1")
    before = boto3.client("lambda").get_function_configuration(FunctionName=ASSISTANT)["CodeSha256"]
    assert printed(capsys, "--apply", "--assistant", "--replace") == f"Replaced in us-west-2: function {ASSISTANT}.\n"
    kept = boto3.client("lambda").get_function_configuration(FunctionName=ASSISTANT, Qualifier="1")
    assert kept["CodeSha256"] == before
    assert version() == VERSION


def test_a_destination_of_the_users_own(connection: None, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and nothing is changed."""
    queue = "arn:aws:sqs:us-west-2:123456789012:results"
    config = {"OnSuccess": {"Destination": queue}}
    boto3.client("lambda").put_function_event_invoke_config(FunctionName="worker", DestinationConfig=config)
    assert main(["init", "--apply", "--assistant", "--connect", "worker"]) == 1
    assert f"function worker: sends its results to {queue} already" in capsys.readouterr().err
    assert [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]] == ["worker"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--connect", "worker"], "Fix: add --assistant"),
        (["--replace"], "Fix: add --assistant"),
        (["--assistant", "--connect", "unknown"], "'unknown' is not registered"),
        (["--assistant", "--connect", "ghost"], "lambda:GetFunctionConfiguration"),
    ],
)
def test_refusals(
    connection: None, configure: Configure, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is created."""
    configure(labourers='{"worker": {}, "ghost": {}}')
    assert main(["init", "--apply", *arguments]) in (1, 2)
    assert says in capsys.readouterr().err
    assert [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]] == ["worker"]


def test_cloudformation(capsys: pytest.CaptureFixture[str]) -> None:
    """The template of the documentation, without AWS and without a Connection."""
    assert printed(capsys, "--assistant", "--cloudformation") == json.dumps(assistant_template(), indent=2) + "\n"
