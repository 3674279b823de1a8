"""Lambda's asynchronous invocations: its own retries, the age of an event, destinations.

The rules are those of Lambda's developer guide ("Asynchronous invocation"). An event whose function raises is run again
after one minute and after two more, up to its configured retries, and not once it is too old. The destination on
success or on failure then gets an envelope, itself as an asynchronous event. An accepted event may be run twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.support.deterministic_aws.aws import DeterministicAws

#: Seconds that Lambda waits before its first and its second retry.
RETRY_WAITS = (60.0, 120.0)


class FunctionFailed(Exception):
    """What a function raises."""


@dataclass(frozen=True)
class Function:
    """A function and its event-invoke configuration.

    :ivar run: gets an event and returns the response, or raises `FunctionFailed`.
    :ivar retries: ``MaximumRetryAttempts``.  :ivar event_age: ``MaximumEventAgeInSeconds``.
    :ivar on_success: and ``on_failure``: names of the functions that are destinations.
    """

    run: Callable[[Any], Any]
    retries: int = 2
    event_age: int = 21_600
    on_success: str = ""
    on_failure: str = ""

    def event_invoke_config(self) -> dict[str, Any]:
        """As GetFunctionEventInvokeConfig answers it."""
        names = {"OnSuccess": self.on_success, "OnFailure": self.on_failure}
        return {
            "MaximumRetryAttempts": self.retries,
            "MaximumEventAgeInSeconds": self.event_age,
            "DestinationConfig": {kind: {"Destination": arn_of(name)} for kind, name in names.items() if name},
        }


@dataclass(frozen=True)
class Event:
    """An accepted event. ``at``: seconds since 1970."""

    function: str
    payload: Any
    at: float


def arn_of(name: str) -> str:
    """The ARN of a function."""
    return f"arn:aws:lambda:us-west-2:123456789012:function:{name}"


def run_events(aws: DeterministicAws, aws_lambda: Any) -> int:
    """Run the accepted events until there are none, and send what their destinations get. Returns how many.

    :param aws_lambda: a boto3 client, for the destinations.
    """
    number = 0
    while (event := aws.take_event()) is not None:
        _run(aws, aws_lambda, event)
        number += 1
    return number


def _run(aws: DeterministicAws, aws_lambda: Any, event: Event) -> None:
    function = aws.functions[event.function]
    response: Any = None
    condition, executions = "RetriesExhausted", 0
    for number in range(1 + function.retries):
        if number:
            time.sleep(RETRY_WAITS[number - 1])
        if aws.clock - event.at > function.event_age:
            condition = "EventAgeExceeded"
            break
        executions += 1
        try:
            response = function.run(event.payload)
        except (FunctionFailed, ClientError) as failure:
            response = {"errorType": type(failure).__name__, "errorMessage": str(failure)}
        else:
            condition = "Success"
            break
    destination = function.on_success if condition == "Success" else function.on_failure
    if destination:
        envelope = envelope_of(event, condition, response, executions)
        body = json.dumps(envelope).encode()
        aws_lambda.invoke(FunctionName=destination, InvocationType="Event", Payload=body)


def envelope_of(event: Event, condition: str, response: Any, executions: int) -> dict[str, Any]:
    """What a destination gets (developer guide, "Capturing records of asynchronous invocations")."""
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    if condition != "Success":
        context["functionError"] = "Unhandled"
    ran = executions > 0  # an event that was never run has no response
    return {
        "version": "1.0",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(event.at)),
        "requestContext": {
            "requestId": "00000000-0000-0000-0000-000000000000",
            "functionArn": f"{arn_of(event.function)}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": executions,
        },
        "requestPayload": event.payload,
        **({"responseContext": context, "responsePayload": response} if ran else {}),
    }
