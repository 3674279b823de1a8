"""Invokes a labourer's function for one claimed task, and says what the answer means for the claim."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from sosw_airflow.jobs.metrics import LATENCY, REFUSED, Report, unreported
from sosw_airflow.orchestration.policy import Invocation, LabourerPolicy
from sosw_airflow.stores.aws_errors import error_code, explain

__all__ = ["Answer", "Outcome", "invoke"]


class Outcome(str, Enum):
    """What became of an invocation."""

    SENT = "sent"  # a synchronous invocation under way; its answer follows
    ACCEPTED = "accepted"  # Lambda has the event
    ANSWERED = "answered"  # a synchronous invocation has ended, well or not
    REFUSED = "refused"  # not now: throttled, or a fault of Lambda; the claim is given back
    FAULT = "fault"  # not at all: no function, no permission; the claim is given back, the labourer pauses
    IMPOSSIBLE = "impossible"  # not this task: its event is too large
    UNKNOWN = "unknown"  # the answer is lost; the claim stays, and expires if no worker runs


@dataclass(frozen=True)
class Answer:
    """:ivar error: for the log.  :ivar failed: the function raised.  :ivar response: of a synchronous invocation."""

    outcome: Outcome
    error: Exception | None = None
    failed: bool = False
    response: Any = None


_TOO_LARGE = frozenset({"RequestTooLargeException", "RequestEntityTooLargeException", "413"})
_REFUSED = frozenset(
    {
        "TooManyRequestsException",
        "ThrottlingException",
        "EC2ThrottledException",
        "ServiceException",
        "ResourceNotReadyException",
    }
)


def invoke(aws_lambda: Any, policy: LabourerPolicy, event: dict[str, Any], metrics: Report = unreported) -> Answer:
    """Send one event. Nothing is raised: each way to fail has an outcome.

    :param aws_lambda: a boto3 Lambda client without repeats of its own: a repeated Invoke runs the task twice.
    :param metrics: takes how long it took, and whether it was refused.
    """
    begun = time.perf_counter()
    answer = _answer(aws_lambda, policy, event)
    metrics(LATENCY, time.perf_counter() - begun, policy.labourer_id)
    if answer.outcome is Outcome.REFUSED:
        metrics(REFUSED, 1, policy.labourer_id)
    return answer


def _answer(aws_lambda: Any, policy: LabourerPolicy, event: dict[str, Any]) -> Answer:
    kind = "Event" if policy.invocation is Invocation.EVENT else "RequestResponse"
    payload = json.dumps(event).encode()
    try:
        reply = aws_lambda.invoke(FunctionName=policy.function, InvocationType=kind, Payload=payload)
    except (ConnectTimeoutError, EndpointConnectionError) as error:
        return Answer(Outcome.REFUSED, _explain(error, policy))  # it was never sent
    except ClientError as error:
        return Answer(_outcome(error), _explain(error, policy))
    except BotoCoreError as error:
        sent = kind == "Event" or error_code(error) not in ("NoCredentialsError", "PartialCredentialsError")
        return Answer(Outcome.UNKNOWN if sent else Outcome.FAULT, _explain(error, policy))
    try:
        text = reply["Payload"].read()  # always: an unread body keeps its connection
    except BotoCoreError as error:
        return Answer(Outcome.ACCEPTED if kind == "Event" else Outcome.UNKNOWN, _explain(error, policy))
    if kind == "Event":
        return Answer(Outcome.ACCEPTED)
    return Answer(Outcome.ANSWERED, failed="FunctionError" in reply, response=_document(text))


def _outcome(error: ClientError) -> Outcome:
    code, status = error_code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _TOO_LARGE or status == 413:
        return Outcome.IMPOSSIBLE
    return Outcome.REFUSED if code in _REFUSED or status == 429 or status >= 500 else Outcome.FAULT


def _document(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")


def _explain(error: ClientError | BotoCoreError, policy: LabourerPolicy) -> Exception:
    return explain(error, action="lambda:InvokeFunction", resource=policy.function)
