"""The deterministic AWS as a whole: one request at a time, a journal of what has changed, and its fates.

A request's *fate* is chosen by the caller: it is done; done with its answer lost; refused for the moment; denied; or,
for a read that may lag, answered with the past.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from botocore.exceptions import ConnectionClosedError

from tests.support.deterministic_aws import s3_operations
from tests.support.deterministic_aws.answers import AwsError, Reply, Request, fingerprint
from tests.support.deterministic_aws.dynamodb import DynamoDb
from tests.support.deterministic_aws.expressions import Item
from tests.support.deterministic_aws.lambda_events import Event, Function
from tests.support.deterministic_aws.s3 import S3, StoredObject
from tests.support.deterministic_aws.tables import Key


class Fate(str, Enum):
    """What becomes of one request."""

    DONE = "done"
    LOST = "lost"  # done, but its answer does not arrive
    REFUSED = "refused"  # throttled: not done, a later request may be
    DENIED = "denied"  # 403: not done
    LAGS = "lags"  # a read that shows the past
    REPEATED = "repeated"  # an asynchronous invocation that is accepted once and run twice


#: Operations that change nothing.
_READS = frozenset(
    {"GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable", "GetObject", "HeadObject", "HeadBucket"}
    | {"ListObjectsV2", "ListMultipartUploads", "GetFunctionConfiguration", "GetFunctionEventInvokeConfig"}
)


@dataclass(slots=True)
class Call:
    """A request and what it asks for.

    :ivar subject: of the request, for a trace.
    :ivar content: all of it that matters; equal for equal requests.
    """

    request: Request
    subject: str
    content: object
    may_lag: bool
    respond: Callable[[], Reply] = field(compare=False)

    @property
    def service(self) -> str:
        """Of AWS."""
        return self.request.service

    @property
    def operation(self) -> str:
        """Of the service."""
        return self.request.operation

    @property
    def attempt_of(self) -> str:
        """The same for the repeats that the client itself makes of a request."""
        return self.request.attempt_of

    @property
    def reads(self) -> bool:
        """It changes nothing."""
        return self.request.operation in _READS

    def __str__(self) -> str:
        return f"{self.operation} {self.subject}".rstrip()


@dataclass(frozen=True)
class Invocation:
    """A Lambda invocation that was accepted."""

    function: str
    payload: Any
    at: float


@dataclass(slots=True)
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
    :ivar functions: that Lambda runs, by their names; an event for another one is accepted, and no more.
    :ivar events: that Lambda has accepted and not begun to run.
    :ivar sender: who sends the requests at present, for the journal.
    :ivar rewrite: changes the arguments of each request to DynamoDB, by its operation, to break a protocol on purpose.
    """

    clock: float = 1_795_431_627.0
    journal: list[Change] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)
    sender: str = ""
    functions: dict[str, Function] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    rewrite: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda operation, arguments: arguments

    def __post_init__(self) -> None:
        self.dynamodb = DynamoDb(self._item_changed, self.now)
        self.s3 = S3(self._object_changed, self.now)
        self._in_order = self._in_any_order = 0

    def copy(self) -> DeterministicAws:
        """Another one in the same state; changes of one are not seen in the other."""
        twin = DeterministicAws(self.clock, list(self.journal), list(self.invocations), self.sender)
        twin._in_order, twin._in_any_order = self._in_order, self._in_any_order
        twin.rewrite = self.rewrite
        twin.functions, twin.events = dict(self.functions), list(self.events)
        twin.dynamodb.tables = {
            name: replace(table, items=dict(table.items), lagging=dict(table.lagging))
            for name, table in self.dynamodb.tables.items()
        }
        twin.dynamodb.capacity.units = {key: replace(each) for key, each in self.dynamodb.capacity.units.items()}
        twin.s3.buckets = {name: dict(objects) for name, objects in self.s3.buckets.items()}
        twin.s3.uploads = {key: replace(upload, parts=dict(upload.parts)) for key, upload in self.s3.uploads.items()}
        twin.s3.hides_missing = self.s3.hides_missing
        return twin

    def now(self) -> float:
        """The time."""
        return self.clock

    def digest(self) -> int:
        """A digest of the present state and of what has happened: in any order, but in order for jobs and objects."""
        units = self.dynamodb.capacity.digest()
        return hash((self._in_order, self._in_any_order, len(self.invocations), len(self.s3.uploads), units))

    def rows(self, table: str) -> list[Item]:
        """The items of a table."""
        return list(self.dynamodb.tables[table].items.values())

    def call(self, request: Request) -> Call:
        """What a request asks for."""
        service, operation, arguments = request.service, request.operation, request.arguments
        if service == "dynamodb":
            arguments = self.rewrite(operation, arguments)
            return Call(
                request,
                _dynamodb_subject(arguments),
                fingerprint({**arguments, "ClientRequestToken": ""}),
                operation in ("GetItem", "Query") and not arguments.get("ConsistentRead"),
                lambda: self._respond_dynamodb(operation, arguments),
            )
        if service == "s3":
            respond = lambda: s3_operations.respond(self.s3, arguments, self.now)  # noqa: E731
            return Call(request, arguments.subject, arguments.content, False, respond)
        subject = arguments["FunctionName"]
        content = repr((operation, subject, arguments.get("Payload") if operation == "Invoke" else None))
        return Call(request, subject, content, False, lambda: self._respond_lambda(operation, arguments))

    def answer(self, call: Call, fate: Fate = Fate.DONE) -> Reply:
        """Answer a request as its fate wants it.

        :raises ConnectionClosedError: the answer is lost.
        """
        if fate is Fate.REFUSED:
            return Reply(error=_THROTTLED[call.service])
        if fate is Fate.DENIED:
            return Reply(error=AwsError("AccessDenied" + "Exception" * (call.service != "s3"), "Denied", status=403))
        self.dynamodb.lags = fate is Fate.LAGS
        try:
            reply = call.respond()
            if fate is Fate.REPEATED and self.events:
                self._event(self.events[-1])
        finally:
            self.dynamodb.lags = False
        if fate is Fate.LOST:
            raise ConnectionClosedError(endpoint_url="https://aws.test/")
        return reply

    def _respond_dynamodb(self, operation: str, arguments: dict[str, Any]) -> Reply:
        try:
            return Reply(self.dynamodb.call(operation, arguments))
        except AwsError as error:
            return Reply(error=error)

    def _respond_lambda(self, operation: str, arguments: dict[str, Any]) -> Reply:
        function = arguments["FunctionName"]
        if operation == "GetFunctionConfiguration":
            return Reply({"FunctionName": function, "Timeout": 5})
        if operation == "GetFunctionEventInvokeConfig" and function in self.functions:
            return Reply(self.functions[function].event_invoke_config())
        if operation == "GetFunctionEventInvokeConfig":
            return Reply({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
        if operation != "Invoke":
            raise NotImplementedError(f"Lambda's {operation} is not simulated")
        self.invocations.append(Invocation(function, json.loads(arguments["Payload"]), self.clock))
        if function in self.functions:
            self._event(Event(function, json.loads(arguments["Payload"]), self.clock))
        return Reply({"StatusCode": 202, "Payload": b""}, status=202)

    def take_event(self) -> Event | None:
        """The event that Lambda runs next, None for none."""
        if not self.events:
            return None
        event = self.events.pop(0)
        self._in_order = hash((self._in_order, "begins", fingerprint(event.payload)))
        return event

    def _event(self, event: Event) -> None:
        self.events.append(event)
        self._in_order = hash((self._in_order, "accepted", fingerprint(event.payload)))

    def _item_changed(self, table: str, key: Key, before: Item | None, after: Item | None) -> None:
        self._record(Change(table, key, before, after, self.sender))

    def _object_changed(self, key: str, before: StoredObject | None, after: StoredObject | None) -> None:
        self._record(Change("s3", key, before, after, self.sender))

    def _record(self, change: Change) -> None:
        self.journal.append(change)
        event = hash((change.place, change.key, _plain(change.before), _plain(change.after)))
        if change.place == "s3" or ("S", "header") in change.key:
            self._in_order = hash((self._in_order, event))
        else:
            self._in_any_order = (self._in_any_order + event) & 0xFFFFFFFFFFFFFFFF


_THROTTLED = {
    "dynamodb": AwsError("ProvisionedThroughputExceededException", "The level of throughput was exceeded"),
    "s3": AwsError("SlowDown", "Please reduce your request rate", status=503),
    "lambda": AwsError("TooManyRequestsException", "Rate Exceeded", status=429),
}


def _plain(value: Any) -> Any:
    if isinstance(value, StoredObject):
        return value.etag, tuple(sorted(value.metadata.items()))
    return None if value is None else fingerprint(sorted(value.items()))


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
