"""What an error of AWS means for the caller: wait and send again, give up, or read first.

One place judges, so that the writer, the records and the queue file treat the same answer alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own name
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
)

from sosw_airflow.exceptions import AccessDenied, AwsFault, MissingBucket, MissingCredentials, MissingTable
from sosw_airflow.stores.credentials import searched_places

__all__ = [
    "Argument",
    "Verdict",
    "cancellation_codes",
    "error_code",
    "explain",
    "explain_faults",
    "judge",
    "judge_reasons",
    "member",
    "was_refused",
]


class Verdict(str, Enum):
    """What to do after a failed call."""

    THROTTLED = "throttled"  # slow down, then send again
    TRANSIENT = "transient"  # the outcome may be unknown; sending again settles it
    CANCELLED = "cancelled"  # a transaction was refused: its reasons decide
    PERMANENT = "permanent"  # sending again cannot help


class Argument(str):
    """Name of an operator's argument that names a bucket, in the place of an extra of the Connection."""


#: Characters of an error of AWS that ours repeats.
_LONGEST = 2000

_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
    }
)
_TRANSIENT = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "NoSuchKey",  # the source of a copy, which existed a moment ago: the next attempt reads again
        "NoSuchUpload",  # a lifecycle rule has ended it, or an answer was lost: a new one succeeds
        "PreconditionFailed",  # the source of a copy was replaced: the next attempt reads again
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ReplicatedWriteConflictException",
    }
)
_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "AuthorizationHeaderMalformed",
        "KMSAccessDeniedException",
    }
)
#: For example a role whose endpoint does not answer for a moment.
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
#: What fails before a request leaves this machine.
_NEVER_SENT = (
    *_NO_CREDENTIALS,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ProxyConnectionError,
)
#: Requests for credentials that botocore sends before the caller's own one, with the names of their permissions.
_FOR_CREDENTIALS = {
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithSAML": "sts:AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "GetRoleCredentials": "sso:GetRoleCredentials",
}


