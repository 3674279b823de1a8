"""`SoswLabourerHook`: a labourer in a Connection."""

from __future__ import annotations

import json

import boto3
import pytest

from sosw_airflow.config.registry import Labourer
from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.hooks.labourer import SoswLabourerHook
from tests.integration.hooks.conftest import FAULTY_EXTRAS, SetConnection

pytestmark = pytest.mark.usefixtures("only_the_environment")


def test_a_labourer(set_connection: SetConnection) -> None:
    """The Connection's id is its id, the extras are its settings."""
    set_connection("worker", conn_type="sosw_labourer", extra={"arn": "arn:w", "cooldown": 5})
    assert SoswLabourerHook("worker").get_conn() == Labourer("worker", {"arn": "arn:w", "cooldown": 5})


def test_a_labourer_without_settings(set_connection: SetConnection) -> None:
    """Its id alone registers it."""
    set_connection("worker", conn_type="sosw_labourer")
    assert SoswLabourerHook("worker").get_conn() == Labourer("worker", {})


def test_faulty_extras(set_connection: SetConnection) -> None:
    """Are not taken for none."""
    set_connection("worker", conn_type="sosw_labourer", extra="{")
    with pytest.raises(InvalidConfiguration, match=FAULTY_EXTRAS.format("worker")):
        SoswLabourerHook("worker").get_conn()


def test_no_connection() -> None:
    """Its type is told."""
    with pytest.raises(InvalidConfiguration, match="Connection worker: does not exist: create one of type sosw_labour"):
        SoswLabourerHook("worker").get_conn()


def test_the_form() -> None:
    """Only the extras count; the placeholder is a valid Connection."""
    form = SoswLabourerHook.get_ui_field_behaviour()
    assert set(form["hidden_fields"]) == {"host", "port", "login", "password", "schema"}
    assert "arn" in json.loads(form["placeholders"]["extra"])


ARN = "arn:aws:lambda:eu-west-1:123456789012:function:worker"


@pytest.fixture
def sosw_connection(set_connection: SetConnection) -> None:
    """The one whose credentials are used."""
    set_connection("sosw_default", extra={"queue_bucket": "b", "aws_conn_id": "", "region_name": "us-west-2"})


@pytest.mark.usefixtures("mocked_aws", "sosw_connection")
def test_test_finds_the_function(set_connection: SetConnection) -> None:
    """In the region of its ARN, whatever that of the sosw Connection is."""
    role = boto3.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    boto3.client("lambda", region_name="eu-west-1").create_function(
        FunctionName="worker", Runtime="python3.11", Role=role, Handler="app.x", Code={"ZipFile": b"x"}
    )
    set_connection("worker", conn_type="sosw_labourer", extra={"arn": ARN})
    assert SoswLabourerHook("worker").test_connection() == (True, f"labourer {ARN}: its function exists.")


@pytest.mark.usefixtures("mocked_aws", "sosw_connection")
def test_test_misses_the_function(set_connection: SetConnection) -> None:
    """It says what to do."""
    set_connection("worker", conn_type="sosw_labourer", extra={"arn": ARN})
    success, message = SoswLabourerHook("worker").test_connection()
    assert (success, f"there is no Lambda function {ARN}" in message, "in this Connection" in message) == (
        *(False, True),
        True,
    )


@pytest.mark.parametrize("extra", [{}, {"arn": ""}, {"arn": ARN}])
def test_test_without_what_it_needs(set_connection: SetConnection, extra: dict[str, str]) -> None:
    """No ARN, or no sosw Connection with credentials: the settings alone are looked at."""
    set_connection("worker", conn_type="sosw_labourer", extra=extra)
    success, message = SoswLabourerHook("worker").test_connection()
    assert (success, message.startswith("The settings can be read.")) == (True, True)


def test_test_of_faulty_extras(set_connection: SetConnection) -> None:
    """The fault is the message."""
    set_connection("worker", conn_type="sosw_labourer", extra="{")
    success, message = SoswLabourerHook("worker").test_connection()
    assert (success, "JSON object" in message) == (False, True)
