"""A request as the rules see it: which service, which operation, which table, which items."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from tests.support.faults.wire import Head, Headers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faults.faults import Fault

DYNAMODB = "dynamodb"
S3 = "s3"
OTHER = "other"

# (method, whether it has a key, a distinctive query parameter or "") -> operation. Tried in this order.
_S3_OPERATIONS: dict[tuple[str, bool, str], str] = {
    ("PUT", True, "partNumber"): "UploadPart",
    ("POST", True, "uploads"): "CreateMultipartUpload",
    ("POST", True, "uploadId"): "CompleteMultipartUpload",
    ("DELETE", True, "uploadId"): "AbortMultipartUpload",
    ("PUT", True, ""): "PutObject",
    ("GET", True, ""): "GetObject",
    ("HEAD", True, ""): "HeadObject",
    ("DELETE", True, ""): "DeleteObject",
    ("POST", False, "delete"): "DeleteObjects",
    ("GET", False, "list-type"): "ListObjectsV2",
    ("GET", False, "location"): "GetBucketLocation",
    ("GET", False, ""): "ListObjects",
    ("PUT", False, ""): "CreateBucket",
    ("HEAD", False, ""): "HeadBucket",
    ("DELETE", False, ""): "DeleteBucket",
}


@dataclass(slots=True)
class Write:
    """One item of a write request. `action` is Put, Update, Delete or ConditionCheck; `item` is the item or its key."""

    table: str
    action: str
    item: dict[str, Any]
    expression: str = ""
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """One request that has arrived at the proxy. `number` counts from 1 over all requests of the proxy."""

    number: int
    head: Head
    body: bytes
    # What a fault has taken out of a BatchWriteItem, to be reported as unprocessed.
    unprocessed: dict[str, list[object]] = field(default_factory=dict)
    # Which fault a fault with several has chosen, by its id.
    chosen: dict[int, Fault] = field(default_factory=dict)

    @cached_property
    def method(self) -> str:
        """The HTTP method."""
        return self.head.first_line.split(b" ", 1)[0].decode()

    @cached_property
    def target(self) -> str:
        """Path and query, as sent."""
        return self.head.first_line.split(b" ", 2)[1].decode()

    @cached_property
    def service(self) -> str:
        """`dynamodb`, `s3` or `other`, by the target header or by the service of the signature."""
        if self.head.header(b"x-amz-target").startswith(b"DynamoDB"):
            return DYNAMODB
        scope = self.head.header(b"authorization").partition(b"Credential=")[2].partition(b",")[0]
        return S3 if scope.split(b"/")[-2:-1] == [b"s3"] else OTHER

    @cached_property
    def operation(self) -> str:
        """The name of the API operation, such as `TransactWriteItems` or `PutObject`."""
        if self.service == DYNAMODB:
            return self.head.header(b"x-amz-target").rpartition(b".")[2].decode()
        if self.service != S3:
            return f"{self.method} {self.target.partition('?')[0]}"
        if self.head.header(b"x-amz-copy-source") and self.method == "PUT":
            return "CopyObject"
        query = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        for (method, with_key, parameter), operation in _S3_OPERATIONS.items():
            if method == self.method and with_key == bool(self.key) and (not parameter or parameter in query):
                return operation
        return f"{self.method} {self.target}"

    @cached_property
    def bucket(self) -> str:
        """The S3 bucket (path style), empty for other services."""
        return self._s3_path[0]

    @cached_property
    def key(self) -> str:
        """The S3 key (path style), empty for other services and for requests of a whole bucket."""
        return self._s3_path[1]

    @cached_property
    def _s3_path(self) -> tuple[str, str]:
        if self.service != S3:
            return "", ""
        bucket, _, key = unquote(self.target.partition("?")[0]).lstrip("/").partition("/")
        return bucket, key

    @cached_property
    def document(self) -> dict[str, Any]:
        """The body of a DynamoDB request; empty for other services."""
        if self.service != DYNAMODB or not self.body:
            return {}
        document: dict[str, Any] = json.loads(self.body)
        return document

    @cached_property
    def writes(self) -> list[Write]:
        """What a DynamoDB request would write, in its order."""
        return list(_writes(self.operation, self.document))

    @cached_property
    def tables(self) -> dict[str, int]:
        """Each table of a DynamoDB request, with the number of items that the request names (0 for a query)."""
        counts: dict[str, int] = {}
        if self.writes:
            for write in self.writes:
                counts[write.table] = counts.get(write.table, 0) + 1
        elif self.operation == "BatchGetItem":
            counts = {table: len(asked["Keys"]) for table, asked in self.document["RequestItems"].items()}
        elif self.operation == "TransactGetItems":
            for action in self.document["TransactItems"]:
                counts[action["Get"]["TableName"]] = counts.get(action["Get"]["TableName"], 0) + 1
        elif "TableName" in self.document:
            counts = {self.document["TableName"]: 1 if "Key" in self.document else 0}
        return counts

    def replace_document(self, document: dict[str, Any]) -> None:
        """Ask the emulator for something else than the client did."""
        self.body = json.dumps(document).encode()
        for name in ("document", "writes", "tables"):
            self.__dict__.pop(name, None)


def _writes(operation: str, document: dict[str, Any]) -> Iterator[Write]:
    if operation == "TransactWriteItems":
        for entry in document["TransactItems"]:
            for action, arguments in entry.items():
                yield _write(action, arguments)
    elif operation == "BatchWriteItem":
        for table, requests in document["RequestItems"].items():
            for request in requests:
                for name, arguments in request.items():
                    yield _write(name.removesuffix("Request"), {**arguments, "TableName": table})
    elif operation in {"PutItem", "UpdateItem", "DeleteItem"}:
        yield _write(operation.removesuffix("Item"), document)


def _write(action: str, arguments: dict[str, Any]) -> Write:
    return Write(
        table=arguments["TableName"],
        action=action,
        item=arguments.get("Item") or arguments.get("Key") or {},
        expression=arguments.get("UpdateExpression", ""),
        names=arguments.get("ExpressionAttributeNames", {}),
    )


@dataclass
class Response:
    """What goes back to the client: the emulator's answer, or one that the proxy made up."""

    status: int
    headers: Headers
    body: bytes
    # Bytes of a large body that are still to come from the emulator.
    remaining: int = 0

    @property
    def first_line(self) -> bytes:
        """The status line; clients read nothing but the number."""
        return b"HTTP/1.1 %d %s" % (self.status, b"OK" if self.status < 400 else b"Error")

    def document(self) -> dict[str, Any]:
        """Read the body of a DynamoDB response."""
        document: dict[str, Any] = json.loads(self.body or b"{}")
        return document

    def error_code(self) -> str:
        """Give the code of an error such as `TransactionCanceledException`, empty if the request succeeded."""
        if self.status < 300:
            return ""
        if self.body.startswith(b"{"):
            return str(self.document().get("__type", "")).rpartition("#")[2]
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode() or str(self.status)
