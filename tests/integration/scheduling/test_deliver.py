"""A delivery that AWS refuses is repeated; one whose answer was lost is never repeated blindly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from sosw_airflow import exceptions as errors
from sosw_airflow.jobs.transitions import DELIVER
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult
from sosw_airflow.stores.job_record import Header, JobRecords, JobState
from sosw_airflow.stores.queue_file_keys import queue_file_key
from tests.integration.conftest import Installation, request_for
from tests.support.iam import Policy, enforced
from tests.support.network_edge import Crash, answering, crash_at, s3_error

JOB_ID = request_for().identity.job_id
FOLDER = "sosw/scheduler"
PLAN = queue_file_key(FOLDER, JOB_ID, request_for().fingerprint)
COPY = f"{FOLDER}/tasks_queue_airflow_{JOB_ID}.txt"
SECOND_COPY = f"{FOLDER}/tasks_queue_airflow_{JOB_ID}_2.txt"
TAKEN = f"{FOLDER}/locked_tasks_queue_airflow_{JOB_ID}.txt"
URL = "https://s3.us-west-2.amazonaws.com/"

#: What an identity has that may do everything but list the bucket.
NO_LISTING = Policy(
    frozenset(
        {
            *((f"dynamodb:{each}Item", "*") for each in ("Get", "Put", "Update", "Delete")),
            *((f"dynamodb:{each}", "*") for each in ("Query", "DescribeTable")),
            *((f"s3:{each}Object", "arn:aws:s3:::sosw-queue/*") for each in ("Get", "Put", "Delete")),
            ("s3:AbortMultipartUpload", "arn:aws:s3:::sosw-queue/*"),
        }
    )
)
LISTING = Policy(NO_LISTING.allowed | {("s3:ListBucket", "arn:aws:s3:::sosw-queue")})

Fault = Callable[[], Any]


def unreachable() -> Any:
    """No connection."""
    raise EndpointConnectionError(endpoint_url=URL, error="refused")


def lost() -> Any:
    """The request is on its way, the answer is not."""
    raise ReadTimeoutError(endpoint_url=URL)


REFUSALS = {
    "HEAD 403": ("HeadObject", lambda: s3_error("AccessDenied", 403)),
    "HEAD 503": ("HeadObject", lambda: s3_error("SlowDown", 503)),
    "copy 403": ("CopyObject", lambda: s3_error("AccessDenied", 403)),
    "copy 404": ("CopyObject", lambda: s3_error("NoSuchKey", 404)),
    "copy 412": ("CopyObject", lambda: s3_error("PreconditionFailed", 412)),
    "copy 503": ("CopyObject", lambda: s3_error("SlowDown", 503)),
    "copy unreachable": ("CopyObject", unreachable),
    "complete 403": ("CompleteMultipartUpload", lambda: s3_error("AccessDenied", 403)),
    "complete 503": ("CompleteMultipartUpload", lambda: s3_error("SlowDown", 503)),
    "part 503": ("UploadPartCopy", lambda: s3_error("SlowDown", 503)),
    "part lost": ("UploadPartCopy", lost),
    "part unreachable": ("UploadPartCopy", unreachable),
}
LOST = {
    "copy 500": ("CopyObject", lambda: s3_error("InternalError", 500)),
    "copy lost": ("CopyObject", lost),
    "complete lost": ("CompleteMultipartUpload", lost),
}


@contextmanager
def failing(installation: Installation, operation: str, fault: Fault) -> Iterator[list[str]]:
    """Answer this operation with the fault."""

    def handler(name: str) -> Any:
        return fault() if name == operation else None

    with answering(*installation.clients, handler=handler) as sent:
        yield sent


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every copy is large."""
    monkeypatch.setattr("sosw_airflow.stores.object_copy.MULTIPART_BYTES", 1)
    monkeypatch.setattr("sosw_airflow.stores.object_copy.PART_BYTES", 40)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


def delivered(installation: Installation, **how: Any) -> ScheduleResult:
    """Deliver the job."""
    return deliver(installation.scheduler(), request_for(), **how)


def state(installation: Installation) -> JobState:
    """The state of the job in its record."""
    header = installation.scheduler().records.header(JOB_ID)
    assert header is not None
    return header.state


def is_multipart(operation: str) -> bool:
    """Whether only a large copy has this request."""
    return "Part" in operation or "Multipart" in operation


