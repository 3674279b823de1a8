"""Random sequences of requests get the same answers from the deterministic AWS and from the emulators.

Where they differ, `DIFFERENCES` says so, and AWS's documentation decides who is right.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sosw_airflow.stores.tables import TableNames, create_missing_tables
from tests.support.deterministic_aws.aws import DeterministicAws
from tests.support.deterministic_aws.clients import Edge, answered_by, clients

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator

BUCKET = "differential"
TABLES = TableNames()

#: What an emulator answers otherwise than AWS, with the rule of AWS that the deterministic one follows.
DIFFERENCES = {
    (
        "moto",
        "last-key",
    ): "a page that its Limit has ended has a LastEvaluatedKey, also when nothing follows; moto's not",
    (
        "moto",
        "delete-if-match",
    ): "S3 deletes under If-Match only what matches (API reference, DeleteObject); moto always",
    ("ministack", "delete-if-match"): "the same",
    (
        "moto",
        "validation-in-transaction",
    ): "an update that the item does not allow cancels its transaction, with ValidationError as the reason of the "
    "action (API reference, TransactWriteItems); moto refuses the whole request",
    ("ministack", "self-copy"): "S3 refuses to copy an object to itself unchanged (API reference, CopyObject)",
}

_space = itertools.count()


@dataclass(frozen=True)
class Request:
    """One request, whose names get a prefix of their own for each sequence.

    :ivar about: names a difference that is known, or is empty.
    """

    service: str
    method: str
    arguments: Callable[[str], dict[str, Any]]
    text: str
    about: str = ""

    def __repr__(self) -> str:
        return f"{self.service}.{self.method}({self.text})"


def _request(service: str, method: str, make: Callable[[str], dict[str, Any]], about: str = "") -> Request:
    return Request(service, method, make, repr(make("")), about)


# -- DynamoDB ----------------------------------------------------------------------------------------------------------

_TASKS = st.sampled_from(["t1", "t2", "t3"])
_NUMBERS = st.integers(0, 3).map(str)
_CONDITIONS = st.sampled_from(
    [
        ("", {}),
        ("attribute_not_exists(task_id)", {}),
        ("attribute_exists(task_id)", {}),
        ("attempts = :zero", {":zero": {"N": "0"}}),
        ("attempts <> :zero", {":zero": {"N": "0"}}),
        ("greenfield <= :two AND attribute_not_exists(completed_at)", {":two": {"N": "2"}}),
        ("attempts IN (:zero, :two) OR greenfield BETWEEN :zero AND :two", {":zero": {"N": "0"}, ":two": {"N": "2"}}),
        ("NOT (begins_with(payload, :p) AND attempts > :zero)", {":p": {"S": "p1"}, ":zero": {"N": "0"}}),
    ]
)
_UPDATES = st.sampled_from(
    [
        ("SET greenfield = :n ADD attempts :one", {":n": {"N": "3"}, ":one": {"N": "1"}}),
        ("SET attempts = attempts + :one", {":one": {"N": "1"}}),
        ("SET payload = if_not_exists(payload, :p), greenfield = :n", {":p": {"S": "p9"}, ":n": {"N": "1"}}),
        ("REMOVE payload SET completed_at = :n", {":n": {"N": "2"}}),
        ("SET attempts = attempts - :one REMOVE greenfield", {":one": {"N": "1"}}),
    ]
)


def _item(prefix: str, task: str, number: str) -> dict[str, Any]:
    return {
        "task_id": {"S": prefix + task},
        "labourer_id": {"S": f"{prefix}worker"},
        "greenfield": {"N": number},
        "attempts": {"N": number},
        "payload": {"S": f"p{number}"},
    }


def _key(prefix: str, task: str) -> dict[str, Any]:
    return {"task_id": {"S": prefix + task}}


def _when(condition: tuple[str, dict[str, Any]], values: dict[str, Any] | None = None) -> dict[str, Any]:
    text, own = condition
    merged = {**own, **(values or {})}
    return {
        **({"ConditionExpression": text} if text else {}),
        **({"ExpressionAttributeValues": merged} if merged else {}),
    }


@st.composite
def _write_actions(draw: st.DrawFn) -> tuple[str, Callable[[str], dict[str, Any]]]:
    """One action on an item: its kind in a transaction, and its arguments."""
    task, number, condition = draw(_TASKS), draw(_NUMBERS), draw(_CONDITIONS)
    kind = draw(st.sampled_from(["Put", "Put", "Update", "Delete"]))
    table = {"TableName": TABLES.tasks_table}
    if kind == "Put":
        return kind, lambda prefix: {**table, "Item": _item(prefix, task, number), **_when(condition)}
    if kind == "Delete":
        return kind, lambda prefix: {**table, "Key": _key(prefix, task), **_when(condition)}
    text, values = draw(_UPDATES)
    return kind, lambda prefix: {
        **table,
        "Key": _key(prefix, task),
        "UpdateExpression": text,
        **_when(condition, values),
    }


@st.composite
def dynamodb_requests(draw: st.DrawFn) -> Request:  # noqa: PLR0911 - a kind each
    """Any request that the provider or sosw sends to DynamoDB."""
    which = draw(st.sampled_from(["write", "write", "transact", "get", "batch", "batch-write", "query", "index"]))
    if which == "write":
        kind, make = draw(_write_actions())
        returned = draw(st.sampled_from(["NONE", "ALL_OLD"]))
        shown = draw(st.sampled_from(["NONE", "ALL_OLD"]))
        more = {"ReturnValues": returned, "ReturnValuesOnConditionCheckFailure": shown}
        return _request("dynamodb", f"{kind.lower()}_item", lambda prefix: {**make(prefix), **more})
    if which == "transact":
        actions = draw(st.lists(_write_actions(), min_size=1, max_size=3))
        return _request(
            "dynamodb",
            "transact_write_items",
            lambda prefix: {"TransactItems": [{kind: make(prefix)} for kind, make in actions]},
        )
    if which == "get":
        task = draw(_TASKS)
        names = draw(st.sampled_from([None, "attempts, greenfield"]))
        projection = {} if names is None else {"ProjectionExpression": names}
        return _request(
            "dynamodb",
            "get_item",
            lambda prefix: {"TableName": TABLES.tasks_table, "Key": _key(prefix, task), **projection},
        )
    if which == "batch":
        tasks = draw(st.lists(_TASKS, min_size=1, max_size=3, unique=True))
        return _request(
            "dynamodb",
            "batch_get_item",
            lambda prefix: {"RequestItems": {TABLES.tasks_table: {"Keys": [_key(prefix, task) for task in tasks]}}},
        )
    if which == "batch-write":
        batch = draw(
            st.lists(st.tuples(_TASKS, _NUMBERS, st.booleans()), min_size=1, max_size=3, unique_by=lambda x: x[0])
        )

        def writes(prefix: str) -> dict[str, Any]:
            puts = [
                {"PutRequest": {"Item": _item(prefix, task, number)}}
                if put
                else {"DeleteRequest": {"Key": _key(prefix, task)}}
                for task, number, put in batch
            ]
            return {"RequestItems": {TABLES.tasks_table: puts}}

        return _request("dynamodb", "batch_write_item", writes)
    if which == "query":
        return _request(
            "dynamodb",
            "query",
            lambda prefix: {
                "TableName": TABLES.tasks_table,
                "KeyConditionExpression": "#key = :key",
                "ExpressionAttributeNames": {"#key": "task_id"},
                "ExpressionAttributeValues": {":key": {"S": f"{prefix}t1"}},
            },
        )
    limit, forward, bound = draw(st.sampled_from([None, 1, 2])), draw(st.booleans()), draw(_NUMBERS)
    return _request(
        "dynamodb",
        "query",
        lambda prefix: {
            "TableName": TABLES.tasks_table,
            "IndexName": TABLES.index_greenfield,
            "KeyConditionExpression": "labourer_id = :labourer AND greenfield <= :bound",
            "ExpressionAttributeValues": {":labourer": {"S": f"{prefix}worker"}, ":bound": {"N": bound}},
            "ScanIndexForward": forward,
            **({} if limit is None else {"Limit": limit}),
        },
    )


# -- S3 ----------------------------------------------------------------------------------------------------------------

_KEYS = st.sampled_from(["k1", "k2", "locked k3"])
_BODIES = st.sampled_from([b"", b"one\n", b"one\ntwo\n"])
_ETAG = f'"{hashlib.md5(b"one" + bytes([10])).hexdigest()}"'  # noqa: S324 - S3's
_CONDITIONAL = st.sampled_from([{}, {"IfNoneMatch": "*"}, {"IfMatch": _ETAG}])


@st.composite
def s3_requests(draw: st.DrawFn) -> Request:
    """Any request that the provider or sosw sends to S3, but for uploads in parts."""
    key, other = draw(_KEYS), draw(_KEYS)
    which = draw(st.sampled_from(["put", "put", "get", "range", "head", "copy", "delete", "delete-if-match", "list"]))

    def where(prefix: str) -> dict[str, Any]:
        return {"Bucket": BUCKET, "Key": f"{prefix}/{key}"}

    if which == "put":
        body, condition = draw(_BODIES), draw(_CONDITIONAL)
        about = {"Body": body, "Metadata": {"claim": key}, **condition}
        return _request("s3", "put_object", lambda prefix: {**where(prefix), **about})
    if which in ("get", "range"):
        wanted = (
            {"Range": draw(st.sampled_from(["bytes=0-2", "bytes=3-99", "bytes=50-60"]))} if which == "range" else {}
        )
        return _request("s3", "get_object", lambda prefix: {**where(prefix), **wanted})
    if which == "head":
        return _request("s3", "head_object", where)
    if which == "copy":
        directive = draw(st.sampled_from([{}, {"Metadata": {"claim": "new"}, "MetadataDirective": "REPLACE"}]))
        return _request(
            "s3",
            "copy_object",
            lambda prefix: {**where(prefix), "CopySource": {"Bucket": BUCKET, "Key": f"{prefix}/{other}"}, **directive},
            about="self-copy" if key == other and not directive else "",
        )
    if which == "list":
        return _request("s3", "list_objects_v2", lambda prefix: {"Bucket": BUCKET, "Prefix": f"{prefix}/"})
    condition = {"IfMatch": _ETAG} if which == "delete-if-match" else {}
    return _request("s3", "delete_object", lambda prefix: {**where(prefix), **condition}, about=which)


# -- the comparison ----------------------------------------------------------------------------------------------------


class Pair:
    """The deterministic AWS beside an emulator, both with the tables and a bucket."""

    def __init__(self, emulator: Emulator, edge: Edge) -> None:
        self.name, self._edge = emulator.name, edge
        self._theirs = {service: emulator.client(service) for service in ("dynamodb", "s3")}
        self._ours = {"dynamodb": clients().dynamodb_once, "s3": clients().s3}
        self._aws = DeterministicAws()
        create_missing_tables(self._theirs["dynamodb"], names=TABLES)
        emulator.create_bucket(BUCKET)
        with self._answering():
            create_missing_tables(self._ours["dynamodb"], names=TABLES)
        self._aws.s3.buckets[BUCKET] = {}

    def compare(self, requests: list[Request]) -> None:
        """Send all requests to both; the first difference that is not listed fails."""
        prefix = f"n{next(_space)}"
        for number, request in enumerate(requests):
            if (self.name, request.about) in DIFFERENCES:
                continue
            arguments = request.arguments(prefix)
            theirs = _outcome(self._theirs[request.service], request.method, arguments)
            with self._answering():
                ours = _outcome(self._ours[request.service], request.method, arguments)
            if isinstance(ours, dict) and "LastEvaluatedKey" not in theirs and (self.name, "last-key") in DIFFERENCES:
                ours.pop("LastEvaluatedKey", None)
            refused = isinstance(ours, tuple) and "ValidationError" in ours[2]
            if refused and (self.name, "validation-in-transaction") in DIFFERENCES:
                ours = ("ValidationException", 400, [], None)
            assert ours == theirs, f"request {number}, {request}: ours {ours}, {self.name}'s {theirs}"

    def _answering(self) -> Any:
        return answered_by(lambda request: self._aws.answer(self._aws.call(request)), self._edge)


def _outcome(client: Any, method: str, arguments: dict[str, Any]) -> Any:
    """What a request comes to, without what may differ: times, ids, texts of errors."""
    try:
        reply = getattr(client, method)(**arguments)
    except ClientError as error:
        reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", ())]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"], status, reasons, error.response.get("Item")
    return dict(_content(reply))


def _content(reply: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("Item", "Attributes", "Items", "Count", "LastEvaluatedKey", "ContentRange", "Metadata"):
        if name in reply:
            yield name, reply[name]
    for items in reply.get("Responses", {}).values():
        yield "Responses", sorted(items, key=str)
    if "Body" in reply:
        yield "Body", reply["Body"].read()
    if "ETag" in reply and "Body" not in reply:
        yield "ETag", reply["ETag"]
    if "CopyObjectResult" in reply:
        yield "copied", reply["CopyObjectResult"]["ETag"]
    if "KeyCount" in reply:
        yield "listed", [(each["Key"], each["Size"], each["ETag"]) for each in reply.get("Contents", ())]


@pytest.fixture(scope="module")
def moto_pair(moto_session: Emulator) -> Pair:
    """The deterministic AWS beside moto."""
    moto_session.reset()
    return Pair(moto_session, Edge.WIRE)


@pytest.fixture(scope="module")
def ministack_pair(ministack_session: Emulator) -> Pair:
    """The deterministic AWS beside ministack."""
    ministack_session.reset()
    return Pair(ministack_session, Edge.DIRECT)


@pytest.fixture(params=["moto", pytest.param("ministack", marks=pytest.mark.slow)])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Each of the two."""
    found: Pair = request.getfixturevalue(f"{request.param}_pair")
    return found


_often = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_often
@given(requests=st.lists(dynamodb_requests(), min_size=5, max_size=20))
def test_dynamodb(pair: Pair, requests: list[Request]) -> None:
    """Writes, conditions, transactions and reads."""
    pair.compare(requests)


@_often
@given(requests=st.lists(s3_requests(), min_size=5, max_size=20))
def test_s3(pair: Pair, requests: list[Request]) -> None:
    """Objects with conditions, ranges and copies."""
    pair.compare(requests)
