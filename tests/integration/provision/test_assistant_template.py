"""docs/cloudformation/sosw_assistant.yaml: the template of the code, accepted by cfn-lint, deployed in ministack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_all

from sosw_airflow.orchestration.assistant import VERSION
from sosw_airflow.provision.assistant import ASSISTANT, assistant_policy
from sosw_airflow.provision.assistant_template import assistant_template
from sosw_airflow.provision.destinations import EVENT_AGE, RETRIES, labourer_policy
from sosw_airflow.stores.tables import TableNames, create_missing_tables
from tests.conftest import REGION
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.lambda_functions import make_function

TEMPLATE = Path(__file__).parents[3] / "docs" / "cloudformation" / "sosw_assistant.yaml"
FILE = TEMPLATE.read_text(encoding="utf-8")


def test_the_file_is_the_template_of_the_code() -> None:
    """With the function's source as it is."""
    assert yaml.safe_load(FILE) == assistant_template()


def test_cfn_lint_accepts_it() -> None:
    """No error and no warning."""
    assert [str(match) for match in lint_all(FILE) if match.rule.id[0] in "EW"] == []


def test_it_can_be_deployed_from_a_file() -> None:
    """CloudFormation takes 51,200 bytes without a bucket for templates."""
    assert len(FILE.encode()) < 51_200


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """ministack that executes Python functions, with sosw's tables and a function that a labourer names."""
    log = tmp_path_factory.mktemp("template") / "ministack.log"
    with ministack_server(log, {"LAMBDA_EXECUTOR": "local"}) as emulator:
        create_missing_tables(emulator.client("dynamodb"))
        yield emulator


@pytest.fixture(scope="module")
def deployed(ministack: Emulator) -> Emulator:
    """The stack, with one labourer and its role."""
    make_function("worker", client=ministack.client)
    given = {"Labourers": "worker", "LabourerRoles": "worker"}
    cloudformation = ministack.client("cloudformation")
    cloudformation.create_stack(
        StackName="assistant",
        TemplateBody=FILE,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="assistant", WaiterConfig={"Delay": 1})
    return ministack


@pytest.mark.slow
def test_the_stacks_function_marks_a_task(deployed: Emulator) -> None:
    """It runs from the inline source, and the report of a worker closes the task's row."""
    dynamodb, aws_lambda = deployed.client("dynamodb"), deployed.client("lambda")
    row = {"task_id": {"S": "a" * 32}, "labourer_id": {"S": "worker"}, "attempts": {"N": "1"}}
    dynamodb.put_item(TableName="sosw_tasks", Item=row)
    configuration = aws_lambda.get_function_configuration(FunctionName=ASSISTANT)
    assert configuration["Environment"]["Variables"]["SOSW_ASSISTANT_VERSION"] == VERSION
    variables = {**configuration["Environment"]["Variables"], **deployed.environment()}
    aws_lambda.update_function_configuration(FunctionName=ASSISTANT, Environment={"Variables": variables})
    report = {"action": "mark_task_as_completed", "task_id": "a" * 32}
    reply = aws_lambda.invoke(FunctionName=ASSISTANT, Payload=json.dumps(report))
    assert json.loads(reply["Payload"].read()) == {"marked": True}
    assert "completed_at" in dynamodb.get_item(TableName="sosw_tasks", Key={"task_id": {"S": "a" * 32}})["Item"]


@pytest.mark.slow
def test_the_stacks_labourers_report_to_it(deployed: Emulator) -> None:
    """On success and on failure, with short-lived events."""
    aws_lambda = deployed.client("lambda")
    arn = aws_lambda.get_function_configuration(FunctionName=ASSISTANT)["FunctionArn"]
    # AWS treats no qualifier as this one, ministack as another one.
    config = aws_lambda.get_function_event_invoke_config(FunctionName="worker", Qualifier="$LATEST")
    assert (config["MaximumEventAgeInSeconds"], config["MaximumRetryAttempts"]) == (EVENT_AGE, RETRIES)
    destination = {"Destination": arn}
    assert config["DestinationConfig"] == {"OnSuccess": destination, "OnFailure": destination}


@pytest.mark.slow
def test_the_stacks_roles_have_the_policies_of_the_code(deployed: Emulator) -> None:
    """Those which docs/permissions.md shows."""
    iam = deployed.client("iam")
    configuration = deployed.client("lambda").get_function_configuration(FunctionName=ASSISTANT)
    role, account = configuration["Role"].rpartition("/")[2], configuration["FunctionArn"].split(":")[4]
    ours = iam.get_role_policy(RoleName=role, PolicyName=ASSISTANT)["PolicyDocument"]
    assert ours == assistant_policy(TableNames(), region=REGION, account=account)
    (attached,) = iam.list_attached_role_policies(RoleName="worker")["AttachedPolicies"]
    version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
    assert document == labourer_policy(configuration["FunctionArn"])
