"""Makes the assistant the destination of a labourer's function, so that a function without a line of sosw reports."""

from __future__ import annotations

import json
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.orchestration.readings import event_invoke_config, existing_function
from sosw_airflow.provision.assistant import ASSISTANT, once_the_role_works
from sosw_airflow.stores.aws_errors import explain_faults

__all__ = [
    "EVENT_AGE",
    "RETRIES",
    "check_destination",
    "connect_labourer",
    "destinations_of",
    "labourer_policy",
    "names_function",
]

#: Seconds that Lambda keeps a labourer's event, and its own repeats: short, so that a lost task is known soon.
EVENT_AGE, RETRIES = 60, 0


def labourer_policy(assistant_arn: Any) -> dict[str, Any]:
    """What the role of a labourer's function needs more: Lambda calls the destination in its name."""
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": assistant_arn}
    return {"Version": "2012-10-17", "Statement": [statement]}


def check_destination(aws_lambda: Any, function: str, *, assistant: str = ASSISTANT) -> bool:
    """Whether the function reports to the assistant, its events are short-lived and Lambda repeats none.

    :raises InvalidConfiguration: the function has another destination, which `connect_labourer` would replace.
    :raises SoswError: the function does not exist, or AWS refuses.
    """
    existing_function(aws_lambda, function)
    config = event_invoke_config(aws_lambda, function)
    found = destinations_of(config)
    others = {arn for arn in found.values() if not names_function(arn, assistant)}
    if others:
        problem = (
            f"sends its results to {', '.join(sorted(others))} already. Let that destination invoke {assistant} with "
            "the same event, or remove it"
        )
        raise InvalidConfiguration([Fault(f"function {function}", problem)])
    settings = config.get("MaximumEventAgeInSeconds"), config.get("MaximumRetryAttempts")
    return len(found) == 2 and settings == (EVENT_AGE, RETRIES)


def connect_labourer(aws_lambda: Any, iam: Any, function: str, assistant_arn: str) -> None:
    """Let the function's role invoke the assistant, and make that its destination on success and on failure.

    Lambda then keeps an event for a minute and repeats none itself: retries are the orchestrator's.

    :raises SoswError: AWS refuses.
    """
    role = existing_function(aws_lambda, function)["Role"].rpartition("/")[2]
    with explain_faults(action="iam:PutRolePolicy", resource=role):
        policy = json.dumps(labourer_policy(assistant_arn))
        iam.put_role_policy(RoleName=role, PolicyName=ASSISTANT, PolicyDocument=policy)
    destination = {"Destination": assistant_arn}
    with explain_faults(action="lambda:PutFunctionEventInvokeConfig", resource=function):
        once_the_role_works(
            lambda: aws_lambda.put_function_event_invoke_config(
                FunctionName=function,
                MaximumEventAgeInSeconds=EVENT_AGE,
                MaximumRetryAttempts=RETRIES,
                DestinationConfig={"OnSuccess": destination, "OnFailure": destination},
            )
        )


def destinations_of(config: dict[str, Any]) -> dict[str, str]:
    """The destinations of an event-invoke configuration by their condition: ``OnSuccess``, ``OnFailure``."""
    found = config.get("DestinationConfig") or {}
    return {name: arn for name in ("OnSuccess", "OnFailure") if (arn := (found.get(name) or {}).get("Destination"))}


def names_function(arn: str, name: str) -> bool:
    """Whether an ARN is that of the Lambda function, of any version or alias."""
    parts = arn.split(":")
    return parts[2:3] == ["lambda"] and parts[6:7] == [name]
