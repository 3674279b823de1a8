"""Which requests a rule strikes; nothing is sent here."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.support.faults.faults import LoseRequest
from tests.support.faults.request import Request
from tests.support.faults.rules import (
    Occasion,
    Rule,
    after,
    always,
    anything,
    chance,
    dynamodb,
    every,
    first,
    nth,
    on,
    s3,
    writes,
)
from tests.support.faults.sample_rows import TASKS, puts
from tests.support.faults.wire import Head


def _dynamodb_request(operation: str, document: dict[str, Any]) -> Request:
    headers = [(b"X-Amz-Target", f"DynamoDB_20120810.{operation}".encode())]
    return Request(1, Head(b"POST / HTTP/1.1", headers), json.dumps(document).encode())


def _s3_request(method: str, target: str, **headers: str) -> Request:
    scope = b"AWS4-HMAC-SHA256 Credential=123456789012/20261123/us-west-2/s3/aws4_request, SignedHeaders=host"
    sent = [(b"Authorization", scope), *((name.replace("_", "-").encode(), v.encode()) for name, v in headers.items())]
    return Request(1, Head(f"{method} {target} HTTP/1.1".encode(), sent), b"")


@pytest.mark.parametrize(
    ("occasion", "expected"),
    [
        (always, [1, 2, 3, 4, 5, 6]),
        (nth(3), [3]),
        (nth(2, 5), [2, 5]),
        (first(2), [1, 2]),
        (after(4), [5, 6]),
        (every(3), [3, 6]),
        (chance(0.0), []),
        (chance(1.0), [1, 2, 3, 4, 5, 6]),
    ],
)
def test_occasions(occasion: Occasion, expected: list[int]) -> None:
    """Each occasion picks its requests by their number."""
    rule = Rule(anything(), LoseRequest(), occasion)
    request = _dynamodb_request("ListTables", {})
    assert [number for number in range(1, 7) if rule.selects(request)] == expected
    assert (rule.seen, rule.struck) == (6, len(expected))


def test_same_seed_strikes_the_same_requests() -> None:
    """Chance depends on the rule's seed alone."""
    request = _dynamodb_request("ListTables", {})
    rules = [Rule(anything(), LoseRequest(), chance(0.3), Random("7/1")) for _ in range(2)]
    struck = [[rule.selects(request) for _ in range(50)] for rule in rules]
    assert struck[0] == struck[1]
    assert 5 < sum(struck[0]) < 25


def test_rule_counts_only_what_it_matches() -> None:
    """The third transaction is the third one, whatever comes between."""
    rule = Rule(on("TransactWriteItems"), LoseRequest(), nth(3))
    transaction = _dynamodb_request("TransactWriteItems", {"TransactItems": puts(1)})
    other = _dynamodb_request("Query", {"TableName": TASKS})
    assert [rule.selects(request) for request in (transaction, other, transaction, other, transaction)] == [
        False, False, False, False, True,
    ]  # fmt: skip


def test_matchers_combine() -> None:
    """Matchers can be joined and negated."""
    query = _dynamodb_request("Query", {"TableName": TASKS})
    put = _dynamodb_request("PutItem", {"TableName": TASKS, "Item": {}})
    upload = _s3_request("PUT", "/bucket/sosw/locked_a.txt")
    requests = [query, put, upload]
    assert [writes()(request) for request in requests] == [False, True, True]
    assert [(dynamodb() & ~writes())(request) for request in requests] == [True, False, False]
    assert [(on("Query") | s3())(request) for request in requests] == [True, False, True]
    assert [on(key="locked_")(request) for request in requests] == [False, False, True]
    assert [on(table=TASKS)(request) for request in requests] == [True, True, False]
    assert [on("PutItem", table="sosw_jobs")(request) for request in requests] == [False, False, False]


def test_tables_and_items_of_a_transaction() -> None:
    """A request knows its tables and how many items each one has."""
    marker = {"Put": {"TableName": "sosw_jobs", "Item": {"job_id": {"S": "a"}}}}
    request = _dynamodb_request("TransactWriteItems", {"TransactItems": [*puts(1, 2, 3), marker]})
    assert request.tables == {TASKS: 3, "sosw_jobs": 1}


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("PUT", "/bucket/a/key", {}, "PutObject"),
        ("PUT", "/bucket/a/key", {"x_amz_copy_source": "bucket/b"}, "CopyObject"),
        ("PUT", "/bucket/a/key?partNumber=1&uploadId=x", {}, "UploadPart"),
        ("POST", "/bucket/a/key?uploads", {}, "CreateMultipartUpload"),
        ("POST", "/bucket/a/key?uploadId=x", {}, "CompleteMultipartUpload"),
        ("DELETE", "/bucket/a/key?uploadId=x", {}, "AbortMultipartUpload"),
        ("DELETE", "/bucket/a/key", {}, "DeleteObject"),
        ("GET", "/bucket/a/key", {}, "GetObject"),
        ("HEAD", "/bucket/a/key", {}, "HeadObject"),
        ("GET", "/bucket?list-type=2&prefix=a", {}, "ListObjectsV2"),
        ("HEAD", "/bucket", {}, "HeadBucket"),
        ("POST", "/bucket?delete", {}, "DeleteObjects"),
    ],
)
def test_s3_operations_are_recognised(method: str, target: str, headers: dict[str, str], expected: str) -> None:
    """S3 requests have their operation in method, path and query."""
    assert _s3_request(method, target, **headers).operation == expected
