"""`SoswDoctorOperator`: the examination as an Airflow task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from sosw_airflow.doctor.functions import check_functions
from sosw_airflow.exceptions import DeploymentBroken
from sosw_airflow.operators.sosw import SoswDoctorOperator
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER

XComs = dict[str, Any]


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labourer's function is there: whether one is, is tried with the command."""
    none = create_autospec(check_functions, side_effect=lambda *_, **__: iter(()))
    monkeypatch.setattr("sosw_airflow.doctor.functions.check_functions", none)


def examine(**arguments: Any) -> tuple[Any, XComs]:
    """What an execution returns, or the error that it ends with; and what it has pushed."""
    pushed: XComs = {}
    context: Any = {"ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))}
    try:
        return SoswDoctorOperator(task_id="doctor", **arguments).execute(context), pushed
    except DeploymentBroken as broken:
        return broken, pushed


@pytest.mark.usefixtures("function")
def test_a_sound_deployment(installation: Aws) -> None:
    """Everything that was looked at is the XCom."""
    findings, _ = examine()
    assert {each["level"] for each in findings} <= {"ok", "warning"}
    assert ("connection", "Connection sosw_default") in [(each["check"], each["subject"]) for each in findings]


def test_a_broken_one(installation: Aws) -> None:
    """Fails with each finding and its mend; the findings are the XCom all the same."""
    error, pushed = examine()
    assert f"labourer {LABOURER}: there is no Lambda function {LABOURER}. Deploy the function" in str(error)
    assert "error" in {each["level"] for each in pushed["return_value"]}


@pytest.mark.usefixtures("function")
def test_strict(installation: Aws) -> None:
    """What is to be looked after fails it, too."""
    installation.dynamodb.delete_table(TableName="sosw_retry_tasks")
    findings, _ = examine()
    error, _ = examine(strict=True)
    assert "warning" in {each["level"] for each in findings}
    assert "sosw_retry_tasks" in str(error)


def test_no_region(installation: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is one, too."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", "sosw:///?queue_bucket=b&aws_conn_id=")
    error, _ = examine()
    assert "extra region_name: is missing" in str(error)


def test_no_connection(installation: Aws) -> None:
    """Is one of the findings."""
    error, _ = examine(sosw_conn_id="sosw_elsewhere")
    assert "Connection sosw_elsewhere: does not exist" in str(error)
