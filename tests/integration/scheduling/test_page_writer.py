"""The page writer: what it makes of each answer of DynamoDB."""

from __future__ import annotations

import threading
import unittest.mock
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product, repeat
from typing import Any
from unittest.mock import Mock, call

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ConnectionClosedError

from sosw_airflow.exceptions import AccessDenied, AwsFault, JobRecordDamaged, NoProgress, SoswError
from sosw_airflow.jobs.metrics import Metric
from sosw_airflow.jobs.pages import Page
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.pace import PagePace
from sosw_airflow.scheduling.page_text import MetaTable, PageText
from sosw_airflow.scheduling.page_writer import PageWriter
from sosw_airflow.stores.aws_errors import Verdict
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.queue_file import QueueFileGone
from sosw_airflow.waiting.progress_log import ProgressLog
from tests.integration.conftest import LABOURER, Installation, request_for
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
    monkeypatch.setattr("sosw_airflow.scheduling.page_writer.pauses", lambda: repeat(0.05))


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


def test_committed_pages_and_throttled_requests_are_metrics(installation: Installation) -> None:
    """Each page and task once, by the attempt that has committed it; a retry that finds them reports nothing."""
    values: Counter[str] = Counter()

    def report(metric: Metric, value: float, labourer_id: str) -> None:
        values[f"{metric.name} {labourer_id}"] += int(value)

    def throttled() -> AWSResponse:
        return dynamodb_error("ThrottlingException")

    scheduler = replace(installation.scheduler(), metrics=report)
    with answering(*installation.clients, handler=first_answers(throttled, throttled)):
        pages = scheduler.schedule(request_for()).header.pages
    scheduler.schedule(request_for())

    assert values == {
        f"sosw.write.pages {LABOURER}": pages,
        f"sosw.write.throttled {LABOURER}": 2,
        f"sosw.tasks.scheduled {LABOURER}": 4,
    }


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


def test_as_many_pages_are_in_flight_as_is_wanted() -> None:
    """Each is committed once, and counted."""
    writer, _ = page_writer(committed=False)
    writer._pace.claim.return_value = writer._pace.throttled = 0  # type: ignore[attr-defined]
    all_at_once = threading.Barrier(8, timeout=10)  # fails if fewer are in flight
    sent = writer._dynamodb.transact_write_items
    sent.side_effect = lambda **_: all_at_once.wait()
    progress = ProgressLog("Pages", 48)

    with unittest.mock.patch.object(PageText, "actions", lambda _, page, __: page.number):
        writer.write((Page(number, 3 * number, 3, ["a", "b", "c"]) for number in range(16)), progress)

    assert sorted(each.kwargs["TransactItems"] for each in sent.mock_calls) == list(range(16))
    assert progress.done == 48


def test_a_fault_of_the_reading_ends_the_writing_when_pages_in_flight_are_committed() -> None:
    """The plan may be removed by another copy that has finished the job."""
    writer, _ = page_writer(committed=False)
    writer._pace.claim.return_value = writer._pace.throttled = 0  # type: ignore[attr-defined]

    def pages() -> Iterator[Page]:
        yield from (Page(number, number, 1, ["a"]) for number in range(20))
        raise QueueFileGone

    progress = ProgressLog("Pages", 30)
    with unittest.mock.patch.object(PageText, "actions", lambda _, page, __: page.number), pytest.raises(QueueFileGone):
        writer.write(pages(), progress)

    assert 0 < progress.done == writer._dynamodb.transact_write_items.call_count <= 20


#: What one transaction of two tasks may answer: a reason for the marker and one for each row.
REASONS = (
    "None",
    "ConditionalCheckFailed",
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "InternalServerError",
    "ValidationError",
    "ItemCollectionSizeLimitExceeded",
    "AReasonOfTomorrow",
)
PASSING = frozenset(REASONS[2:6])
LASTING = frozenset(REASONS[6:])


def right_end(marker: str, rows: tuple[str, ...], *, committed: bool) -> str:
    """What the writer has to make of the reasons; `committed`: a consistent read finds the page's marker."""
    exists = "ConditionalCheckFailed"
    if marker == exists or (exists in rows and committed):
        return "committed"
    if LASTING & {marker, *rows}:
        return "refused"
    if exists in rows and {marker, *rows} == {"None", exists}:
        return "damaged"
    return "sent again"


def end_of(judge: Callable[[], Verdict | None]) -> str:
    """What the writer makes of them."""
    try:
        verdict = judge()
    except JobRecordDamaged:
        return "damaged"
    return {
        None: "committed",
        Verdict.PERMANENT: "refused",
        Verdict.THROTTLED: "sent again",
        Verdict.TRANSIENT: "sent again",
    }[verdict]


def page_writer(*, committed: bool, meta: MetaTable | None = None) -> tuple[PageWriter, Mock]:
    """A writer of one page of two tasks, and what it asks for the page's marker."""
    records = Mock(spec=JobRecords, table="sosw_jobs")
    records.has_marker.return_value = committed
    header = Mock(spec=Header, job_id=JOB_ID, labourer_id=LABOURER, greenfield_base=1, greenfield_step=1)
    writer = PageWriter(
        Mock(),
        header=header,
        codec=Mock(spec=LineCodec),
        tasks_table="sosw_tasks",
        records=records,
        pace=Mock(spec=PagePace),
        now=lambda: 0.0,
        stop=threading.Event(),
        meta=meta,
    )
    return writer, records.has_marker


