"""Deploys the Lambda function that workers report to; `destinations` lets labourers' functions report to it."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sosw_airflow.orchestration.readings import function_configuration
from sosw_airflow.stores.aws_errors import error_code, explain_faults

if TYPE_CHECKING:
    from sosw_airflow.stores.tables import TableNames

__all__ = [
    "ASSISTANT",
    "AssistantState",
    "assistant_code",
    "assistant_policy",
    "assistant_source",
    "assistant_state",
    "deploy_assistant",
    "once_the_role_works",
]

#: The name that sosw's `Worker` calls by default, so that workers need no change.
ASSISTANT = "sosw_worker_assistant"

RUNTIME = "python3.12"

#: Seconds that the function may take.
TIMEOUT = 30

#: Seconds that a new role or policy needs before Lambda sees it, at most.
_ROLE_PATIENCE = 30.0

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class AssistantState(str, Enum):
    """What a deployed function of the assistant's name is."""

    MISSING = "missing"
    FOREIGN = "foreign"  # another program's, such as upstream's
    OLD = "old"  # of an older version, or for other tables
    CURRENT = "current"


def assistant_source() -> str:
    """The function's Python source: `sosw_airflow.orchestration.assistant` as it is."""
    from sosw_airflow.orchestration import assistant

    return Path(assistant.__file__).read_text(encoding="utf-8")


def assistant_code() -> bytes:
    """The function as a zip file: one module, ``assistant``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        # A fixed date: the same source gives the same bytes, so that an update without a change is none.
        archive.writestr(zipfile.ZipInfo("assistant.py", (2020, 1, 1, 0, 0, 0)), assistant_source())
    return buffer.getvalue()


def assistant_environment(tables: TableNames) -> dict[str, str]:
    """The environment variables of the function: the tables that it marks rows in, and its version."""
    from sosw_airflow.orchestration.assistant import VERSION

    return {
        "SOSW_TASKS_TABLE": tables.tasks_table,
        "SOSW_RETRY_TASKS_TABLE": tables.retry_tasks_table,
        "SOSW_ASSISTANT_VERSION": VERSION,
    }


def assistant_state(aws_lambda: Any, tables: TableNames, *, name: str = ASSISTANT) -> AssistantState:
    """Compare the deployed function with this version. A newer version than this one counts as current.

    :raises SoswError: AWS refuses.
    """
    current = function_configuration(aws_lambda, name)
    if current is None:
        return AssistantState.MISSING
    found, wanted = current.get("Environment", {}).get("Variables", {}), assistant_environment(tables)
    version, least = found.pop("SOSW_ASSISTANT_VERSION", ""), wanted.pop("SOSW_ASSISTANT_VERSION")
    if not version.isdigit():
        return AssistantState.FOREIGN
    same_tables = wanted.items() <= found.items()
    return AssistantState.CURRENT if same_tables and int(version) >= int(least) else AssistantState.OLD


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


def deploy_assistant(
    aws_lambda: Any, iam: Any, tables: TableNames, *, name: str = ASSISTANT, role_arn: str | None = None
) -> str:
    """Create the function, or update its code and settings, and return its ARN. The same again changes nothing.

    The code of another program's function stays as a published version, so that you can go back to it.

    :param iam: a boto3 IAM client, to create the role; unused with a role.
    :param role_arn: of a role with `assistant_policy`; None creates one with the function's name.
    :raises SoswError: AWS refuses.
    """
    environment = assistant_environment(tables)
    settings = {
        "Runtime": RUNTIME,
        "Handler": "assistant.handler",
        "Timeout": TIMEOUT,
        "Description": f"sosw_airflow worker assistant, version {environment['SOSW_ASSISTANT_VERSION']}",
        "Environment": {"Variables": environment},
    }
    current = function_configuration(aws_lambda, name)
    if current is None:
        role = role_arn or _role(iam, name, tables, region=aws_lambda.meta.region_name)
        code = {"ZipFile": assistant_code()}
        with explain_faults(action="lambda:CreateFunction", resource=name):
            reply = once_the_role_works(
                lambda: aws_lambda.create_function(FunctionName=name, Role=role, Code=code, **settings)
            )
        return str(reply["FunctionArn"])
    if assistant_state(aws_lambda, tables, name=name) is AssistantState.FOREIGN:
        with explain_faults(action="lambda:PublishVersion", resource=name):
            aws_lambda.publish_version(FunctionName=name, Description="before sosw_airflow replaced it")
    with explain_faults(action="lambda:UpdateFunctionCode", resource=name):
        aws_lambda.update_function_code(FunctionName=name, ZipFile=assistant_code())
        aws_lambda.get_waiter("function_updated_v2").wait(FunctionName=name)
        aws_lambda.update_function_configuration(
            FunctionName=name, **settings, **({"Role": role_arn} if role_arn else {})
        )
        aws_lambda.get_waiter("function_updated_v2").wait(FunctionName=name)
    return str(current["FunctionArn"])


def once_the_role_works(request: Callable[[], Any]) -> Any:
    """The answer of a request to Lambda, sent again while a role or policy that was made a moment ago is unknown."""
    deadline = time.monotonic() + _ROLE_PATIENCE
    while True:
        try:
            return request()
        except ClientError as error:
            if error_code(error) != "InvalidParameterValueException" or time.monotonic() > deadline:
                raise
        time.sleep(2)


def _role(iam: Any, name: str, tables: TableNames, *, region: str) -> str:
    with explain_faults(action="iam:CreateRole", resource=name):
        try:
            role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        except ClientError as error:
            if error_code(error) != "EntityAlreadyExists":
                raise
            role = iam.get_role(RoleName=name)["Role"]
        arn = str(role["Arn"])
        partition, account = arn.split(":")[1], arn.split(":")[4]
        policy = assistant_policy(tables, region=region, account=account, partition=partition)
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    return arn
