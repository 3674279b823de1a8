"""Deploys the Lambda function that workers report to, and makes it the destination of labourers' functions."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sosw_airflow.stores.aws_errors import error_code, explained

if TYPE_CHECKING:
    from sosw_airflow.stores.tables import TableNames

__all__ = ["ASSISTANT", "assistant_code", "assistant_policy", "connect_labourer", "deploy_assistant", "labourer_policy"]

#: The name that sosw's `Worker` calls by default, so that workers need no change.
ASSISTANT = "sosw_worker_assistant"

_RUNTIME = "python3.12"

#: Seconds that a new role needs before Lambda can assume it, at most.
_ROLE_PATIENCE = 30.0

#: Seconds that Lambda keeps a labourer's event, and its own repeats: short, so that a lost task is known soon.
_EVENT_AGE, _RETRIES = 60, 0

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def assistant_code() -> bytes:
    """The function as a zip file: one module, ``assistant``, of `sosw_airflow.orchestration`."""
    from sosw_airflow.orchestration import assistant

    source = Path(assistant.__file__).read_text(encoding="utf-8")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        # A fixed date: the same source gives the same bytes, so that an update without a change is none.
        archive.writestr(zipfile.ZipInfo("assistant.py", (2020, 1, 1, 0, 0, 0)), source)
    return buffer.getvalue()


def assistant_policy(tables: TableNames, *, region: str, account: str, partition: str = "aws") -> dict[str, Any]:
    """What the function may do, beside writing its log: mark rows of two tables."""
    prefix = f"arn:{partition}:dynamodb:{region}:{account}:table/"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "dynamodb:UpdateItem",
                "Resource": [f"{prefix}{tables.tasks_table}", f"{prefix}{tables.retry_tasks_table}"],
            },
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": f"arn:{partition}:logs:{region}:{account}:*",
            },
        ],
    }


def labourer_policy(assistant_arn: str) -> dict[str, Any]:
    """What the role of a labourer's function needs more: Lambda calls the destination in its name."""
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": assistant_arn}
    return {"Version": "2012-10-17", "Statement": [statement]}


def deploy_assistant(
    aws_lambda: Any, iam: Any, tables: TableNames, *, name: str = ASSISTANT, role_arn: str | None = None
) -> str:
    """Create the function, or update its code and settings, and return its ARN. The same again changes nothing.

    :param iam: a boto3 IAM client, to create the role; unused with a role.
    :param role_arn: of a role with `assistant_policy`; None creates one with the function's name.
    :raises SoswError: AWS refuses.
    """
    from sosw_airflow.orchestration.assistant import VERSION

    settings = {
        "Runtime": _RUNTIME,
        "Handler": "assistant.handler",
        "Timeout": 30,
        "Description": f"sosw_airflow worker assistant, version {VERSION}",
        "Environment": {
            "Variables": {
                "SOSW_TASKS_TABLE": tables.tasks_table,
                "SOSW_RETRY_TASKS_TABLE": tables.retry_tasks_table,
                "SOSW_ASSISTANT_VERSION": VERSION,
            }
        },
    }
    with explained(action="lambda:CreateFunction", resource=name):
        try:
            current = aws_lambda.get_function_configuration(FunctionName=name)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            current = None
    if current is None:
        role = role_arn or _role(iam, name, tables, region=aws_lambda.meta.region_name)
        return _create(aws_lambda, name, role, settings)
    with explained(action="lambda:UpdateFunctionCode", resource=name):
        aws_lambda.update_function_code(FunctionName=name, ZipFile=assistant_code())
        aws_lambda.get_waiter("function_updated_v2").wait(FunctionName=name)
        aws_lambda.update_function_configuration(
            FunctionName=name, **settings, **({"Role": role_arn} if role_arn else {})
        )
    return str(current["FunctionArn"])


def connect_labourer(aws_lambda: Any, function: str, assistant_arn: str) -> None:
    """Make the assistant the destination of a labourer's function, on success and on failure.

    Lambda then keeps an event for a minute and repeats none itself: retries are the orchestrator's.

    :raises SoswError: AWS refuses, for example because the function's role may not invoke the assistant.
    """
    destination = {"Destination": assistant_arn}
    with explained(action="lambda:PutFunctionEventInvokeConfig", resource=function):
        aws_lambda.put_function_event_invoke_config(
            FunctionName=function,
            MaximumEventAgeInSeconds=_EVENT_AGE,
            MaximumRetryAttempts=_RETRIES,
            DestinationConfig={"OnSuccess": destination, "OnFailure": destination},
        )


def _role(iam: Any, name: str, tables: TableNames, *, region: str) -> str:
    with explained(action="iam:CreateRole", resource=name):
        try:
            role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]
        except ClientError as error:
            if error_code(error) != "EntityAlreadyExists":
                raise
            role = iam.get_role(RoleName=name)["Role"]
        arn = str(role["Arn"])
        partition, account = arn.split(":")[1], arn.split(":")[4]
        policy = assistant_policy(tables, region=region, account=account, partition=partition)
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    return arn


def _create(aws_lambda: Any, name: str, role: str, settings: dict[str, Any]) -> str:
    deadline = time.monotonic() + _ROLE_PATIENCE
    while True:
        with explained(action="lambda:CreateFunction", resource=name):
            try:
                reply = aws_lambda.create_function(
                    FunctionName=name, Role=role, Code={"ZipFile": assistant_code()}, **settings
                )
            except ClientError as error:
                # A role that was made a moment ago cannot be assumed everywhere yet.
                if error_code(error) != "InvalidParameterValueException" or time.monotonic() > deadline:
                    raise
            else:
                return str(reply["FunctionArn"])
        time.sleep(2)
