"""Requests and answers that botocore neither checks nor copies are those that it would have made."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import botocore.useragent
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from sosw_airflow.orchestration.task_rows import row_of
from sosw_airflow.orchestration.transitions import Transitions
from sosw_airflow.stores.tables import TableNames
from tests.support.unsent_requests import UnsentRequests


@pytest.fixture(scope="module")
def ready() -> UnsentRequests:
    """A client as the hook makes it."""
    return UnsentRequests(ready=True)


@pytest.fixture(scope="module")
def plain() -> UnsentRequests:
    """A client as boto3 makes it."""
    return UnsentRequests(ready=False)


#: A busy machine is no failure.
UNHURRIED = settings(deadline=None)

NAMES = st.text(max_size=6)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
NUMBERS = st.integers(-(10**37), 10**37).map(str)
BYTES = st.binary(max_size=6)
ATTRIBUTES = st.recursive(
    st.one_of(
        st.builds(lambda text: {"S": text}, TEXTS),
        st.builds(lambda number: {"N": number}, NUMBERS),
        st.builds(lambda content: {"B": content}, BYTES),
        st.builds(lambda contents: {"BS": contents}, st.lists(BYTES, min_size=1, max_size=2)),
        st.builds(lambda texts: {"SS": texts}, st.lists(TEXTS, max_size=2)),
        st.just({"NULL": True}),
        st.builds(lambda value: {"BOOL": value}, st.booleans()),
    ),
    lambda below: st.one_of(
        st.builds(lambda values: {"L": values}, st.lists(below, max_size=2)),
        st.builds(lambda values: {"M": values}, st.dictionaries(NAMES, below, max_size=2)),
    ),
    max_leaves=5,
)
ITEMS = st.dictionaries(st.one_of(NAMES, st.sampled_from(["task_id", "B", "BS", "payload"])), ATTRIBUTES, max_size=4)
TABLES = st.sampled_from(["sosw_tasks", "arn:aws:dynamodb:us-west-2:123456789012:table/sosw_tasks"])


def the_same(ready: UnsentRequests, plain: UnsentRequests, method: str, arguments: dict[str, Any]) -> None:
    """Both clients send the same for these arguments, and leave them as they are."""
    before = repr(arguments)
    for each in (ready, plain):
        getattr(each.client, method)(**arguments)
    ours, botocores = ready.sent[-1], plain.sent[-1]
    assert (ours.body, ours.url, ours.headers["X-Amz-Target"]) == (
        botocores.body,
        botocores.url,
        botocores.headers["X-Amz-Target"],
    )
    assert int(ours.headers["Content-Length"]) == len(ours.body)
    assert repr(arguments) == before


@UNHURRIED
@given(table=TABLES, key=ITEMS, values=ITEMS, condition=TEXTS)
def test_an_update(
    ready: UnsentRequests, plain: UnsentRequests, table: str, key: Any, values: Any, condition: str
) -> None:
    """Byte for byte, whatever the values are; binary ones are left to botocore."""
    expressions = {"UpdateExpression": "SET a = :a", "ConditionExpression": condition}
    request = {"TableName": table, "Key": key, "ExpressionAttributeValues": values, **expressions}
    the_same(ready, plain, "update_item", request)


@UNHURRIED
@given(table=TABLES, items=st.lists(ITEMS, min_size=1, max_size=3), deletes=st.booleans())
def test_a_batch_of_writes(ready: UnsentRequests, plain: UnsentRequests, table: str, items: Any, deletes: bool) -> None:
    """Puts and deletes."""
    writes = [{"DeleteRequest": {"Key": each}} if deletes else {"PutRequest": {"Item": each}} for each in items]
    the_same(ready, plain, "batch_write_item", {"RequestItems": {table: writes}})


@UNHURRIED
@given(table=TABLES, keys=st.lists(ITEMS, min_size=1, max_size=3), consistent=st.booleans())
def test_readings(ready: UnsentRequests, plain: UnsentRequests, table: str, keys: Any, consistent: bool) -> None:
    """By key, by keys, by a query."""
    the_same(ready, plain, "get_item", {"TableName": table, "Key": keys[0], "ConsistentRead": consistent})
    wanted = {table: {"Keys": keys, "ConsistentRead": consistent}}
    the_same(ready, plain, "batch_get_item", {"RequestItems": wanted})
    query = {"KeyConditionExpression": "a = :a", "ExpressionAttributeValues": keys[0], "ExclusiveStartKey": keys[-1]}
    the_same(ready, plain, "query", {"TableName": table, "Limit": 7, **query})


def _on_the_wire(value: Any) -> Any:
    """JSON of an answer: bytes as base64."""
    import base64

    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


@UNHURRIED
@given(items=st.lists(ITEMS, max_size=3), place=st.none() | ITEMS, spaces=st.booleans())
def test_answers(ready: UnsentRequests, plain: UnsentRequests, items: Any, place: Any, spaces: bool) -> None:
    """The same items, places and counts, whatever is in them; a member that is null is none."""
    answer = {"Items": items, "Count": len(items), "LastEvaluatedKey": place, "Unknown": 1}
    separators = None if spaces else (",", ":")
    for each in (ready, plain):
        each.answer = json.dumps(answer, default=_on_the_wire, separators=separators).encode()
    query = {"TableName": "t", "KeyConditionExpression": "a = :a"}

    assert ready.client.query(**query) == plain.client.query(**query)


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"null", b'{"Item": {"a": {"S": "\xff"}}}'])
def test_an_answer_that_is_no_object_is_botocores_to_explain(
    ready: UnsentRequests, plain: UnsentRequests, body: bytes
) -> None:
    """It raises or answers the same as without."""
    outcomes = []
    for each in (ready, plain):
        each.answer = body
        try:
            outcomes.append(repr(each.client.get_item(TableName="t", Key={})))
        except Exception as error:  # noqa: BLE001 - whatever it is
            outcomes.append(repr(error))

    assert outcomes[0] == outcomes[1]


def test_errors_of_aws_stay_as_they_are() -> None:
    """With the code that the transitions decide by."""
    wire = UnsentRequests(ready=True, retries={"total_max_attempts": 1})
    wire.status, wire.answer = 400, b'{"__type": "com.amazonaws#ConditionalCheckFailedException", "message": "no"}'

    with pytest.raises(ClientError) as caught:
        wire.client.get_item(TableName="t", Key={})

    assert caught.value.response["Error"] == {"Message": "no", "Code": "ConditionalCheckFailedException"}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_item", {"Key": {}}),
        ("query", {}),
        ("update_item", {"TableName": "t", "Key": {}, "ExpressionAttributeValues": {":a": {"N": object()}}}),
    ],
)
def test_arguments_of_a_wrong_form_are_refused_as_before(
    ready: UnsentRequests, method: str, arguments: dict[str, Any]
) -> None:
    """By botocore, before anything is sent."""
    with pytest.raises(ParamValidationError):
        getattr(ready.client, method)(**arguments)


def test_a_claim_is_sent_as_its_condition_demands(ready: UnsentRequests, plain: UnsentRequests) -> None:
    """The request that must not differ by a byte: it alone excludes doubles."""
    for each in (ready, plain):
        each.answer = b"{}"
    item = {"task_id": {"S": "5c1f"}, "labourer_id": {"S": "worker"}, "greenfield": {"N": "1000"}}
    row = row_of({**item, "attempts": {"N": "0"}, "payload": {"S": '{"word": "B"}'}, "created_at": {"N": "1.5"}})
    for each in (ready, plain):
        assert Transitions(each.client, TableNames(), "me").claim(row, now=1_767_000_000) is not None

    assert ready.sent[-1].body == plain.sent[-1].body


def test_hooks_see_the_arguments_before_and_after_the_call() -> None:
    """X-Ray reads them when the call is over."""
    wire, seen = UnsentRequests(ready=True), []
    hook = lambda params, **_: seen.append(params)  # noqa: E731
    wire.client.meta.events.register("before-parameter-build", hook)
    arguments = {"TableName": "t", "IndexName": "i", "KeyConditionExpression": "a = :a"}
    wire.client.query(**arguments)

    assert seen == [arguments]


@pytest.mark.parametrize("service", ["dynamodb", "lambda", "s3"])
def test_the_user_agent_is_botocores(service: str) -> None:
    """For each set of features that it notes for a request."""
    agents = []
    for is_ready in (True, False):
        wire = UnsentRequests(service, ready=is_ready, user_agent_extra="airflow/1")
        wire.answer = b"<none/>" if service == "s3" else b"{}"
        call = {"dynamodb": "list_tables", "lambda": "list_functions", "s3": "list_buckets"}[service]
        for _ in range(2):
            getattr(wire.client, call)()
        agents += [sorted(request.headers["User-Agent"].decode().split()) for request in wire.sent]

    assert all(_with_sorted_features(agent) == _with_sorted_features(agents[0]) for agent in agents)


def _with_sorted_features(agent: list[str]) -> list[str]:
    return [",".join(sorted(part[2:].split(","))) if part.startswith("m/") else part for part in agent]


def test_the_user_agent_is_composed_once(ready: UnsentRequests) -> None:
    """And not for each request again."""
    ready.answer = b"{}"
    ready.client.get_item(TableName="t", Key={})
    with patch.object(botocore.useragent.UserAgentString, "_build_os_metadata", side_effect=AssertionError):
        ready.client.get_item(TableName="t", Key={})


CALLS: dict[str, dict[str, Any]] = {
    "update_item": {"TableName": "t", "Key": {"id": {"S": "1"}}, "UpdateExpression": "REMOVE a"},
    "query": {"TableName": "t", "KeyConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": {"S": "1"}}},
    "batch_write_item": {"RequestItems": {"t": [{"DeleteRequest": {"Key": {"id": {"S": "1"}}}}]}},
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("option", ["use_fips_endpoint", "use_dualstack_endpoint"])
def test_the_endpoint_is_the_one_that_was_chosen(option: str, method: str) -> None:
    """By the deployment's configuration."""
    the_same(
        UnsentRequests(ready=True, **{option: True}),
        UnsentRequests(ready=False, **{option: True}),
        method,
        CALLS[method],
    )


@pytest.mark.parametrize("method", CALLS)
def test_a_request_that_is_repeated(method: str) -> None:
    """It is signed again, and has the same body."""
    wire = UnsentRequests(ready=True, retries={"mode": "standard", "total_max_attempts": 2})
    wire.status, wire.answer = 500, b'{"__type": "com.amazonaws#InternalServerError"}'
    with patch("botocore.endpoint.time.sleep"), pytest.raises(ClientError):
        getattr(wire.client, method)(**CALLS[method])

    first, second = wire.sent
    assert json.loads(first.body) == json.loads(second.body) == CALLS[method]


@pytest.mark.parametrize("method", CALLS)
def test_credentials_that_rotate(method: str) -> None:
    """Each request is signed with those of its time."""
    wire = UnsentRequests(ready=True)
    keys = []
    for key in ("AKIAFIRST", "AKIASECOND"):
        wire.client._request_signer._credentials.access_key = key
        getattr(wire.client, method)(**CALLS[method])
        keys.append(key in wire.sent[-1].headers["Authorization"].decode())

    assert keys == [True, True]
