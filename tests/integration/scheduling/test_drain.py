"""The claim of a left queue file: with and without the permission to list, of any size, once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from sosw_airflow import exceptions as errors
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
from sosw_airflow.scheduling.scheduler import ScheduleResult
from sosw_airflow.stores.file_claims import FileClaims
from tests.integration.conftest import LABOURER, NOW, TODAY, Installation
from tests.integration.scheduling.test_deliver import LISTING, NO_LISTING
from tests.support.iam import Policy, enforced
from tests.support.network_edge import answering, at, once, s3_error

KEY = "sosw/scheduler/tasks_queue_1.txt"
LOCKED = "sosw/scheduler/locked_tasks_queue_1.txt"
TEXT = "".join(json.dumps({"labourer_id": LABOURER, "q": number}) + "\n" for number in range(4))
EACH_POLICY = pytest.mark.parametrize("policy", [LISTING, NO_LISTING], ids=["listing", "no listing"])


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every copy is large."""
    monkeypatch.setattr("sosw_airflow.stores.object_copy.MULTIPART_BYTES", 1)
    monkeypatch.setattr("sosw_airflow.stores.object_copy.PART_BYTES", 40)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


def leave(installation: Installation, key: str = KEY, text: str = TEXT) -> None:
    """Put the file there, as a Scheduler of sosw leaves it."""
    installation.aws.s3.put_object(Bucket=installation.aws.bucket, Key=key, Body=text.encode())


def drained(installation: Installation, *, take_locked: bool = False) -> ScheduleResult:
    """One attempt of the Airflow task that drains the file."""
    file = LeftFile.of(installation.deployment, "tasks_queue_1.txt")
    labourer_id = file.labourer_id()
    if labourer_id is None:
        raise errors.MissingQueueFile(str(file))
    identity = JobIdentity("dag", "run", "drain", -1, 0, labourer_id, queue_file=str(file))
    return drain(installation.scheduler(), DrainRequest(identity, file, TODAY), take_locked=take_locked)


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject", "CopyObject", "DeleteObject"])
def test_a_fault_of_another_bucket(installation: Installation, operation: str) -> None:
    """It names the argument that names the bucket, and no extra of the Connection."""
    leave(installation)
    file = LeftFile.of(installation.deployment, f"s3://{installation.aws.bucket}/{KEY}")
    identity = JobIdentity("dag", "run", "drain", -1, 0, LABOURER, queue_file=str(file))
    invalid = at(operation, lambda: s3_error("InvalidObjectState", 400))
    with (
        answering(installation.deployment.s3, handler=invalid),
        pytest.raises(errors.AwsFault, match="The argument 'queue_file' names it"),
    ):
        drain(installation.scheduler(), DrainRequest(identity, file, TODAY))


@EACH_POLICY
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("key", [KEY, LOCKED])
def test_a_file_is_drained(
    installation: Installation, request: pytest.FixtureRequest, policy: Policy, large: bool, key: str
) -> None:
    """Of any size, locked or not, and S3 denies what is missing."""
    leave(installation, key)
    if large:
        request.getfixturevalue("in_parts")

    with enforced(policy, *installation.clients):
        drained(installation, take_locked=key == LOCKED)

    assert [json.loads(payload)["q"] for payload in installation.payloads()] == [0, 1, 2, 3]
    assert installation.aws.queue_files() == {}


def test_a_locked_file_beside_the_one_that_was_locked(installation: Installation) -> None:
    """A Scheduler died between copy and removal. Both go, or the next drain would write the tasks again."""
    leave(installation, KEY)
    leave(installation, LOCKED)

    drained(installation, take_locked=True)

    assert (len(installation.queue()), installation.aws.queue_files()) == (4, {})


def test_a_locked_file_beside_a_new_one(installation: Installation) -> None:
    """The new one is kept: its tasks are not in the queue."""
    leave(installation, LOCKED)
    leave(installation, KEY, f"{TEXT}{TEXT}")

    drained(installation, take_locked=True)

    assert (len(installation.queue()), list(installation.aws.queue_files())) == (4, [KEY])


@EACH_POLICY
@pytest.mark.parametrize("operation", ["HeadObject", "CopyObject", "DeleteObject", "GetObject"])
@pytest.mark.parametrize("fault", ["403", "503", "lost"])
def test_a_refused_claim_is_repeated(installation: Installation, policy: Policy, operation: str, fault: str) -> None:
    """The next attempt drains the file, whatever the first one was refused."""
    leave(installation)

    def refuse() -> Any:
        if fault == "lost":
            raise ReadTimeoutError(endpoint_url="https://s3.us-west-2.amazonaws.com/")
        return s3_error("AccessDenied", 403) if fault == "403" else s3_error("SlowDown", 503)

    with answering(*installation.clients, handler=at(operation, refuse)), pytest.raises(errors.AwsFault) as refused:
        drained(installation)
    with enforced(policy, *installation.clients):
        drained(installation)

    assert refused.value.retryable
    assert (len(installation.queue()), installation.aws.queue_files()) == (4, {})


@EACH_POLICY
def test_a_retry_finds_the_file_drained(installation: Installation, policy: Policy) -> None:
    """The file is gone by then."""
    leave(installation)
    file = LeftFile.of(installation.deployment, "tasks_queue_1.txt")
    request = DrainRequest(JobIdentity("dag", "run", "drain", -1, 0, LABOURER, queue_file=str(file)), file, TODAY)
    drain(installation.scheduler(), request)

    with enforced(policy, *installation.clients):
        drain(installation.scheduler(), request)

    assert len(installation.queue()) == 4


