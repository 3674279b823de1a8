"""The direct edge: calls of a boto3 client are answered before botocore writes, signs and parses anything.

A call takes a tenth of its time on the wire. Repeats and errors are as botocore's mode "standard" makes them; a test
compares both edges.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http.client import responses
from io import BytesIO
from itertools import count
from typing import Any

from botocore.exceptions import ConnectionClosedError
from botocore.response import StreamingBody

from tests.support.deterministic_aws.answers import AwsError, Reply, Request, apart
from tests.support.deterministic_aws.s3_operations import S3Request

#: Errors that botocore repeats, beside those with a status of 500 or more that it lists.
_REPEATED = frozenset({"ProvisionedThroughputExceededException", "SlowDown", "TooManyRequestsException"})
_REPEATED_STATUS = frozenset({500, 502, 503, 504})

#: Seconds between two attempts, at both edges.
PAUSE = 0.05

#: Members of a call that S3 gets as headers.
_HEADERS = {
    "ContentType": "content-type",
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
    "Range": "range",
    "MetadataDirective": "x-amz-metadata-directive",
    "CopySourceIfMatch": "x-amz-copy-source-if-match",
}
_QUERY = {"UploadId": "uploadId", "PartNumber": "partNumber", "Prefix": "prefix", "StartAfter": "start-after"}

_calls = count(1)


def call(
    client: Any, attempts: int, operation: str, arguments: dict[str, Any], answer: Callable[[Request], Reply]
) -> Any:
    """What a method of a client returns.

    :param attempts: that botocore makes for a request.
    :param answer: AWS.
    """
    service, number = client.meta.service_model.service_name, str(next(_calls))
    request = Request(service, operation, _arguments(service, operation, arguments, number), number)
    for attempt in count(1):
        try:
            reply = answer(request)
        except ConnectionClosedError:
            if attempt == attempts:
                raise
        else:
            if reply.error is None:
                return _result(request, reply, attempt)
            repeated = reply.error.code in _REPEATED or reply.error.status in _REPEATED_STATUS
            if not repeated or attempt == attempts:
                raise _error(client, request, reply.error, attempt, last=attempt == attempts)
        time.sleep(PAUSE)
    raise AssertionError


def _arguments(service: str, operation: str, arguments: dict[str, Any], number: str) -> Any:
    if service == "dynamodb":
        own = apart(arguments)  # nothing is shared with the caller, as on the wire
        if operation == "TransactWriteItems":
            own.setdefault("ClientRequestToken", number)
        return own
    return _s3_request(operation, arguments) if service == "s3" else dict(arguments)


def _s3_request(operation: str, arguments: dict[str, Any]) -> S3Request:
    headers = {header: arguments[name] for name, header in _HEADERS.items() if name in arguments}
    headers.update({f"x-amz-meta-{name.lower()}": text for name, text in arguments.get("Metadata", {}).items()})
    source = arguments.get("CopySource")
    if source is not None:
        headers["x-amz-copy-source"] = source if isinstance(source, str) else f"{source['Bucket']}/{source['Key']}"
    body = arguments.get("Body", b"")
    parts = tuple(each["PartNumber"] for each in arguments.get("MultipartUpload", {}).get("Parts", ()))
    return S3Request(
        operation,
        arguments.get("Bucket", ""),
        arguments.get("Key", ""),
        {name: str(arguments[member]) for member, name in _QUERY.items() if member in arguments},
        headers,
        body.read() if hasattr(body, "read") else body.encode() if isinstance(body, str) else bytes(body),
        parts,
    )


def _result(request: Request, reply: Reply, attempt: int) -> dict[str, Any]:
    metadata = {"HTTPStatusCode": reply.status, "HTTPHeaders": {}, "RetryAttempts": attempt - 1}
    if request.service == "dynamodb":
        members = apart(reply.members)
    else:
        members = dict(reply.members)
        for name in ("Body", "Payload"):
            if name in members:
                members[name] = StreamingBody(BytesIO(members[name]), len(members[name]))
    return {**members, "ResponseMetadata": metadata}


def _error(client: Any, request: Request, error: AwsError, attempt: int, *, last: bool) -> Exception:
    metadata = {"HTTPStatusCode": error.status, "HTTPHeaders": {}, "RetryAttempts": attempt - 1}
    if last:
        metadata["MaxAttemptsReached"] = True
    head = request.operation in ("HeadObject", "HeadBucket")
    code, message = (str(error.status), responses[error.status]) if head else (error.code, error.message)
    described = {"Message": message, "Code": code}
    members = dict(error.members)
    if request.service == "s3":
        described.update({} if head else members)
        members = {}
    parsed = {"Error": described, **members, "ResponseMetadata": metadata}
    return client.exceptions.from_code(code)(parsed, request.operation)
