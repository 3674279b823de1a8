"""What AWS answers: errors as exceptions, and both errors and results as the bytes that botocore parses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse


class AwsError(Exception):
    """An error that AWS answers.

    :ivar status: HTTP status.  :ivar members: of the error's document, beside code and message.
    """

    def __init__(self, code: str, message: str = "", *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message or code, status, members


def json_answer(document: Mapping[str, Any], status: int = 200, **headers: str) -> AWSResponse:
    """An answer of a service with a JSON protocol."""
    return answer(status, json.dumps(document).encode(), **headers)


def dynamodb_error(error: AwsError) -> AWSResponse:
    """An error as DynamoDB answers it."""
    kind = f"com.amazonaws.dynamodb.v20120810#{error.code}"
    return json_answer({"__type": kind, "message": error.message, **error.members}, error.status)


def lambda_error(error: AwsError) -> AWSResponse:
    """An error as Lambda answers it."""
    headers = {"x-amzn-errortype": error.code}
    return json_answer({"Type": "User", "message": error.message}, error.status, **headers)


def s3_error(error: AwsError, *, head: bool) -> AWSResponse:
    """An error as S3 answers it; the answer to a HEAD request has no body, so its code is the status."""
    if head:
        return answer(error.status, b"")
    extra = "".join(f"<{name}>{escape(str(text))}</{name}>" for name, text in error.members.items())
    return xml_answer(
        f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>{extra}</Error>", error.status
    )


def xml_answer(document: str, status: int = 200, **headers: str) -> AWSResponse:
    """An answer of S3 with a document."""
    return answer(status, f"<?xml version='1.0' encoding='UTF-8'?>{document}".encode(), **headers)


def answer(status: int, body: bytes, **headers: str) -> AWSResponse:
    """An answer with these bytes."""
    return AWSResponse("https://aws.test/", status, {"Content-Length": str(len(body)), **headers}, _Raw(body))


class _Raw(BytesIO):
    """The body of an answer, with the methods of urllib3 that botocore uses."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        while part := self.read():
            yield part