def test_a_missing_file_without_listing(installation: Installation) -> None:
    """The message names both reasons for S3's answer; with listing the file is known to be missing."""
    with (
        enforced(NO_LISTING, *installation.clients),
        pytest.raises(errors.AccessDenied, match=f"s3://sosw-queue/{KEY}. The object does not exist, or it may not be"),
    ):
        drained(installation)
    with enforced(LISTING, *installation.clients), pytest.raises(errors.MissingQueueFile):
        drained(installation)


def test_a_claim_that_succeeded_is_not_copied_again(installation: Installation) -> None:
    """An attempt that ended after the copy has claimed the file; 160 GB are not copied onto themselves."""
    leave(installation)
    with (
        answering(*installation.clients, handler=at("DeleteObject", lambda: s3_error("SlowDown", 503))),
        pytest.raises(errors.AwsFault),
    ):
        drained(installation)

    with answering(*installation.clients, handler=lambda _: None) as sent:
        drained(installation)

    assert "CopyObject" not in sent
    assert (len(installation.queue()), installation.aws.queue_files()) == (4, {})


def test_a_file_that_is_taken_while_it_is_claimed(installation: Installation) -> None:
    """Another Scheduler has it: the first attempt already says so, writes nothing, and gives up its claim."""
    leave(installation)

    def take() -> None:
        s3, bucket = installation.aws.s3, installation.aws.bucket
        s3.copy_object(Bucket=bucket, Key=LOCKED, CopySource={"Bucket": bucket, "Key": KEY})
        s3.delete_object(Bucket=bucket, Key=KEY)

    with answering(*installation.clients, handler=once("CopyObject", take)), pytest.raises(errors.QueueFileLocked):
        drained(installation)

    assert (installation.queue(), list(installation.aws.queue_files())) == ([], [LOCKED])
    tables = installation.aws.names
    claims = FileClaims(installation.aws.dynamodb, tables.jobs_table, seconds=1)
    assert claims.owner(f"s3://{installation.aws.bucket}/{KEY}") == ""


def test_a_large_file_that_is_taken_while_its_parts_are_copied(installation: Installation, in_parts: None) -> None:
    """It is left to the other Scheduler: the copy never appears, and its parts are removed."""
    leave(installation)

    def take() -> None:
        installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=KEY)

    handler = at_last_part(take, parts=-(-len(TEXT) // 40))
    with answering(*installation.clients, handler=handler), pytest.raises(errors.QueueFileLocked):
        drained(installation)

    assert (installation.queue(), installation.aws.queue_files()) == ([], {})
    assert "Uploads" not in installation.aws.s3.list_multipart_uploads(Bucket=installation.aws.bucket)


def at_last_part(act: Any, *, parts: int) -> Any:
    """Act after the parts were copied, before the copy is completed."""
    heads = 0

    def handler(name: str) -> None:
        nonlocal heads
        heads += name == "UploadPartCopy"
        if name == "HeadObject" and heads == parts:
            act()

    return handler


def test_a_file_behind_an_access_point(installation: Installation) -> None:
    """The name of the access point belongs to the bucket."""
    arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/queues"
    file = LeftFile.of(installation.deployment, f"s3://{arn}/a/locked_b.txt")
    assert (file.bucket, file.key, file.locked_key) == (arn, "a/b.txt", "a/locked_b.txt")


def test_an_endless_labourer_in_a_line(installation: Installation) -> None:
    """The refusal shows the beginning of its name."""
    leave(installation, text=TEXT + json.dumps({"labourer_id": "x" * 100_000, "q": 4}))
    with pytest.raises(errors.InvalidQueueFile, match="line 5: is for 'xxx.*, the first for 'worker'") as refused:
        drained(installation)
    assert len(str(refused.value)) < 1000


def test_a_claim_is_kept_for_as_long_as_asked(installation: Installation) -> None:
    """DynamoDB removes it at a moment that lies so many seconds after it was made."""
    table = installation.aws.names.jobs_table
    FileClaims(installation.aws.dynamodb, table, seconds=1000, now=lambda: NOW).take("s3://bucket/key", "job")
    (item,) = installation.aws.rows(table)
    assert item["expires_at"] == {"N": str(int(NOW) + 1000)}


@pytest.mark.parametrize("claimed_by", [None, {"N": "5"}, {"M": {}}], ids=str)
def test_a_claim_that_another_program_has_changed(installation: Installation, claimed_by: Any) -> None:
    """It names no job: the error says which item it is, and the file stays."""
    leave(installation)
    table = installation.aws.names.jobs_table
    file = str(LeftFile.of(installation.deployment, "tasks_queue_1.txt"))
    FileClaims(installation.aws.dynamodb, table, seconds=1000, now=lambda: NOW).take(file, "job")
    (item,) = installation.aws.rows(table)
    del item["claimed_by"]
    installation.aws.dynamodb.put_item(
        TableName=table, Item={**item, **({"claimed_by": claimed_by} if claimed_by else {})}
    )
    with pytest.raises(errors.JobRecordDamaged, match=f"delete the item with job_id {item['job_id']['S']}"):
        drained(installation)
