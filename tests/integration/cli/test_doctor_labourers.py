"""`sosw-airflow doctor` of labourers whose tasks Airflow invokes: reports, expiry, limits, sosw beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from sosw_airflow.cli import main
from sosw_airflow.orchestration.lease import Lease
from sosw_airflow.provision.assistant import ASSISTANT
from tests.conftest import Aws
from tests.integration.cli.conftest import Configure
from tests.support.lambda_functions import make_function

ARN = f"arn:aws:lambda:us-west-2:123456789012:function:{ASSISTANT}"
CONNECT = "sosw-airflow init --apply --assistant --connect worker"
CHECKS = ("labourer", "expiry", "reports", "concurrency", "invoke", "assistant", "upstream")

Examine = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def examine(aws: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> Examine:
    """Run the command for the labourer `worker` with these settings, which Airflow processes; the findings by check."""
    make_function("worker")

    def run(**settings: Any) -> dict[str, dict[str, Any]]:
        configure(labourers=json.dumps({"worker": {"scavenger": "airflow", **settings}}))
        capsys.readouterr()
        main(["doctor", "--output", "json"])
        return {each["check"]: each for each in json.loads(capsys.readouterr().out) if each["check"] in CHECKS}

    return run


def levels(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """How bad each finding is."""
    return {check: each["level"] for check, each in found.items()}


def test_all_is_well(examine: Examine) -> None:
    """The function reports by its destinations to our assistant, and sosw is away."""
    main(["init", "--apply", "--assistant", "--connect", "worker"])
    found = examine()
    assert levels(found) == dict.fromkeys(("expiry", "reports", "concurrency", "invoke", "assistant", "upstream"), "ok")
    assert found["expiry"]["text"] == "a task that is lost is known after 130 s."
    assert found["reports"]["text"] == f"reports to {ASSISTANT}."


def test_a_labourer_of_sosw_is_left_alone(aws: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is examined but its function, even if it has settings that only sosw understands."""
    make_function("worker")
    configure(labourers='{"worker": {"max_simultaneous_invocations": "many"}}')
    main(["doctor", "--output", "json"])
    assert {each["check"] for each in json.loads(capsys.readouterr().out)}.isdisjoint(CHECKS)


def test_a_labourer_that_airflow_has_processed(
    aws: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """Is known by its lease, whatever its settings are."""
    make_function("worker")
    Lease(aws.dynamodb, "sosw_jobs", "worker", "host:1").acquire()
    main(["doctor", "--output", "json"])
    assert {"reports", "assistant"} <= {each["check"] for each in json.loads(capsys.readouterr().out)}


def test_no_assistant_and_no_destination(examine: Examine) -> None:
    """No task would ever be marked, and a lost one would be known after hours: one command changes both."""
    found = examine()
    assert levels(found)["assistant"] == "error"
    assert levels(found)["reports"] == "warning"
    assert found["reports"]["command"] == CONNECT
    assert found["expiry"]["text"].startswith("a task that is lost is known after 6.1 hours")
    assert found["expiry"]["command"] == CONNECT


def test_a_synchronous_labourer(examine: Examine) -> None:
    """Needs neither."""
    found = examine(invocation="request")
    assert levels(found) == dict.fromkeys(("expiry", "concurrency", "invoke", "upstream"), "ok")


def test_a_function_whose_code_reports(examine: Examine, aws: Aws) -> None:
    """Is known by a task that was completed."""
    row = {"labourer_id_task_status": {"S": "worker_1"}, "closed_at": {"N": "1772442000"}}
    aws.dynamodb.put_item(TableName="sosw_closed_tasks", Item={"task_id": {"S": "a" * 32}, **row})
    found = examine()
    assert levels(found)["reports"] == "ok"
    assert "its code reports, the last time 2026-03-02 09:00 UTC" in found["reports"]["text"]


def test_another_destination(examine: Examine) -> None:
    """It is named."""
    queue = "arn:aws:sqs:us-west-2:123456789012:results"
    config = {"OnSuccess": {"Destination": queue}}
    boto3.client("lambda").put_function_event_invoke_config(FunctionName="worker", DestinationConfig=config)
    found = examine()
    assert levels(found)["reports"] == "warning"
    assert queue in found["reports"]["text"]


def test_an_expiry_that_is_too_short(examine: Examine) -> None:
    """A task could run twice at once."""
    boto3.client("lambda").put_function_event_invoke_config(
        FunctionName="worker", MaximumEventAgeInSeconds=60, MaximumRetryAttempts=0, DestinationConfig={}
    )
    found = examine(expiry=100)
    assert levels(found)["expiry"] == "warning"
    assert "its expiry of 100 s is below 130 s" in found["expiry"]["text"]
    assert levels(examine(expiry=130))["expiry"] == "ok"


@pytest.mark.parametrize(("reserved", "level"), [(0, "error"), (9, "warning"), (10, "ok")])
def test_reserved_concurrency(examine: Examine, reserved: int, level: str) -> None:
    """Below the limit, Lambda refuses the rest; with 0 the function is switched off."""
    boto3.client("lambda").put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=reserved)
    assert levels(examine(max_simultaneous_invocations=10))["concurrency"] == level