def test_a_job_that_is_cancelled_meanwhile_is_not_taken_for_written(installation: Installation) -> None:
    """A cancelling closes the pages with markers. The delivery that finds them says that the job was cancelled."""
    installation.scheduler().plan(request_for())
    seen: list[str] = []

    def cancel(operation: str) -> None:
        seen.append(operation)
        if seen.count("Query") == 2 and operation == "Query":  # that of the markers
            cancel_job(installation.other_copy().deployment, JOB_ID)

    with answering(*installation.clients, handler=cancel), pytest.raises(errors.JobCancelled):
        delivered(installation)
    assert state(installation) is JobState.CANCELLED


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refused_delivery_is_repeated(installation: Installation, request: pytest.FixtureRequest, case: str) -> None:
    """Nothing was copied, so the next attempt copies, and no upload is left behind."""
    operation, fault = REFUSALS[case]
    if is_multipart(operation):
        request.getfixturevalue("in_parts")
    with failing(installation, operation, fault), pytest.raises(errors.SoswError):
        delivered(installation)
    assert state(installation) is JobState.PLANNED

    delivered(installation)

    copy = COPY if case.startswith(("HEAD", "part")) else SECOND_COPY  # the others come after the attempt's number
    assert (list(installation.aws.queue_files()), state(installation)) == ([copy], JobState.DELIVERED)
    assert "Uploads" not in installation.aws.s3.list_multipart_uploads(Bucket=installation.aws.bucket)


@pytest.mark.parametrize("case", LOST)
def test_a_copy_whose_answer_is_lost_is_uncertain(
    installation: Installation, request: pytest.FixtureRequest, case: str
) -> None:
    """It may have been taken and drained before the next attempt, which so copies nothing."""
    operation, fault = LOST[case]
    if is_multipart(operation):
        request.getfixturevalue("in_parts")
    with failing(installation, operation, fault), pytest.raises(errors.AwsFault) as first:
        delivered(installation)

    with pytest.raises(errors.DeliveryUncertain, match="search the labourer's tasks created since then"):
        delivered(installation)

    assert first.value.retryable
    assert list(installation.aws.queue_files()) == [PLAN]


def test_a_copy_whose_answer_is_lost_is_certain_with_a_function(installation: Installation) -> None:
    """Only the function takes the file, and it was not invoked yet."""
    aws_lambda = _Lambda()
    with failing(installation, "CopyObject", lost), pytest.raises(errors.AwsFault):
        delivered(installation, function="f", aws_lambda=aws_lambda)

    delivered(installation, function="f", aws_lambda=aws_lambda)

    assert (list(installation.aws.queue_files()), aws_lambda.invoked) == ([SECOND_COPY], 1)


def test_the_copy_is_sent_once(installation: Installation) -> None:
    """Repeats of botocore's could deliver a file again that was taken in between."""
    s3 = boto3.client("s3", config=Config(retries={"total_max_attempts": 3}))
    at = replace(installation.deployment, s3=s3)

    def handler(name: str) -> Any:
        return lost() if name == "CopyObject" else None

    with answering(s3, at.s3_once, handler=handler) as sent, pytest.raises(errors.AwsFault):
        deliver(JobScheduler(at), request_for())

    assert sent.count("CopyObject") == 1


@pytest.mark.parametrize("policy", [LISTING, NO_LISTING], ids=["listing", "no listing"])
@pytest.mark.parametrize("large", [False, True])
def test_a_delivery_needs_no_listing(
    installation: Installation, request: pytest.FixtureRequest, policy: Policy, large: bool
) -> None:
    """S3 denies what is missing, and the delivery reads only what exists."""
    if large:
        request.getfixturevalue("in_parts")
    with enforced(policy, *installation.clients):
        delivered(installation)

    assert list(installation.aws.queue_files()) == [COPY]


@pytest.mark.parametrize("policy", [LISTING, NO_LISTING], ids=["listing", "no listing"])
@pytest.mark.parametrize("gone", ["removed", "replaced"])
def test_a_plan_that_is_gone_is_written_again(installation: Installation, policy: Policy, gone: str) -> None:
    """It is the job's plan that is delivered, not nothing, and not the file of another job."""
    with failing(installation, "CopyObject", unreachable), pytest.raises(errors.AwsFault):
        delivered(installation)
    text = installation.aws.queue_files()[PLAN]
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=PLAN)
    if gone == "replaced":
        installation.aws.s3.put_object(
            Bucket=installation.aws.bucket, Key=PLAN, Body=text, Metadata={"sosw-job-fingerprint": "another"}
        )

    with enforced(policy, *installation.clients):
        delivered(installation)

    assert installation.aws.queue_files() == {SECOND_COPY: text}


