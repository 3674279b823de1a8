"""Errors in the shape in which DynamoDB and S3 send them."""

from __future__ import annotations

import json
import uuid
import zlib
from typing import TYPE_CHECKING, Any

from tests.support.faults.request import S3, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

_DYNAMODB_NAMESPACE = "com.amazonaws.dynamodb.v20120810#"
_AVAILABILITY_NAMESPACE = "com.amazon.coral.availability#"
_SERVICE_NAMESPACE = "com.amazon.coral.service#"

_TABLE_EXCEEDED = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)
INDEX_EXCEEDED = (
    "The level of configured provisioned throughput for one or more global secondary indexes of the table was "
    "exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the "
    "UpdateTable API"
)
_ON_DEMAND_EXCEEDED = (
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or "
    "index so please try again shortly. If exceptions persist, check if you have a hot key: "
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
)

# Error code -> (namespace, status, message). The codes are those of the DynamoDB API reference, "Common errors".
_DYNAMODB_ERRORS: dict[str, tuple[str, int, str]] = {
    "ProvisionedThroughputExceededException": (_DYNAMODB_NAMESPACE, 400, _TABLE_EXCEEDED),
    "ThrottlingException": (_AVAILABILITY_NAMESPACE, 400, _ON_DEMAND_EXCEEDED),
    "RequestLimitExceeded": (
        _DYNAMODB_NAMESPACE,
        400,
        (
            "Throughput exceeds the current throughput limit for your account. Please contact AWS Support at "
            "https://aws.amazon.com/support to request a limit increase"
        ),
    ),
    "InternalServerError": (_DYNAMODB_NAMESPACE, 500, "Internal server error"),
    "ServiceUnavailableException": (_AVAILABILITY_NAMESPACE, 503, "Service is temporarily unavailable."),
    "TransactionInProgressException": (
        _DYNAMODB_NAMESPACE,
        400,
        "The transaction with the given request token is already in progress.",
    ),
    "TransactionConflictException": (_DYNAMODB_NAMESPACE, 400, "Transaction is ongoing for the item"),
    "AccessDeniedException": (_SERVICE_NAMESPACE, 400, "User is not authorized to perform this operation"),
    "ResourceNotFoundException": (_DYNAMODB_NAMESPACE, 400, "Requested resource not found"),
    "ValidationException": (_SERVICE_NAMESPACE.replace("service", "validate"), 400, "A value is not valid"),
    "ExpiredTokenException": (_SERVICE_NAMESPACE, 400, "The security token included in the request is expired"),
}
_S3_ERRORS: dict[str, tuple[int, str]] = {
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "ServiceUnavailable": (503, "Service is unable to handle request."),
    "SlowDown": (503, "Please reduce your request rate."),
    "AccessDenied": (403, "Access Denied"),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
}

# The code of a cancellation reason -> its message (None: no error, and then without a message).
CANCELLATION_MESSAGES: dict[str, str | None] = {
    "None": None,
    "ConditionalCheckFailed": "The conditional request failed",
    "ProvisionedThroughputExceeded": _TABLE_EXCEEDED,
    "ThrottlingError": _ON_DEMAND_EXCEEDED,
    "TransactionConflict": "Transaction is ongoing for the item",
}


def dynamodb_response(document: dict[str, Any], status: int = 200) -> Response:
    """Wrap a document as DynamoDB does, with the checksum that botocore verifies."""
    body = json.dumps(document).encode()
    headers = [
        (b"Content-Type", b"application/x-amz-json-1.0"),
        (b"x-amzn-RequestId", uuid.uuid4().hex.upper().encode()),
        (b"x-amz-crc32", b"%d" % zlib.crc32(body)),
    ]
    return Response(status, headers, body)


def dynamodb_error(code: str, message: str | None = None, **members: Any) -> Response:
    """Refuse a whole request. `members` go into the body beside the message."""
    namespace, status, default = _DYNAMODB_ERRORS[code]
    document = {"__type": namespace + code, "message": message or default, **members}
    return dynamodb_response(document, status)


def transaction_cancelled(codes: Sequence[str], messages: Sequence[str | None] | None = None) -> Response:
    """Cancel a transaction: one code for each of its items, in their order."""
    reasons = []
    for index, code in enumerate(codes):
        message = (messages[index] if messages else None) or CANCELLATION_MESSAGES[code]
        reasons.append({"Code": code} if message is None else {"Code": code, "Message": message})
    document = {
        "__type": _DYNAMODB_NAMESPACE + "TransactionCanceledException",
        "CancellationReasons": reasons,
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(codes)}]",
    }
    return dynamodb_response(document, 400)


def s3_error(code: str, request: Request) -> Response:
    """Refuse an S3 request. The answer to HEAD has no body, so that a client sees the status alone."""
    status, message = _S3_ERRORS[code]
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
        f"<RequestId>{uuid.uuid4().hex[:16].upper()}</RequestId><HostId>fault-proxy</HostId></Error>"
    ).encode()
    return Response(status, [(b"Content-Type", b"application/xml")], b"" if request.method == "HEAD" else body)


def error(code: str, request: Request, message: str | None = None) -> Response:
    """Refuse a request with an error of its own service. Raises KeyError for a code that the service does not know."""
    return s3_error(code, request) if request.service == S3 else dynamodb_error(code, message)
