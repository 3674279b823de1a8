"""The deterministic AWS's capacity and asynchronous invocations. ministack runs functions, so it is asked, too.

Neither moto nor ministack throttles a table. AWS's documentation is the judge there: DynamoDB's developer guide,
"Provisioned capacity mode", and the API reference of BatchWriteItem, BatchGetItem and TransactWriteItems.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.support.deterministic_aws.aws import DeterministicAws, Fate
from tests.support.deterministic_aws.clients import Edge, answered_by, clients
from tests.support.deterministic_aws.lambda_events import Event, Function, FunctionFailed, envelope_of, run_events
from tests.support.explorer.engine import alone_with
from tests.support.lambda_functions import make_function

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator

TABLE = "sosw_tasks"


def row(number: int, size: int = 0) -> dict[str, Any]:
    """A row of a little less than 1 KB, or of so many KB."""
    text = "x" * (1024 * size - 100 if size else 10)
    return {"task_id": {"S": f"t{number}"}, "labourer_id": {"S": "w"}, "greenfield": {"N": "1"}, "payload": {"S": text}}


@pytest.fixture
def aws() -> Iterator[DeterministicAws]:
    """One whose table of tasks has two units a second of each kind, of which it keeps four."""
    made = DeterministicAws()
    for definition in table_definitions(TableNames()):
        made.dynamodb.call("CreateTable", definition.create_arguments())
    made.dynamodb.capacity.provision(made.dynamodb.tables[TABLE], read=2, write=2, kept_seconds=2)
    with alone_with(made, Edge.DIRECT):
        yield made


@contextmanager
def refused(code: str) -> Iterator[Any]:
    """Inside, AWS refuses with this code."""
    with pytest.raises(ClientError) as raised:
        yield raised
    assert raised.value.response["Error"]["Code"] == code


def put(number: int, size: int = 0) -> None:
    """Put one row, without repeats."""
    clients().dynamodb_once.put_item(TableName=TABLE, Item=row(number, size))


def test_a_write_costs_a_unit_for_each_kilobyte(aws: DeterministicAws) -> None:
    """Once the units are used up a write is refused, and done a second later."""
    put(1, size=3)
    put(2)
    with refused("ProvisionedThroughputExceededException"):
        put(3)
    aws.clock += 1
    put(3)
    put(4)
    with refused("ProvisionedThroughputExceededException"):
        put(5)
    assert len(aws.rows(TABLE)) == 4


def test_a_batch_of_writes_is_done_in_part(aws: DeterministicAws) -> None:
    """What there are no units for is unprocessed; a batch of which nothing can be done is refused."""
    writes = [{"PutRequest": {"Item": row(number)}} for number in range(6)]
    reply = clients().dynamodb_once.batch_write_item(RequestItems={TABLE: writes})
    assert reply["UnprocessedItems"] == {TABLE: writes[4:]}
    with refused("ProvisionedThroughputExceededException"):
        clients().dynamodb_once.batch_write_item(RequestItems=reply["UnprocessedItems"])


def test_a_batch_of_reads_is_done_in_part(aws: DeterministicAws) -> None:
    """An eventual read costs half a unit, a consistent one a whole one."""
    keys = [{"task_id": {"S": f"t{number}"}} for number in range(10)]
    reply = clients().dynamodb_once.batch_get_item(RequestItems={TABLE: {"Keys": keys}})
    assert reply["UnprocessedKeys"] == {TABLE: {"Keys": keys[8:]}}
    aws.clock += 60
    reply = clients().dynamodb_once.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": True}})
    assert reply["UnprocessedKeys"] == {TABLE: {"Keys": keys[4:], "ConsistentRead": True}}


def test_a_throttled_transaction_names_the_actions(aws: DeterministicAws) -> None:
    """Its writes cost twice, nothing of it is done, and each action has a reason."""
    actions = [{"Put": {"TableName": TABLE, "Item": row(number)}} for number in range(3)]
    with refused("TransactionCanceledException") as raised:
        clients().dynamodb_once.transact_write_items(TransactItems=actions)
    reasons = [reason["Code"] for reason in raised.value.response["CancellationReasons"]]
    assert reasons == ["None", "None", "ProvisionedThroughputExceeded"]
    assert aws.rows(TABLE) == []
    clients().dynamodb_once.transact_write_items(TransactItems=actions[:2])


# -- asynchronous invocations ------------------------------------------------------------------------------------------


class Worker:
    """A function that fails some times.

    :ivar at: seconds of each execution after the invocation.
    """

    def __init__(self, aws: DeterministicAws, failures: int) -> None:
        self.at: list[float] = []
        self._aws, self._failures, self._begun = aws, failures, aws.clock

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        """Run."""
        self.at.append(self._aws.clock - self._begun)
        if len(self.at) <= self._failures:
            raise FunctionFailed("odd")
        return {"got": event}


def envelopes(aws: DeterministicAws, worker: Worker, **settings: Any) -> list[Any]:
    """What the destinations of a function get after one invocation."""
    got: list[Any] = []
    aws.functions["f"] = Function(worker, on_success="d", on_failure="d", **settings)
    aws.functions["d"] = Function(got.append)
    clients().aws_lambda_once.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 1}')
    run_events(aws, clients().aws_lambda_once)
    return got


@pytest.mark.parametrize(
    ("failures", "retries", "at", "condition"),
    [
        (0, 2, [0], "Success"),
        (1, 1, [0, 60], "Success"),
        (9, 0, [0], "RetriesExhausted"),
        (9, 2, [0, 60, 180], "RetriesExhausted"),
    ],
)
def test_retries_of_lambda(aws: DeterministicAws, failures: int, retries: int, at: list[float], condition: str) -> None:
    """Up to 1 + n executions, then one envelope."""
    worker = Worker(aws, failures)
    (envelope,) = envelopes(aws, worker, retries=retries)
    context = envelope["requestContext"]
    assert (worker.at, context["condition"], context["approximateInvokeCount"]) == (at, condition, len(at))
    assert envelope["requestPayload"] == {"n": 1}


def test_an_event_that_is_too_old(aws: DeterministicAws) -> None:
    """It is not run again, and its destination on failure hears why."""
    worker = Worker(aws, failures=9)
    (envelope,) = envelopes(aws, worker, event_age=90)
    assert (worker.at, envelope["requestContext"]["condition"]) == ([0, 60], "EventAgeExceeded")


def test_an_event_that_runs_twice(aws: DeterministicAws) -> None:
    """Lambda has accepted one invocation, and runs it twice."""
    worker = Worker(aws, failures=0)
    aws.functions["f"] = Function(worker)
    with answered_by(lambda request: aws.answer(aws.call(request), Fate.REPEATED), Edge.DIRECT):
        clients().aws_lambda_once.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")
    assert run_events(aws, clients().aws_lambda_once) == 2
    assert (len(worker.at), len(aws.invocations)) == (2, 1)


@pytest.mark.slow
def test_an_envelope_on_ministack(ministack_emulator: Emulator) -> None:
    """Its destination on failure gets the same envelope, but for what is listed."""
    sqs, aws_lambda = ministack_emulator.client("sqs"), ministack_emulator.client("lambda")
    url = sqs.create_queue(QueueName="failures")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    make_function(
        "f", source="def handler(event, context):\n    raise ValueError('odd')", client=ministack_emulator.client
    )
    aws_lambda.put_function_event_invoke_config(
        FunctionName="f", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": queue}}
    )
    aws_lambda.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 1}')
    messages: list[Any] = []
    for _ in range(6):
        messages = messages or sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", [])
    theirs = json.loads(messages[0]["Body"])
    response = {"errorType": "ValueError", "errorMessage": "odd"}
    ours = envelope_of(Event("f", {"n": 1}, 0.0), "RetriesExhausted", response, 2)

    assert LEFT_OUT <= set(members(ours))
    assert LEFT_OUT.isdisjoint(members(theirs))
    same = set(members(ours)) - LEFT_OUT
    assert {name: members(theirs)[name] for name in same - OTHERWISE} == {
        name: members(ours)[name] for name in same - OTHERWISE
    }


#: What ministack's envelope lacks, and has otherwise than Lambda's (developer guide, "Capturing records of asynchronous
#: invocations"): the ARN has its version, the type is the class of the exception, 1 + 1 executions are 2.
LEFT_OUT = {"version", "timestamp", "requestContext.requestId", "responseContext.executedVersion"}
OTHERWISE = {"requestContext.functionArn", "requestContext.approximateInvokeCount", "responsePayload.errorType"}


def members(envelope: dict[str, Any]) -> dict[str, Any]:
    """The members of an envelope and of its parts, by their paths."""
    found: dict[str, Any] = {}
    for name, value in envelope.items():
        parts = value if isinstance(value, dict) else None
        found.update({name: value} if parts is None else {f"{name}.{part}": each for part, each in parts.items()})
    return found