@pytest.mark.parametrize("policy", [LISTING, NO_LISTING], ids=["listing", "no listing"])
@pytest.mark.parametrize("key", [COPY, TAKEN])
def test_a_crash_after_the_copy(installation: Installation, policy: Policy, key: str) -> None:
    """The retry finds the copy, or the lock of the Scheduler that drains it, whether or not it may list."""
    _crash_after("CopyObject", installation)
    if key == TAKEN:
        _rename(installation, COPY, TAKEN)

    with enforced(policy, *installation.clients):
        delivered(installation)

    assert (list(installation.aws.queue_files()), state(installation)) == ([key], JobState.DELIVERED)


def test_a_crash_after_the_plan_was_removed(installation: Installation) -> None:
    """The plan is removed after the copy, so a missing one says that the copy was drained."""
    _crash_after("DeleteObject", installation)
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=COPY)

    delivered(installation)

    assert (installation.aws.queue_files(), state(installation)) == ({}, JobState.DELIVERED)


def test_without_listing_a_missing_plan_is_not_known(installation: Installation) -> None:
    """All that S3 says is 403: the message names both reasons, and the listing that distinguishes them ends it."""
    _crash_after("CopyObject", installation)
    for key in (COPY, PLAN):
        installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=key)

    with (
        enforced(NO_LISTING, *installation.clients),
        pytest.raises(errors.AccessDenied, match=r"does not exist, or it may not be read: without s3:ListBucket"),
    ):
        delivered(installation)
    with enforced(LISTING, *installation.clients), pytest.raises(errors.DeliveryUncertain):
        delivered(installation)

    assert state(installation) is JobState.DELIVERING


def test_a_cancelled_job_is_not_delivered(installation: Installation) -> None:
    """Though the cancelling comes between the copy and its last step: the copy is taken back."""

    def cancelling(name: str) -> None:
        if name == "UpdateItem" and COPY in installation.aws.queue_files() and state(installation) is not cancelled:
            cancel_job(installation.other_copy().deployment, JOB_ID)
            installation.aws.s3.put_object(Bucket=installation.aws.bucket, Key=COPY, Body=b"came later")

    cancelled = JobState.CANCELLED
    with answering(*installation.clients, handler=cancelling), pytest.raises(errors.JobCancelled):
        delivered(installation)

    assert installation.aws.queue_files() == {}


@pytest.mark.parametrize("policy", [LISTING, NO_LISTING], ids=["listing", "no listing"])
@pytest.mark.parametrize("taken", [False, True])
def test_cancelling_a_delivered_job(installation: Installation, policy: Policy, taken: bool) -> None:
    """The file is taken back if no Scheduler has taken it; its absence is no fault."""
    delivered(installation)
    if taken:
        installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=COPY)

    with enforced(policy, *installation.clients):
        cancelled = cancel_job(installation.deployment, JOB_ID)

    assert cancelled is not None
    unknown = taken and policy is NO_LISTING  # S3 does not say whether the file was missing before
    assert (cancelled.removed, cancelled.kept) == ((0, None if unknown else 4) if taken else (4, 0))
    assert installation.aws.queue_files() == {}


class _Lambda:
    """Lambda as it answers an asynchronous invocation."""

    invoked = 0

    def invoke(self, **_: Any) -> dict[str, int]:
        """Count it."""
        self.invoked += 1
        return {"StatusCode": 202}


def _crash_after(operation: str, installation: Installation) -> None:
    """Let the first attempt die once AWS has carried out this operation."""
    with answering(*installation.clients, handler=lambda _: None) as sent:
        delivered(installation)
    number = sent.index(operation)
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=COPY)
    installation.aws.dynamodb.delete_item(
        TableName="sosw_jobs", Key={"job_id": {"S": JOB_ID}, "record": {"S": "header"}}
    )
    with pytest.raises(Crash), crash_at(number, *installation.clients, applied=True):
        delivered(installation)


def _rename(installation: Installation, source: str, target: str) -> None:
    s3, bucket = installation.aws.s3, installation.aws.bucket
    s3.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source})
    s3.delete_object(Bucket=bucket, Key=source)


def test_the_plan_of_a_living_delivery_stays(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that finds another one delivering removes nothing: that one may not have copied the plan yet."""
    create = JobRecords.create

    def beaten(records: JobRecords, header: Header) -> bool:
        create(records, header)
        records.change(DELIVER, header.job_id, attempt=header.attempt)
        return create(records, header)

    monkeypatch.setattr(JobRecords, "create", beaten)
    with pytest.raises(errors.DeliveryUncertain):
        delivered(installation)
    assert list(installation.aws.queue_files()) == [PLAN]
