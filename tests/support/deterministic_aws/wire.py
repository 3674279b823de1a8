"""The wire edge: requests that botocore is about to send, and answers as the bytes that it parses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse

from tests.support.deterministic_aws.answers import AwsError, Reply, Request
from tests.support.deterministic_aws.s3_operations import S3Request

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

#: Operations of S3 whose answer is a document, with its root element.
_DOCUMENTS = {
    "CopyObject": "CopyObjectResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "ListObjectsV2": "ListBucketResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
}

_HEADERS = {
    "ETag": "ETag",
    "LastModified": "Last-Modified",
    "ContentType": "Content-Type",
    "ContentLength": "Content-Length",
    "ContentRange": "Content-Range",
    "Location": "Location",
}


def request_of(event_name: str, prepared: Any) -> Request:
    """The request that botocore has prepared (the arguments of its event ``before-send``)."""
    _, service, operation = event_name.split(".")
    attempt_of = _text(prepared.headers.get("amz-sdk-invocation-id", ""))
    if service == "s3":
        return Request(service, operation, _s3_request(operation, prepared), attempt_of)
    if service == "lambda":
        function = prepared.url.rpartition("/functions/")[2].partition("/")[0]
        kind = _text(prepared.headers.get("X-Amz-Invocation-Type", "RequestResponse"))
        arguments = {"FunctionName": function, "InvocationType": kind, "Payload": prepared.body or b"null"}
        return Request(service, operation, arguments, attempt_of)
    return Request(service, operation, json.loads(prepared.body), attempt_of)


def _s3_request(operation: str, prepared: Any) -> S3Request:
    url = urlsplit(prepared.url)
    bucket, _, key = url.path.lstrip("/").partition("/")
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    body = prepared.body or b""
    if hasattr(body, "read"):
        body.seek(0)
        body = body.read()
    headers = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    parts: tuple[int, ...] = ()
    if operation == "CompleteMultipartUpload":
        document = ET.fromstring(body)  # noqa: S314 - our own client has written it
        parts = tuple(int(part.text or "") for part in document.iter() if part.tag.endswith("PartNumber"))
        body = b""
    return S3Request(operation, unquote(bucket), unquote(key), query, headers, bytes(body), parts)


def response_of(request: Request, reply: Reply) -> AWSResponse:
    """The answer as botocore gets it."""
    if request.service == "s3":
        return _s3_response(request, reply)
    if request.service == "lambda":
        return _lambda_response(request, reply)
    if reply.error is None:
        return _json(reply.members)
    kind = f"com.amazonaws.dynamodb.v20120810#{reply.error.code}"
    document = {"__type": kind, "message": reply.error.message, **reply.error.members}
    return _json(document, reply.error.status)


def _lambda_response(request: Request, reply: Reply) -> AWSResponse:
    if reply.error is not None:
        headers = {"x-amzn-errortype": reply.error.code}
        return _json({"Type": "User", "message": reply.error.message}, reply.error.status, headers)
    if request.operation != "Invoke":
        return _json(reply.members, reply.status)
    failed = {"X-Amz-Function-Error": reply.members["FunctionError"]} if "FunctionError" in reply.members else {}
    return _response(reply.status, reply.members["Payload"], failed)


def _s3_response(request: Request, reply: Reply) -> AWSResponse:
    if reply.error is not None:
        return _s3_error(reply.error, head=request.operation in ("HeadObject", "HeadBucket"))
    if request.operation in _DOCUMENTS:
        root = _DOCUMENTS[request.operation]
        members = reply.members.get(root, reply.members)
        return _xml(f"<{root} {_NAMESPACE}>{_elements(members)}</{root}>", reply.status)
    members = reply.members
    headers = {header: _header(members[name]) for name, header in _HEADERS.items() if name in members}
    headers.update({f"x-amz-meta-{name}": value for name, value in members.get("Metadata", {}).items()})
    return _response(reply.status, members.get("Body", b""), headers)


def _s3_error(error: AwsError, *, head: bool) -> AWSResponse:
    """The answer to a HEAD request has no body, so its code is the status."""
    if head:
        return _response(error.status, b"", {})
    extra = "".join(f"<{name}>{escape(str(text))}</{name}>" for name, text in error.members.items())
    return _xml(
        f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>{extra}</Error>", error.status
    )


def _elements(members: Mapping[str, Any]) -> str:
    texts = []
    for name, value in members.items():
        if isinstance(value, list):
            element = "Upload" if name == "Uploads" else name
            texts += [f"<{element}>{_elements(each)}</{element}>" for each in value]
        else:
            texts.append(f"<{name}>{escape(_element(value))}</{name}>")
    return "".join(texts)


def _element(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strftime("%Y-%m-%dT%H:%M:%S.000Z") if isinstance(value, datetime) else str(value)


def _header(value: Any) -> str:
    return format_datetime(value, usegmt=True) if isinstance(value, datetime) else str(value)


def _json(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> AWSResponse:
    return _response(status, json.dumps(document).encode(), headers or {})


def _xml(document: str, status: int) -> AWSResponse:
    return _response(status, f"<?xml version='1.0' encoding='UTF-8'?>{document}".encode(), {})


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> AWSResponse:
    return AWSResponse("https://aws.test/", status, {"Content-Length": str(len(body)), **headers}, _Raw(body))


class _Raw(BytesIO):
    """The body of an answer, with the methods of urllib3 that botocore uses."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        while part := self.read():
            yield part


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
