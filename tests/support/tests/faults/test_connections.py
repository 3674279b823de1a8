"""Lost connections, as boto3 sees them when it may not repeat a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ConnectionClosedError

from tests.support.faults.faults import LoseRequest, LoseResponse
from tests.support.faults.journal import Outcome
from tests.support.faults.rules import nth, on
from tests.support.faults.sample_rows import TASKS, puts, stored, task_row

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator
    from tests.support.faults.proxy import FaultProxy

BUCKET = "queue-bucket"


def test_without_rules_everything_passes(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """A proxy without rules changes nothing."""
    dynamodb.transact_write_items(TransactItems=puts(0, 1, 2))
    assert dynamodb.get_item(TableName=TASKS, Key={"task_id": task_row(1)["task_id"]})["Item"] == task_row(1)
    assert stored(direct) == 3


def test_lost_request_is_not_applied(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """The client sees its connection close, and the table is as before."""
    proxy.add(on("TransactWriteItems"), LoseRequest())
    with pytest.raises(ConnectionClosedError):
        dynamodb.transact_write_items(TransactItems=puts(0, 1))
    assert stored(direct) == 0
    assert [entry.outcome for entry in proxy.journal.entries] == [Outcome.LOST_REQUEST]


def test_lost_response_is_applied(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """The client sees its connection close just as well, but the rows exist."""
    proxy.add(on("TransactWriteItems"), LoseResponse())
    with pytest.raises(ConnectionClosedError):
        dynamodb.transact_write_items(TransactItems=puts(0, 1))
    assert stored(direct) == 2
    assert proxy.journal.entries[0].outcome is Outcome.LOST_RESPONSE
    assert proxy.journal.entries[0].applied


@pytest.mark.parametrize("fault", [LoseRequest(reset=True), LoseResponse(reset=True)], ids=["request", "response"])
def test_reset_connection_is_an_error_of_the_connection(proxy: FaultProxy, dynamodb: Any, fault: Any) -> None:
    """A TCP reset reaches the client as an error of botocore's, not of the service."""
    proxy.add(on("PutItem"), fault)
    with pytest.raises(BotoCoreError):
        dynamodb.put_item(TableName=TASKS, Item=task_row(0))


def test_broken_answer_is_an_empty_one(proxy: FaultProxy, dynamodb: Any) -> None:
    """An answer whose body breaks off is no error to boto3: it returns, and the members are not there."""
    dynamodb.put_item(TableName=TASKS, Item=task_row(0))
    proxy.add(on("Scan"), LoseResponse(body_bytes=20))
    answer = dynamodb.scan(TableName=TASKS)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer.keys() == {"ResponseMetadata"}


def test_broken_answer_is_repeated_for_its_checksum(proxy: FaultProxy, emulator: Emulator) -> None:
    """With botocore's own retries the checksum gives the broken answer away, and the next one is right."""
    client = emulator.client("dynamodb", endpoint_url=proxy.url, retries=True)
    client.put_item(TableName=TASKS, Item=task_row(0))
    proxy.add(on("Scan"), LoseResponse(body_bytes=20), when=nth(1))
    assert client.scan(TableName=TASKS)["Items"] == [task_row(0)]
    assert proxy.journal.count("Scan") == 2


def test_client_goes_on_after_a_lost_connection(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """Only the request that was struck fails; the same client's next one opens another connection."""
    proxy.add(on("PutItem"), LoseRequest(), when=nth(2))
    dynamodb.put_item(TableName=TASKS, Item=task_row(0))
    with pytest.raises(ConnectionClosedError):
        dynamodb.put_item(TableName=TASKS, Item=task_row(1))
    dynamodb.put_item(TableName=TASKS, Item=task_row(2))
    assert stored(direct) == 2


def test_retrying_client_survives_a_lost_response(proxy: FaultProxy, emulator: Emulator, direct: Any) -> None:
    """With botocore's own retries the put is sent again and the caller notices nothing."""
    proxy.add(on("PutItem"), LoseResponse(), when=nth(1))
    client = emulator.client("dynamodb", endpoint_url=proxy.url, retries=True)
    client.put_item(TableName=TASKS, Item=task_row(0))
    assert proxy.journal.count("PutItem") == 2
    assert stored(direct) == 1


def test_lost_upload_leaves_no_object(proxy: FaultProxy, s3: Any) -> None:
    """An S3 upload whose connection ends early stores nothing."""
    proxy.add(on("PutObject"), LoseRequest(), when=nth(1))
    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket=BUCKET, Key="sosw/scheduler/locked_a.txt", Body=b"row\n" * 1000)
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_emulator_that_is_gone_closes_the_connection(emulator: Emulator) -> None:
    """If no server listens behind the proxy, the client sees a closed connection and the journal says why."""
    from tests.support.emulators.server_process import free_port
    from tests.support.faults.proxy import FaultProxy

    with FaultProxy(f"http://127.0.0.1:{free_port()}") as proxy:
        client = emulator.client("dynamodb", endpoint_url=proxy.url)
        with pytest.raises(ConnectionClosedError):
            client.list_tables()
        assert [entry.outcome for entry in proxy.journal.entries] == [Outcome.EMULATOR_GONE]
