"""The page writer: what it makes of each answer of DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from sosw_airflow.exceptions import AccessDenied, AwsFault, JobRecordDamaged, NoProgress
from tests.integration.conftest import Installation, request_for
from tests.support.network_edge import answering, dynamodb_error

Answer = Callable[[], AWSResponse]
JOB_ID = request_for().identity.job_id


def cancelled(*codes: str) -> AWSResponse:
    """A transaction of which each action has its reason; the marker's is the first."""
    return dynamodb_error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


def lose_the_connection() -> AWSResponse:
    """The answer never comes."""
    raise ConnectionClosedError(endpoint_url="https://aws.test/")


def first_answers(*answers: Answer) -> Callable[[str], AWSResponse | None]:
    """Answer the first transactions so, and let the others through."""
    left = list(answers)
    return lambda operation: left.pop(0)() if operation == "TransactWriteItems" and left else None


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pauses are short anyway; keep all of them so."""
    monkeypatch.setattr("sosw_airflow.scheduling.page_writer._LONGEST_PAUSE", 0.05)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: dynamodb_error("ProvisionedThroughputExceededException"), id="a throttled request"),
        pytest.param(lambda: dynamodb_error("ThrottlingException"), id="a throttled request, on demand"),
        pytest.param(lambda: cancelled("None", "ThrottlingError", "None", "None", "None"), id="a throttled row"),
        pytest.param(lambda: cancelled("ProvisionedThroughputExceeded", "None"), id="a throttled marker"),
        pytest.param(lambda: cancelled("None", "TransactionConflict"), id="a conflict with another transaction"),
        pytest.param(lambda: dynamodb_error("InternalServerError", 500), id="a server error"),
        pytest.param(lambda: dynamodb_error("ServiceUnavailableException", 503), id="a service that is away"),
        pytest.param(lambda: dynamodb_error("TransactionInProgressException"), id="a transaction in progress"),
        pytest.param(lose_the_connection, id="a lost connection"),
    ],
)
def test_what_passes_is_sent_again(installation: Installation, answer: Answer) -> None:
    """Throttling and transient faults cost a pause, no more."""
    with answering(*installation.clients, handler=first_answers(answer, answer)) as sent:
        summary = installation.scheduler().schedule(request_for()).summary()

    assert summary["state"] == "written"
    assert len(installation.queue()) == 4
    assert sent.count("TransactWriteItems") == 3


def test_a_marker_that_exists_means_that_the_page_is_committed(installation: Installation) -> None:
    """So an answer that was lost is settled by sending again."""

    def commit_and_lose(operation: str) -> None:
        if operation == "TransactWriteItems" and not installation.queue():
            installation.other_copy().schedule(request_for())
            lose_the_connection()

    with answering(*installation.clients, handler=commit_and_lose) as sent:
        installation.scheduler().schedule(request_for())

    assert len(installation.queue()) == 4
    assert sent.count("TransactWriteItems") == 2


def test_a_row_without_its_marker_is_a_damage(installation: Installation) -> None:
    """Somebody has emptied the jobs table: the row is named, and never overwritten."""
    row = {"task_id": {"S": f"{JOB_ID}{2:012x}"}, "payload": {"S": "mine"}}
    installation.aws.dynamodb.put_item(TableName="sosw_tasks", Item=row)

    with pytest.raises(JobRecordDamaged, match=rf"The task {JOB_ID}000000000002 is in sosw_tasks"):
        installation.scheduler().schedule(request_for())
    assert installation.aws.rows() == [row]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(lambda: dynamodb_error("AccessDeniedException"), AccessDenied, id="access denied"),
        pytest.param(lambda: dynamodb_error("ValidationException"), AwsFault, id="a request that is not valid"),
        pytest.param(lambda: cancelled("None", "ValidationError"), AwsFault, id="a row that is not valid"),
        pytest.param(lambda: cancelled("None", "ItemCollectionSizeLimitExceeded"), AwsFault, id="a full collection"),
    ],
)
def test_what_does_not_pass_is_raised_at_once(
    installation: Installation, answer: Answer, error: type[Exception]
) -> None:
    """Sending again could not help."""
    with answering(*installation.clients, handler=first_answers(answer)) as sent, pytest.raises(error):
        installation.scheduler().schedule(request_for())
    assert sent.count("TransactWriteItems") == 1


def test_without_progress_it_gives_up(installation: Installation) -> None:
    """It says how far it came and what AWS said last."""

    def throttle(operation: str) -> AWSResponse | None:
        return dynamodb_error("ThrottlingException") if operation == "TransactWriteItems" else None

    with (
        answering(*installation.clients, handler=throttle),
        pytest.raises(NoProgress, match="0 of 4 tasks are in the queue.*ThrottlingException"),
    ):
        installation.scheduler(patience=0.2).schedule(request_for())


@pytest.mark.usefixtures("pages_of_two")
def test_a_page_is_its_marker_and_its_rows(installation: Installation) -> None:
    """Each only where there is none yet."""
    requests: list[dict[str, Any]] = []
    installation.deployment.dynamodb_once.meta.events.register_first(
        "provide-client-params.dynamodb.TransactWriteItems", lambda params, **_: requests.append(params)
    )

    installation.scheduler().schedule(request_for())

    conditions = [
        [(put["Put"]["TableName"], put["Put"]["ConditionExpression"]) for put in request["TransactItems"]]
        for request in requests
    ]
    row = ("sosw_tasks", "attribute_not_exists(task_id)")
    assert conditions == [[("sosw_jobs", "attribute_not_exists(job_id)"), row, row]] * 2
