"""What the deterministic AWS does that no emulator can be made to do: fates, lag, time to live, denied listings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.support.deterministic_aws.answers import Reply, Request
from tests.support.deterministic_aws.aws import DeterministicAws, Fate
from tests.support.deterministic_aws.clients import answered_by, clients
from tests.support.deterministic_aws.expressions import comparable

TABLE = "sosw_tasks"
KEY = {"task_id": {"S": "t1"}}
ROW = {**KEY, "labourer_id": {"S": "worker"}, "greenfield": {"N": "1000"}}


@pytest.fixture
def aws() -> DeterministicAws:
    """One with sosw's tables and a bucket."""
    made = DeterministicAws()
    for definition in table_definitions(TableNames()):
        made.dynamodb.call("CreateTable", definition.create_arguments())
    made.s3.buckets["queue"] = {}
    return made


@contextmanager
def with_fates(aws: DeterministicAws, *fates: Fate) -> Iterator[list[str]]:
    """Inside, the requests have these fates, and then are done. Gives their names."""
    sent: list[str] = []
    left = list(fates)

    def answer(request: Request) -> Reply:
        call = aws.call(request)
        sent.append(call.operation)
        return aws.answer(call, left.pop(0) if left else Fate.DONE)

    with answered_by(answer):
        yield sent


def test_an_answer_that_is_lost(aws: DeterministicAws) -> None:
    """The item exists, and the client repeats its request by itself."""
    with with_fates(aws, Fate.LOST) as sent:
        clients().dynamodb.put_item(TableName=TABLE, Item=ROW)
    assert sent == ["PutItem", "PutItem"]

    with with_fates(aws, Fate.LOST), pytest.raises(ConnectionClosedError):
        clients().dynamodb_once.delete_item(TableName=TABLE, Key=KEY)
    assert aws.rows(TABLE) == []


@pytest.mark.parametrize(
    ("fate", "codes"),
    [
        (Fate.REFUSED, ["ProvisionedThroughputExceededException", "SlowDown", "TooManyRequestsException"]),
        (Fate.DENIED, ["AccessDeniedException", "AccessDenied", "AccessDeniedException"]),
    ],
)
def test_refusals(aws: DeterministicAws, fate: Fate, codes: list[str]) -> None:
    """Each service has its own words, and nothing is done."""
    ours = clients()
    seen = []
    for send in (
        lambda: ours.dynamodb_once.put_item(TableName=TABLE, Item=ROW),
        lambda: ours.s3.put_object(Bucket="queue", Key="k", Body=b""),
        lambda: ours.aws_lambda.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}"),
    ):
        with with_fates(aws, *[fate] * 2), pytest.raises(ClientError) as raised:
            send()
        seen.append(raised.value.response["Error"]["Code"])

    assert seen == codes
    assert aws.journal == []
    assert aws.invocations == []


def test_an_index_that_lags(aws: DeterministicAws) -> None:
    """It shows the state of the last freeze; a consistent read of the table does not."""
    query = {
        "TableName": TABLE,
        "IndexName": "sosw_tasks_greenfield",
        "KeyConditionExpression": "labourer_id = :worker",
        "ExpressionAttributeValues": {":worker": {"S": "worker"}},
    }
    aws.dynamodb.freeze_lagging_view()
    with with_fates(aws):
        clients().dynamodb.put_item(TableName=TABLE, Item=ROW)
    with with_fates(aws, Fate.LAGS, Fate.DONE, Fate.LAGS):
        counts = [clients().dynamodb.query(**query)["Count"] for _ in range(2)]
        item = clients().dynamodb.get_item(TableName=TABLE, Key=KEY, ConsistentRead=True)

    assert counts == [0, 1]
    assert item["Item"] == ROW


def test_time_to_live(aws: DeterministicAws) -> None:
    """An expired item is gone, and the journal says so."""
    with with_fates(aws):
        clients().dynamodb.put_item(TableName=TABLE, Item=ROW)
    aws.dynamodb.expire(TABLE, [(comparable(KEY["task_id"]),)])

    assert aws.rows(TABLE) == []
    assert (aws.journal[-1].before, aws.journal[-1].after) == (ROW, None)


def test_a_bucket_that_may_not_be_listed(aws: DeterministicAws) -> None:
    """A missing key is denied, in the head, the reading and the source of a copy; one that exists is not."""
    s3 = clients().s3
    aws.s3.hides_missing = True
    with with_fates(aws):
        s3.put_object(Bucket="queue", Key="there", Body=b"x")
        assert s3.head_object(Bucket="queue", Key="there")["ContentLength"] == 1
        for send in (
            lambda: s3.head_object(Bucket="queue", Key="missing"),
            lambda: s3.get_object(Bucket="queue", Key="missing"),
            lambda: s3.copy_object(Bucket="queue", Key="k", CopySource={"Bucket": "queue", "Key": "missing"}),
        ):
            with pytest.raises(ClientError) as raised:
                send()
            assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_token_makes_a_transaction_idempotent(aws: DeterministicAws) -> None:
    """The same request with the same token is done once; the token with another request is refused."""
    put = {"Put": {"TableName": TABLE, "Item": ROW, "ConditionExpression": "attribute_not_exists(task_id)"}}
    with with_fates(aws):
        for _ in range(2):
            clients().dynamodb.transact_write_items(TransactItems=[put], ClientRequestToken="one")
        with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
            clients().dynamodb.transact_write_items(TransactItems=[put, put], ClientRequestToken="one")

    assert len(aws.journal) == 1


def test_a_copy_is_on_its_own(aws: DeterministicAws) -> None:
    """What happens in a copy of the AWS is not seen in the original."""
    twin = aws.copy()
    with with_fates(twin):
        clients().dynamodb.put_item(TableName=TABLE, Item=ROW)
        clients().s3.put_object(Bucket="queue", Key="k", Body=b"")

    assert (len(twin.rows(TABLE)), len(twin.journal)) == (1, 2)
    assert (aws.rows(TABLE), aws.s3.buckets["queue"], aws.journal) == ([], {}, [])
    assert twin.digest() != aws.digest()