def error_code(error: BaseException) -> str:
    """AWS's code of the error, or the name of botocore's class."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def cancellation_codes(error: ClientError) -> list[str]:
    """The code for each action of a cancelled transaction, ``"None"`` for one that was not at fault."""
    reasons = error.response.get("CancellationReasons")
    if reasons:
        return [str(reason.get("Code") or "None") for reason in reasons]
    # Some emulators and old endpoints have the codes in the message only: "... specific reasons [None, X]".
    message = str(error.response.get("Error", {}).get("Message", ""))
    start, end = message.rfind("["), message.rfind("]")
    return [code.strip() for code in message[start + 1 : end].split(",")] if 0 <= start < end else []


def judge(error: BaseException) -> Verdict:
    """What the error means."""
    code = error_code(error)
    if isinstance(error, ClientError):
        if code == "TransactionCanceledException":
            return Verdict.CANCELLED
        if code in _THROTTLED:
            return Verdict.THROTTLED
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return Verdict.TRANSIENT if code in _TRANSIENT or status >= 500 else Verdict.PERMANENT
    if isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError)):
        return Verdict.TRANSIENT
    return Verdict.PERMANENT


def judge_reasons(codes: Iterable[str]) -> Verdict:
    """What the reasons of a cancelled transaction mean together: the worst of them decides.

    A condition that failed is no fault of the request, so it counts as transient, as does a missing reason.
    """
    faults = {code for code in codes if code not in ("", "None", "ConditionalCheckFailed")}
    if not faults <= _THROTTLED | _TRANSIENT:
        return Verdict.PERMANENT
    return Verdict.THROTTLED if faults & _THROTTLED else Verdict.TRANSIENT


def was_refused(error: ClientError | BotoCoreError) -> bool:
    """Whether AWS has certainly not done what it was asked for; otherwise the outcome is unknown.

    AWS carries out nothing that it answers with 4xx, with 503 or with a request for patience. After 500, and after a
    connection that broke once the request was sent, only the resource itself knows.
    """
    if not isinstance(error, ClientError):
        return isinstance(error, _NEVER_SENT)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (
        400 <= status < 500
        or status == 503
        or error_code(error) in _THROTTLED
        or getattr(error, "operation_name", "") in _FOR_CREDENTIALS
    )


def explain(
    error: ClientError | BotoCoreError,
    *,
    action: str,
    resource: str,
    setting: str = "",
    bucket: bool = False,
    key: str = "",
) -> AwsFault:
    """The error in words that name the resource and the fix.

    :param action: the API call, e.g. ``dynamodb:Query``.
    :param resource: the table or bucket.
    :param setting: the extra of the sosw Connection that names it, or the `Argument`; empty if nothing does.
    :param bucket: the resource is a bucket.
    :param key: of the object in that bucket.
    """
    code = error_code(error)
    if isinstance(error, _NO_CREDENTIALS):
        return MissingCredentials(detail=_shown(error), searched=searched_places())
    if isinstance(error, ClientError) and error.operation_name in _FOR_CREDENTIALS:
        action, resource = _FOR_CREDENTIALS[error.operation_name], "the role of the AWS Connection"
        setting, bucket, key = "", False, ""
    if code in _DENIED:
        missing = action == "s3:GetObject" and code in ("403", "AccessDenied")
        place = f"s3://{resource}/{key}" if key else resource
        return AccessDenied(action=action, resource=place, detail=_shown(error), may_be_missing=missing)
    if code in {"NoSuchBucket", "404"} and bucket:
        return MissingBucket(resource, setting=setting, is_argument=isinstance(setting, Argument))
    missing = code == "ResourceNotFoundException"
    if (missing and action.startswith("dynamodb:")) or "does not have the specified index" in str(error):
        return MissingTable(resource, setting=setting)
    origin = f" (The extra {setting!r} of the sosw Connection names it.)" if setting else ""
    if isinstance(setting, Argument):
        origin = f" (The argument {str(setting)!r} names it.)"
    if missing and action.startswith("lambda:"):
        origin = " Fix: deploy the function, or correct the labourer's setting 'arn' or region_name of the Connection."
    fault = AwsFault(f"{action} on {resource} failed: {_shown(error).rstrip('.')}{_reason_texts(error)}.{origin}")
    verdict = judge(error)
    if verdict is Verdict.CANCELLED and isinstance(error, ClientError):
        verdict = judge_reasons(cancellation_codes(error))
    fault.retryable = verdict is not Verdict.PERMANENT
    return fault


def _reason_texts(error: BaseException) -> str:
    """What AWS says of the actions that cancelled a transaction; its own message has their codes only."""
    reasons = error.response.get("CancellationReasons") or () if isinstance(error, ClientError) else ()
    texts = dict.fromkeys(str(reason["Message"]) for reason in reasons if reason.get("Message"))
    return f" ({_shown('; '.join(texts))})" if texts else ""


def _shown(given: object) -> str:
    """A text of AWS, or of a proxy before it, which answers with whole pages, as a log can show it."""
    return str(given)[:_LONGEST].encode("utf-8", "backslashreplace").decode()


@contextmanager
def explain_faults(
    *, action: str, resource: str, setting: str = "", bucket: bool = False, key: str = ""
) -> Iterator[None]:
    """Turn what botocore raises inside into this provider's errors; the arguments are those of `explain`."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise explain(error, action=action, resource=resource, setting=setting, bucket=bucket, key=key) from error


def member(reply: dict[str, Any], name: str, *, action: str) -> Any:
    """A member that every whole answer has; boto3 gives an empty answer if the connection broke in its middle.

    :raises AwsFault: the answer lacks it.
    """
    if name not in reply:
        fault = AwsFault(f"The answer of AWS to {action} broke off. Another attempt will most likely get it whole.")
        fault.retryable = True
        raise fault
    return reply[name]