def refusal(*codes: str) -> ClientError:
    """The error of a transaction that was cancelled for these reasons."""
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(response, "TransactWriteItems")


@pytest.mark.parametrize("committed", [True, False], ids=["marker there", "no marker"])
def test_every_mix_of_reasons(committed: bool) -> None:
    """A marker decides; then a fault that lasts; then what was not evaluated; only a row alone is a damage."""
    writer, _ = page_writer(committed=committed)
    page = Page(0, 0, 2, ["a", "b"])
    wrong = {
        (marker, rows): end
        for marker, *others in product(REASONS, repeat=3)
        for rows in [tuple(others)]
        for end in [end_of(lambda: writer._judge(refusal(marker, *rows), page))]  # noqa: B023 - called at once
        if end != right_end(marker, rows, committed=committed)
    }
    assert wrong == {}


def test_one_consistent_read_decides_over_a_row_that_exists() -> None:
    """No read at all if no row says that it exists."""
    writer, has_marker = page_writer(committed=False)
    page = Page(7, 14, 2, ["a", "b"])
    writer._judge(refusal("TransactionConflict", "TransactionConflict", "None"), page)
    before = has_marker.call_count
    writer._judge(refusal("TransactionConflict", "ConditionalCheckFailed", "ConditionalCheckFailed"), page)
    assert (before, has_marker.mock_calls) == (0, [call(JOB_ID, 7)])


@pytest.mark.parametrize("reasons", [(), ("None", "None", "None")], ids=["none given", "none at fault"])
def test_a_cancellation_without_a_reason_is_sent_again(reasons: tuple[str, ...]) -> None:
    """Sending again is safe, and the writer's patience ends it."""
    writer, _ = page_writer(committed=False)
    assert writer._judge(refusal(*reasons), Page(0, 0, 2, ["a", "b"])) is Verdict.TRANSIENT


@pytest.mark.parametrize("throttled", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_throttled_action_slows_the_writer_down(throttled: str) -> None:
    """Also beside a conflict."""
    writer, _ = page_writer(committed=False)
    reasons = ("TransactionConflict", throttled, "None")
    assert writer._judge(refusal(*reasons), Page(0, 0, 2, ["a", "b"])) is Verdict.THROTTLED


def test_rows_of_the_meta_table_stand_between_those_of_tasks() -> None:
    """The third task's row is the fifth action behind the marker."""
    writer, _ = page_writer(committed=False, meta=MetaTable("sosw_tasks_meta", "run", "stream"))
    reasons = ["None"] * 7
    reasons[5] = "ConditionalCheckFailed"
    with pytest.raises(JobRecordDamaged, match=rf"The task {JOB_ID}{102:012x} is in sosw_tasks"):
        writer._judge(refusal(*reasons), Page(1, 100, 3, ["a", "b", "c"]))


def test_a_row_of_the_meta_table_says_nothing_of_the_page() -> None:
    """Its put has no condition; a conflict there passes."""
    writer, has_marker = page_writer(committed=False, meta=MetaTable("sosw_tasks_meta", "run", "stream"))
    verdict = writer._judge(refusal("None", "None", "ConditionalCheckFailed"), Page(0, 0, 1, ["a"]))
    assert (verdict, has_marker.call_count) == (Verdict.TRANSIENT, 0)


@pytest.mark.parametrize("marker", ["TransactionConflict", "ThrottlingError"])
def test_a_lost_answer_whose_commit_is_still_under_way(installation: Installation, marker: str) -> None:
    """Its rows appear before its marker: the page is sent again, and the marker settles it."""
    sent_before: list[str] = []

    def commit_lose_and_refuse(operation: str) -> AWSResponse | None:
        if operation != "TransactWriteItems":
            return None
        sent_before.append(operation)
        if len(sent_before) == 1:
            installation.other_copy().schedule(request_for())
            lose_the_connection()
        return cancelled(marker, "ConditionalCheckFailed") if len(sent_before) == 2 else None

    with (
        unittest.mock.patch.object(JobRecords, "has_marker", return_value=False),
        answering(*installation.clients, handler=commit_lose_and_refuse),
    ):
        summary = installation.scheduler().schedule(request_for()).summary()

    assert (summary["state"], len(installation.queue()), len(sent_before)) == ("written", 4, 3)


def test_a_row_without_its_marker_is_a_damage(installation: Installation) -> None:
    """The jobs table was emptied: the row is named, and never overwritten."""
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
        pytest.param(
            lambda: cancelled("TransactionConflict", "ValidationError"), AwsFault, id="a conflict and an invalid row"
        ),
    ],
)
def test_what_does_not_pass_is_raised_at_once(
    installation: Installation, answer: Answer, error: type[SoswError]
) -> None:
    """Sending again could not help."""
    with answering(*installation.clients, handler=first_answers(answer)) as sent, pytest.raises(error) as raised:
        installation.scheduler().schedule(request_for())
    assert sent.count("TransactWriteItems") == 1
    assert raised.value.retryable is (error is AccessDenied)


def test_the_error_says_why_the_transaction_was_cancelled(installation: Installation) -> None:
    """AWS's own message has the codes of the actions only."""
    reasons = [{"Code": "None"}, {"Code": "ValidationError", "Message": "Item size has exceeded the limit"}]
    answer = first_answers(lambda: dynamodb_error("TransactionCanceledException", CancellationReasons=reasons))
    with (
        answering(*installation.clients, handler=answer),
        pytest.raises(AwsFault, match=r"\(Item size has exceeded the limit\)\."),
    ):
        installation.scheduler().schedule(request_for())


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
