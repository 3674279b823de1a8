"""`sosw-airflow pause` and `resume`."""

from __future__ import annotations

import json

import pytest

from sosw_airflow.cli import main
from sosw_airflow.orchestration.labourer_pause import LabourerPause
from sosw_airflow.stores.lease_item import read_lease
from tests.conftest import Aws
from tests.integration.cli.conftest import Configure


@pytest.fixture(autouse=True)
def configured(aws: Aws, configure: Configure) -> None:
    """An installation, a Connection, and a labourer in the Variable."""
    configure(labourers='{"worker": {"expiry": 60, "invocation": "request"}}')


def test_a_labourer_is_paused_and_resumed(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """With who and why; `resume` says whose pause has ended."""
    assert main(["pause", "worker", "--reason", "the shop is closed"]) == 0
    assert "The labourer worker is paused" in " ".join(capsys.readouterr().out.split())
    found = LabourerPause.of_lease(read_lease(aws.dynamodb, "sosw_jobs", "worker"))
    assert found is not None
    assert found.reason == "the shop is closed"
    assert main(["resume", "worker"]) == 0
    assert f"The pause by {found.by} has ended" in " ".join(capsys.readouterr().out.split())
    assert main(["resume", "worker"]) == 0
    assert "It was not paused" in capsys.readouterr().out


def test_its_output_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON with what was before."""
    main(["pause", "worker", "--output", "json"])
    assert json.loads(capsys.readouterr().out)["before"] is False
    main(["resume", "worker", "--output", "json"])
    assert json.loads(capsys.readouterr().out) == {"labourer": "worker", "paused": False, "before": True}


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_labourer_that_is_not_registered(aws: Aws, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A typo pauses nothing."""
    assert main([command, "wroker"]) == 1
    assert "wroker" in capsys.readouterr().err
    assert not read_lease(aws.dynamodb, "sosw_jobs", "wroker")


def test_doctor_has_the_pause(capsys: pytest.CaptureFixture[str]) -> None:
    """As a warning, with the command that ends it."""
    main(["pause", "worker"])
    capsys.readouterr()
    main(["doctor", "--output", "json"])
    findings = json.loads(capsys.readouterr().out)
    (paused,) = [each for each in findings if each["check"] == "paused"]
    assert (paused["level"], paused["command"]) == ("warning", "sosw-airflow resume worker")


def test_a_paused_labourer_ends_a_run_until_idle(capsys: pytest.CaptureFixture[str], aws: Aws) -> None:
    """Its task is left, and stderr says why."""
    row = {"task_id": {"S": "a" * 32}, "labourer_id": {"S": "worker"}, "greenfield": {"N": "1000"}}
    aws.dynamodb.put_item(TableName="sosw_tasks", Item={**row, "attempts": {"N": "0"}, "payload": {"S": "{}"}})
    main(["pause", "worker", "--reason", "closed"])
    assert main(["orchestrate", "worker", "--until-idle"]) == 1
    assert "sosw-airflow resume worker" in " ".join(capsys.readouterr().err.split())
