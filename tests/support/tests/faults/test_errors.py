"""Error answers, as boto3 sees them when it may not repeat a request."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.faults import replies
from tests.support.faults.batches import LeaveUnprocessed
from tests.support.faults.faults import CancelTransaction, Fail, server_error, storm, throttle, unavailable
from tests.support.faults.journal import Outcome
from tests.support.faults.rules import anything, nth, on, writes
from tests.support.faults.sample_rows import TASKS, puts, stored, task_row

if TYPE_CHECKING:
    from tests.support.faults.proxy import FaultProxy

BUCKET = "queue-bucket"


def _answer(call: Any, **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (server_error(), (500, "InternalServerError")),
        (unavailable(), (503, "ServiceUnavailableException")),
        (throttle(), (400, "ProvisionedThroughputExceededException")),
        (throttle("ThrottlingException"), (400, "ThrottlingException")),
        (throttle("RequestLimitExceeded"), (400, "RequestLimitExceeded")),
        (Fail("AccessDeniedException"), (400, "AccessDeniedException")),
    ],
    ids=lambda value: value.code if isinstance(value, Fail) else "",
)
def test_dynamodb_errors_have_their_code_and_status(
    proxy: FaultProxy, dynamodb: Any, direct: Any, fault: Fail, expected: tuple[int, str]
) -> None:
    """Each error reaches boto3 with DynamoDB's code and status, and nothing is written."""
    proxy.add(on("PutItem"), fault)
    assert _answer(dynamodb.put_item, TableName=TASKS, Item=task_row(0)) == expected
    assert stored(direct) == 0
    assert proxy.journal.entries[0].outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (server_error(), (500, "InternalError")),
        (unavailable(), (503, "ServiceUnavailable")),
        (throttle(), (503, "SlowDown")),
    ],
    ids=["500", "503", "throttled"],
)
def test_s3_errors_have_their_code_and_status(
    proxy: FaultProxy, s3: Any, fault: Fail, expected: tuple[int, str]
) -> None:
    """The same faults have S3's shape when they strike a request of S3."""
    proxy.add(on("PutObject", key="locked_"), fault)
    assert _answer(s3.put_object, Bucket=BUCKET, Key="sosw/locked_a.txt", Body=b"x" * 100_000) == expected
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_s3_error_to_head_has_only_a_status(proxy: FaultProxy, s3: Any) -> None:
    """HEAD has no body, so that the status is all that a client gets."""
    proxy.add(on("HeadObject"), unavailable())
    assert _answer(s3.head_object, Bucket=BUCKET, Key="a") == (503, "503")


def test_error_can_be_reported_of_an_applied_request(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """A 500 may come although the write was done."""
    proxy.add(on("PutItem"), server_error(applied=True))
    assert _answer(dynamodb.put_item, TableName=TASKS, Item=task_row(0)) == (500, "InternalServerError")
    assert stored(direct) == 1
    assert proxy.journal.entries[0].outcome is Outcome.CHANGED_RESPONSE


def test_cancelled_transaction_gives_reasons_for_some_items(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """As many items as asked for have their reason, the others the code None and no message."""
    proxy.add(on("TransactWriteItems"), CancelTransaction({"ThrottlingError": 2, "TransactionConflict": 1}))
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.transact_write_items(TransactItems=puts(*range(10)))
    reasons = caught.value.response["CancellationReasons"]
    codes = [reason["Code"] for reason in reasons]
    assert sorted(codes) == ["None"] * 7 + ["ThrottlingError"] * 2 + ["TransactionConflict"]
    assert [reason["Code"] for reason in reasons if "Message" not in reason] == ["None"] * 7
    assert caught.value.response["Error"]["Message"] == (
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
    )
    assert stored(direct) == 0


def test_cancellation_has_the_shape_of_a_real_one(proxy: FaultProxy, dynamodb: Any) -> None:
    """The emulator's own cancelled transaction and the proxy's reach boto3 alike."""
    dynamodb.transact_write_items(TransactItems=puts(1))
    answers = []
    for _ in range(2):
        with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
            dynamodb.transact_write_items(TransactItems=puts(1))
        answers.append(caught.value.response)
        proxy.add(on("TransactWriteItems"), CancelTransaction({"ConditionalCheckFailed": 1}))
    real, injected = answers
    assert injected["Error"] == real["Error"]
    assert injected["CancellationReasons"] == real["CancellationReasons"]
    assert injected["ResponseMetadata"]["HTTPStatusCode"] == real["ResponseMetadata"]["HTTPStatusCode"]


def test_every_dynamodb_code_is_known_to_boto3(dynamodb: Any) -> None:
    """Codes that DynamoDB's model knows as exceptions are spelled as there."""
    modelled = set(dynamodb.meta.service_model.shape_names)
    common = {
        "AccessDeniedException",
        "ExpiredTokenException",
        "ServiceUnavailableException",
        "ValidationException",
    }
    assert {code for code in replies._DYNAMODB_ERRORS if code not in modelled} == common


def test_batch_can_be_left_unprocessed_in_part(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """What a batch leaves undone is reported as unprocessed, and only the rest is written."""
    proxy.add(on("BatchWriteItem"), LeaveUnprocessed(0.5), when=nth(1))
    requests = [{"PutRequest": {"Item": task_row(index)}} for index in range(20)]
    unprocessed = dynamodb.batch_write_item(RequestItems={TASKS: requests})["UnprocessedItems"][TASKS]
    assert 0 < len(unprocessed) < 20
    assert stored(direct) == 20 - len(unprocessed)
    assert dynamodb.batch_write_item(RequestItems={TASKS: unprocessed})["UnprocessedItems"] == {}
    assert stored(direct) == 20


@pytest.mark.slow
def test_storm_strikes_as_often_as_asked(proxy: FaultProxy, dynamodb: Any) -> None:
    """Over 400 requests each kind of fault comes about as often as its probability says."""
    proxy.add(writes(), storm(throttled=0.3, lost=0.05, errors=0.05))
    for index in range(400):
        with contextlib.suppress(ClientError, BotoCoreError):
            dynamodb.transact_write_items(TransactItems=puts(index))
    journal = proxy.journal
    assert 90 < journal.count(outcome=Outcome.REFUSED) < 170
    assert 8 < journal.count(outcome=Outcome.LOST_RESPONSE) < 36
    assert 2 < journal.count(outcome=Outcome.CHANGED_RESPONSE) < 24


def test_clear_ends_all_faults(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """After `clear` everything passes again."""
    proxy.add(anything(), server_error())
    proxy.clear()
    dynamodb.put_item(TableName=TASKS, Item=task_row(0))
    assert stored(direct) == 1