def test_the_limit_of_a_labourer_without_one(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is the configuration's."""
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_SIMULTANEOUS_INVOCATIONS", "7")
    assert examine()["concurrency"]["text"] == "invokes 7 tasks at once."


def test_faulty_settings(examine: Examine) -> None:
    """Each is named; without them nothing else can be examined."""
    found = examine(max_attempts=0, retry_delay="soon")
    assert levels(found)["labourer"] == "error"
    assert "expiry" not in found


@pytest.mark.parametrize(("version", "level"), [("0", "warning"), ("1", "ok"), ("99", "ok"), ("", "warning")])
def test_the_assistants_version(examine: Examine, version: str, level: str) -> None:
    """An old one and sosw's own are seen, a newer one is right; the command replaces sosw's only on request."""
    tables = {"SOSW_TASKS_TABLE": "sosw_tasks", "SOSW_RETRY_TASKS_TABLE": "sosw_retry_tasks"}
    make_function(ASSISTANT, environment={**tables, **({"SOSW_ASSISTANT_VERSION": version} if version else {})})
    found = examine()
    assert levels(found)["assistant"] == level
    assert ("--replace" in found["assistant"]["command"]) == (not version)


def test_an_assistant_for_other_tables(examine: Examine) -> None:
    """It would mark nothing that this deployment has."""
    make_function(ASSISTANT, environment={"SOSW_TASKS_TABLE": "other", "SOSW_ASSISTANT_VERSION": "1"})
    assert levels(examine())["assistant"] == "warning"


@pytest.fixture
def every_minute(aws: Aws) -> Callable[[str, bool], None]:
    """A rule of EventBridge that starts a function of sosw, as its template has it."""

    def start(name: str, enabled: bool) -> None:
        events = boto3.client("events")
        state = "ENABLED" if enabled else "DISABLED"
        events.put_rule(Name=f"{name}-every-minute", ScheduleExpression="rate(1 minute)", State=state)
        events.put_targets(Rule=f"{name}-every-minute", Targets=[{"Id": "1", "Arn": make_function(name)}])

    return start


def test_sosws_scavenger_beside_airflow(examine: Examine, every_minute: Callable[[str, bool], None]) -> None:
    """It would stop at rows that Airflow has closed, unless the labourer leaves them to it."""
    every_minute("sosw_scavenger", True)
    found = examine()
    assert (found["upstream"]["level"], found["upstream"]["subject"]) == ("warning", "sosw_scavenger")
    assert '"scavenger": "upstream" for worker' in found["upstream"]["fix"]
    assert "upstream" not in examine(scavenger="upstream")


def test_sosws_orchestrator_beside_airflow(examine: Examine, every_minute: Callable[[str, bool], None]) -> None:
    """Each counts up to its own limit."""
    every_minute("sosw_orchestrator", True)
    found = examine()
    assert (found["upstream"]["level"], found["upstream"]["subject"]) == ("warning", "sosw_orchestrator")


def test_a_rule_that_is_disabled(examine: Examine, every_minute: Callable[[str, bool], None]) -> None:
    """Starts nothing."""
    every_minute("sosw_orchestrator", False)
    assert levels(examine())["upstream"] == "ok"


def test_a_function_that_may_not_be_invoked(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run finds it, and runs nothing."""
    import botocore.client

    call = botocore.client.BaseClient._make_api_call

    def refusing(client: Any, operation: str, params: dict[str, Any]) -> Any:
        if operation == "Invoke":
            assert params["InvocationType"] == "DryRun"
            error = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
            raise botocore.client.ClientError(error, operation)
        return call(client, operation, params)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refusing)
    found = examine()
    assert levels(found)["invoke"] == "error"
    assert "worker may not be invoked" in found["invoke"]["text"]
