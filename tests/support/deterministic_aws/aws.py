"""The deterministic AWS as a whole: one request at a time, a journal of what has changed, and its fates.

A request's *fate* is chosen by the caller: it is done; done with its answer lost; refused for the moment; denied; or,
for a read that may lag, answered with the past.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ConnectionClosedError

from tests.support.deterministic_aws import answers, s3_wire
from tests.support.deterministic_aws.answers import AwsError
from tests.support.deterministic_aws.dynamodb import DynamoDb
from tests.support.deterministic_aws.expressions import Item
from tests.support.deterministic_aws.s3 import S3, StoredObject
from tests.support.deterministic_aws.tables import Key

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse


class Fate(str, Enum):
    """What becomes of one request."""

    DONE = "done"
    LOST = "lost"  # done, but its answer does not arrive
    REFUSED = "refused"  # throttled: not done, a later request may be
    DENIED = "denied"  # 403: not done
    LAGS = "lags"  # a read that shows the past


#: Operations that change nothing.
_READS = frozenset(
    {"GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable", "GetObject", "HeadObject", "HeadBucket"}
    | {"ListObjectsV2", "ListMultipartUploads"}
)


@dataclass(frozen=True)
class Call:
    """One request of one client.

    :ivar subject: of the request, for a trace.
    :ivar content: all of it that matters, as text that is the same in every run.
    :ivar attempt_of: the same for the repeats that the client itself makes of a request.
    """

    service: str
    operation: str
    subject: str
    content: str
    attempt_of: str
    may_lag: bool
    respond: Callable[[], AWSResponse] = field(compare=False)

    @property
    def reads(self) -> bool:
        """It changes nothing."""
        return self.operation in _READS

    def __str__(self) -> str:
        return f"{self.operation} {self.subject}".rstrip()


@dataclass(frozen=True)
class Invocation:
    """A Lambda invocation that was accepted."""

    function: str
    payload: Any
    at: float


@dataclass(frozen=True)
class Change:
    """One change of an item or an object, in the order of the changes.

    :ivar place: name of the table, or ``s3``.  :ivar by: who sent the request.
    """

    place: str
    key: Any
    before: Any
    after: Any
    by: str


@dataclass
class DeterministicAws:
    """An AWS with nothing in it.

    :ivar clock: seconds since 1970; it moves only when it is set.
    :ivar journal: everything that has changed.
    :ivar invocations: what Lambda has accepted.
    :ivar sender: who sends the requests at present, for the journal.
    :ivar rewrite: changes the arguments of each request to DynamoDB, by its operation, to break a protocol on purpose.
    """

    clock: float = 1_795_431_627.0
    journal: list[Change] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)
    sender: str = ""
    rewrite: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda operation, arguments: arguments

    def __post_init__(self) -> None:
        self.dynamodb = DynamoDb(self._item_changed)
        self.s3 = S3(self._object_changed, self.now)
        self._digest = 0

    def copy(self) -> DeterministicAws:
        """Another one in the same state; changes of one are not seen in the other."""
        twin = DeterministicAws(self.clock, list(self.journal), list(self.invocations), self.sender)
        twin._digest = self._digest
        twin.dynamodb.tables = {
            name: replace(table, items=dict(table.items), lagging=dict(table.lagging))
            for name, table in self.dynamodb.tables.items()
        }
        twin.s3.buckets = {name: dict(objects) for name, objects in self.s3.buckets.items()}
        twin.s3.uploads = {key: replace(upload, parts=dict(upload.parts)) for key, upload in self.s3.uploads.items()}
        twin.s3.hides_missing = self.s3.hides_missing
        return twin

    def now(self) -> float:
        """The time."""
        return self.clock

    def digest(self) -> int:
        """A digest of the present state, and of what has happened as far as the order does not matter."""
        return hash((self._digest, len(self.invocations), len(self.s3.uploads)))

    def rows(self, table: str) -> list[Item]:
        """The items of a table."""
        return list(self.dynamodb.tables[table].items.values())

    def call(self, event_name: str, request: Any) -> Call:
        """Take apart a request that botocore is about to send (the arguments of its event ``before-send``)."""
        _, service, operation = event_name.split(".")
        attempt_of = _text(request.headers.get("amz-sdk-invocation-id", ""))
        if service == "dynamodb":
            arguments = self.rewrite(operation, json.loads(request.body))
            content = json.dumps({**arguments, "ClientRequestToken": ""}, sort_keys=True)
            may_lag = operation in ("GetItem", "Query") and not arguments.get("ConsistentRead")
            respond = lambda: self._respond_dynamodb(operation, arguments)  # noqa: E731
            return Call(service, operation, _dynamodb_subject(arguments), content, attempt_of, may_lag, respond)
        if service == "s3":
            parsed = s3_wire.S3Request.of(operation, request)
            respond = lambda: s3_wire.respond(self.s3, parsed, self.now)  # noqa: E731
            source = parsed.headers.get("x-amz-copy-source", "")
            metadata = sorted(each for each in parsed.headers.items() if each[0].startswith("x-amz-meta-"))
            subject = f"{source.rpartition('/')[2]} -> {_last(parsed.key)}" if source else _last(parsed.key)
            content = repr((parsed.key, parsed.query, metadata, source, parsed.headers.get("range"), parsed.body))
            return Call(service, operation, subject, content, attempt_of, False, respond)
        if service == "lambda" and operation == "Invoke":
            function = request.url.rpartition("/functions/")[2].partition("/")[0]
            payload = json.loads(request.body or b"null")
            respond = lambda: self._respond_invoke(function, payload)  # noqa: E731
            return Call(service, operation, function, repr(payload), attempt_of, False, respond)
        raise NotImplementedError(f"{service}'s {operation} is not simulated")

    def answer(self, call: Call, fate: Fate = Fate.DONE) -> AWSResponse:
        """Answer a request as its fate wants it.

        :raises ConnectionClosedError: the answer is lost.
        """
        if fate is Fate.REFUSED:
            return _error(call, _THROTTLED[call.service])
        if fate is Fate.DENIED:
            return _error(call, AwsError("AccessDenied" + "Exception" * (call.service != "s3"), "Denied", status=403))
        self.dynamodb.lags = fate is Fate.LAGS
        try:
            response = call.respond()
        finally:
            self.dynamodb.lags = False
        if fate is Fate.LOST:
            raise ConnectionClosedError(endpoint_url="https://aws.test/")
        return response

    def _respond_dynamodb(self, operation: str, arguments: dict[str, Any]) -> AWSResponse:
        try:
            return answers.json_answer(self.dynamodb.call(operation, arguments))
        except AwsError as error:
            return answers.dynamodb_error(error)

    def _respond_invoke(self, function: str, payload: Any) -> AWSResponse:
        self.invocations.append(Invocation(function, payload, self.clock))
        return answers.answer(202, b"")

    def _item_changed(self, table: str, key: Key, before: Item | None, after: Item | None) -> None:
        self._record(Change(table, key, before, after, self.sender))

    def _object_changed(self, key: str, before: StoredObject | None, after: StoredObject | None) -> None:
        self._record(Change("s3", key, before, after, self.sender))

    def _record(self, change: Change) -> None:
        self.journal.append(change)
        event = hash((change.place, change.key, _plain(change.before), _plain(change.after)))
        self._digest = (self._digest + event) & 0xFFFFFFFFFFFFFFFF


_THROTTLED = {
    "dynamodb": AwsError("ProvisionedThroughputExceededException", "The level of throughput was exceeded"),
    "s3": AwsError("SlowDown", "Please reduce your request rate", status=503),
    "lambda": AwsError("TooManyRequestsException", "Rate Exceeded", status=429),
}


def _error(call: Call, error: AwsError) -> AWSResponse:
    if call.service == "s3":
        return answers.s3_error(error, head=call.operation.startswith("Head"))
    return answers.lambda_error(error) if call.service == "lambda" else answers.dynamodb_error(error)


def _plain(value: Any) -> Any:
    if isinstance(value, StoredObject):
        return value.etag, tuple(sorted(value.metadata.items()))
    return json.dumps(value, sort_keys=True)


def _dynamodb_subject(arguments: Mapping[str, Any]) -> str:
    if "TransactItems" in arguments:
        ((_, first),) = arguments["TransactItems"][0].items()
        return f"{len(arguments['TransactItems'])} actions, {_dynamodb_subject(first)}"
    if "RequestItems" in arguments:
        return ", ".join(arguments["RequestItems"])
    key = arguments.get("Key") or arguments.get("Item") or {}
    names = [str(next(iter(key[name].values()))) for name in ("task_id", "record") if name in key]
    state = arguments.get("ExpressionAttributeValues", {}).get(":to", {}).get("S")
    wanted = f" state={state}" if state else ""
    return f"{arguments['TableName']}{'/' + arguments['IndexName'] if 'IndexName' in arguments else ''} " + (
        " ".join(names) + wanted
    )


def _last(key: str) -> str:
    return key.rpartition("/")[2]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
