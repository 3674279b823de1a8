"""The queue file: what S3 has at which moment, and how it is read."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sosw_airflow.exceptions import AccessDenied, AwsFault, MissingBucket
from sosw_airflow.stores import queue_file as module
from sosw_airflow.stores.queue_file import QueueFile, QueueFileGone
from sosw_airflow.stores.queue_file_keys import locked_name, queue_file_key, queue_file_prefix
from tests.conftest import BUCKET, REGION
from tests.support.network_edge import answering, at, s3_error, s3_object, watching

KEY = "sosw/scheduler/locked_tasks_queue_x.txt"
LINES = ['{"a": 1, "labourer_id": "w"}', '{"a": "é", "labourer_id": "w"}', '{"labourer_id": "w"}']


@pytest.fixture(scope="module")
def s3() -> Any:
    """An S3 client without retries, in moto, with an empty bucket. One for all tests here: each has its own key."""
    from moto import mock_aws

    with mock_aws():
        client = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield client


@pytest.fixture(autouse=True)
def empty(s3: Any) -> None:
    """No object exists."""
    s3.delete_object(Bucket=BUCKET, Key=KEY)


def put(s3: Any, body: str | bytes) -> QueueFile:
    """A queue file with this content, as anybody may have put it there."""
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=body.encode() if isinstance(body, str) else body)
    return QueueFile(s3, BUCKET, KEY)


def written(s3: Any, lines: list[str], **about: Any) -> QueueFile:
    """A queue file as the writer leaves it."""
    queue_file = QueueFile(s3, BUCKET, KEY, **about)
    with queue_file.writer() as writer:
        for line in lines:
            writer.write(line)
        writer.complete()
    return queue_file


def write_and_raise(s3: Any, error: BaseException) -> None:
    """Begin a file, and fail before it is complete."""
    with QueueFile(s3, BUCKET, KEY).writer() as writer:
        writer.write("{}")
        raise error


def body_of(s3: Any) -> bytes | None:
    """What is in the bucket under the key, None for nothing."""
    try:
        return bytes(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None


def uploads(s3: Any) -> list[Any]:
    """The multipart uploads that were begun and not ended."""
    return list(s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


# -- names -------------------------------------------------------------------------------------------------------------


def test_locked_name() -> None:
    """As upstream marks a file while it works on it."""
    assert locked_name("tasks_queue_1.txt") == "locked_tasks_queue_1.txt"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("sosw/scheduler", "sosw/scheduler/locked_tasks_queue_0a_252f10c8.txt"),
        ("/sosw/scheduler/", "sosw/scheduler/locked_tasks_queue_0a_252f10c8.txt"),
        ("", "locked_tasks_queue_0a_252f10c8.txt"),
    ],
)
def test_key(prefix: str, expected: str) -> None:
    """The key follows from prefix and job; slashes too many are passed over, as no key may begin with one."""
    assert queue_file_key(prefix, "0a", "f") == expected


def test_an_edited_job_has_another_key() -> None:
    """So that its attempts never write over the plan of the job that was scheduled."""
    assert queue_file_key("", "0a", "f") != queue_file_key("", "0a", "edited")


def test_the_keys_of_a_job_have_a_prefix() -> None:
    """The link to the queue file uses it before the plan has a name."""
    assert queue_file_key("a/b", "0a", "f").startswith(queue_file_prefix("a/b", "0a"))


def test_it_says_where_it_is() -> None:
    """For logs."""
    assert str(QueueFile(None, "b", "k")) == "s3://b/k"


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_line_each(s3: Any) -> None:
    """Every line ends, the last one too, and the size is that of the object."""
    queue_file = QueueFile(s3, BUCKET, KEY)
    with queue_file.writer() as writer:
        for line in ("{}", '{"a": 1}'):
            writer.write(line)
        assert (writer.size, writer.complete()) == (12, 12)
    assert body_of(s3) == b'{}\n{"a": 1}\n'


def test_nothing_before_it_is_complete(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No reader finds half a plan, whether or not parts of it were sent."""
    monkeypatch.setattr(module, "PART_BYTES", 1)
    with QueueFile(s3, BUCKET, KEY).writer() as writer:
        writer.write("{}")
        assert (body_of(s3), len(uploads(s3))) == (None, 1)


def test_what_is_not_completed_is_discarded(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No object and no upload, which would cost money, are left behind by a refusal."""
    monkeypatch.setattr(module, "PART_BYTES", 1)
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(s3, KeyboardInterrupt())
    assert (body_of(s3), uploads(s3)) == (None, [])


def test_what_is_not_completed_leaves_the_former_file(s3: Any) -> None:
    """A plan that fails does not harm the one that another copy has completed."""
    put(s3, "before")
    with pytest.raises(ValueError, match="refused"):
        write_and_raise(s3, ValueError("refused"))
    assert body_of(s3) == b"before"


def test_a_later_plan_replaces_an_earlier_one(s3: Any) -> None:
    """A crashed attempt may have left one."""
    put(s3, "before")
    written(s3, ["{}"])
    assert body_of(s3) == b"{}\n"


def test_parts_of_the_size_that_s3_asks_for(s3: Any) -> None:
    """A long plan goes up in parts of `PART_BYTES`; S3 accepts none below 5 MiB but the last."""
    line = json.dumps("x" * 999_997)
    with watching(s3) as sent:
        written(s3, [line] * 20)
    assert sent == ["CreateMultipartUpload", *["UploadPart"] * 4, "CompleteMultipartUpload"]
    assert (body_of(s3) or b"").decode() == f"{line}\n" * 20


def test_a_part_is_sent_while_the_next_one_is_filled(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upload of the first ends only once the second is written: else it would wait for ever."""
    monkeypatch.setattr(module, "PART_BYTES", 2)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    next_is_filled = threading.Event()

    def wait(operation: str) -> None:
        assert operation != "UploadPart" or next_is_filled.wait(10)

    with answering(s3, handler=wait), QueueFile(s3, BUCKET, KEY).writer() as plan:
        plan.write("a")
        plan.write("")
        next_is_filled.set()
        plan.write("b")
        plan.complete()
    assert (body_of(s3), plan.digest) == (b"a\n\nb\n", hashlib.sha256(b"a\n\nb\n").hexdigest())


def test_a_part_that_is_refused_ends_the_plan(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the latest when the file is to appear; the upload is aborted once no part is under way."""
    monkeypatch.setattr(module, "PART_BYTES", 1)
    with (
        answering(s3, handler=at("UploadPart", lambda: s3_error("AccessDenied", 403))) as sent,
        pytest.raises(AccessDenied),
    ):
        written(s3, ["a"])
    assert sent == ["CreateMultipartUpload", "UploadPart", "AbortMultipartUpload"]
    assert uploads(s3) == []


def test_parts_grow_before_their_number_ends(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 allows 10,000, so that a plan of 330 GB has room."""
    monkeypatch.setattr(module, "PART_BYTES", 2)
    monkeypatch.setattr(module, "_PARTS_OF_A_SIZE", 2)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    with watching(s3) as sent:
        written(s3, ["a"] * 8)
    assert sent.count("UploadPart") == 5  # of 1, 1, 2, 2, and what is left
    assert body_of(s3) == b"a\n" * 8


def test_an_error_that_ends_the_upload_counts_more_than_one_of_its_end(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the upload cannot even be aborted, the reason for it is still raised."""
    monkeypatch.setattr(module, "PART_BYTES", 1)
    refusal = at("AbortMultipartUpload", lambda: s3_error("AccessDenied", 403))
    with answering(s3, handler=refusal), pytest.raises(ValueError, match="the reason"):
        write_and_raise(s3, ValueError("the reason"))
    for upload in uploads(s3):
        s3.abort_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=upload["UploadId"])


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_an_upload_that_is_refused(s3: Any, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """The error is this provider's, and the upload is ended."""
    monkeypatch.setattr(module, "PART_BYTES", 1)
    refusal = at(operation, lambda: s3_error("AccessDenied", 403))
    with answering(s3, handler=refusal), pytest.raises(AccessDenied, match=BUCKET):
        written(s3, ["{}"])
    assert (body_of(s3), uploads(s3)) == (None, [])


def test_an_upload_that_somebody_has_ended_is_worth_a_retry(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """For instance a lifecycle rule that came while a long plan was made."""
    monkeypatch.setattr(module, "PART_BYTES", 1)
    gone = at("CompleteMultipartUpload", lambda: s3_error("NoSuchUpload", 404))
    with answering(s3, handler=gone), pytest.raises(AwsFault) as refused:
        written(s3, ["{}"])
    assert refused.value.retryable


# -- reading -----------------------------------------------------------------------------------------------------------


@given(
    lines=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=8), min_size=1, max_size=6
    ),
    read_bytes=st.integers(1, 64),
    ends=st.sampled_from(["\n", "\r\n"]),
    last_end=st.booleans(),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ranges_do_not_show(
    s3: Any, monkeypatch: pytest.MonkeyPatch, lines: list[str], read_bytes: int, ends: str, last_end: bool
) -> None:
    """Whatever the size of a read, even in the middle of a character or of a line's end, the lines are the same."""
    monkeypatch.setattr(module, "READ_BYTES", read_bytes)
    queue_file = put(s3, ends.join(lines) + (ends if last_end else ""))
    assert list(queue_file.lines()) == lines


def test_it_reads_no_further_than_asked(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range is fetched when its first line is wanted, and memory holds one."""
    monkeypatch.setattr(module, "READ_BYTES", 8)
    lines = put(s3, "1234567\n" * 10).lines()
    with watching(s3) as sent:
        assert [next(lines), next(lines)] == ["1234567"] * 2
    assert len(sent) == 2


def test_no_file(s3: Any) -> None:
    """Its own exception, since a finished job has no plan."""
    with pytest.raises(QueueFileGone, match=KEY):
        next(QueueFile(s3, BUCKET, KEY).lines())


def test_a_file_that_goes_while_it_is_read(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another copy has finished the job."""
    monkeypatch.setattr(module, "READ_BYTES", 8)
    lines = put(s3, "1234567\n" * 3).lines()
    next(lines)
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    with pytest.raises(QueueFileGone):
        next(lines)


def test_a_file_that_becomes_shorter_while_it_is_read(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the same file any more; S3 refuses the next range."""
    monkeypatch.setattr(module, "READ_BYTES", 8)
    lines = put(s3, "1234567\n" * 3).lines()
    next(lines)
    put(s3, "12\n")
    with pytest.raises(QueueFileGone):
        next(lines)


def test_an_empty_file(s3: Any) -> None:
    """A plan is never empty, so it was emptied since: the same as none."""
    with pytest.raises(QueueFileGone):
        next(put(s3, "").lines())


def test_a_file_of_another_size(s3: Any) -> None:
    """Where the size of the plan is known, a file that was edited is not taken for it."""
    queue_file = put(s3, "1\n2\n")
    assert list(queue_file.lines(4)) == ["1", "2"]
    with pytest.raises(QueueFileGone):
        next(queue_file.lines(5))


def test_the_file_of_another_job(s3: Any) -> None:
    """A copy with an edited job has put its own plan there; it is never read as ours."""
    written(s3, ["{}"], fingerprint="theirs")
    with pytest.raises(QueueFileGone):
        next(QueueFile(s3, BUCKET, KEY, fingerprint="ours").lines())


@pytest.mark.parametrize("parts", [3, 100])
def test_the_file_of_this_job(s3: Any, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """However it was uploaded, it is known again."""
    monkeypatch.setattr(module, "PART_BYTES", parts)
    written(s3, ["{}"], fingerprint="ours")
    assert list(QueueFile(s3, BUCKET, KEY, fingerprint="ours").lines()) == ["{}"]


def test_a_file_that_was_restored_by_hand(s3: Any) -> None:
    """It has no fingerprint, and is taken."""
    put(s3, "{}\n")
    assert list(QueueFile(s3, BUCKET, KEY, fingerprint="ours").lines()) == ["{}"]


def test_a_store_that_knows_no_ranges(s3: Any) -> None:
    """Some S3-compatible stores answer with the whole object."""
    with answering(s3, handler=lambda _: s3_object(b"1\n2\n", 200)):
        assert list(QueueFile(s3, BUCKET, KEY).lines()) == ["1", "2"]


def test_a_connection_that_breaks_in_the_middle_of_a_body(s3: Any) -> None:
    """botocore does not repeat that; the range is read again."""
    broken = s3_object(b"1\n", **{"Content-Range": "bytes 0-3/4"})
    broken.headers["Content-Length"] = "4"
    answers = [broken, s3_object(b"1\n2\n", **{"Content-Range": "bytes 0-3/4"})]
    with answering(s3, handler=lambda _: answers.pop(0)) as sent:
        assert list(QueueFile(s3, BUCKET, KEY).lines()) == ["1", "2"]
    assert len(sent) == 2


def test_connections_that_always_break(s3: Any) -> None:
    """After a few attempts that is an error, which a retry of the Airflow task may fix."""

    def broken(_: str) -> Any:
        answer = s3_object(b"1\n", **{"Content-Range": "bytes 0-3/4"})
        answer.headers["Content-Length"] = "4"
        return answer

    with answering(s3, handler=broken) as sent, pytest.raises(AwsFault) as refused:
        next(QueueFile(s3, BUCKET, KEY).lines())
    assert (len(sent), refused.value.retryable) == (4, True)


def test_no_permission_to_read(s3: Any) -> None:
    """S3 says the same where the file is gone and the identity may not list the bucket."""
    with answering(s3, handler=lambda _: s3_error("AccessDenied", 403)), pytest.raises(AccessDenied, match="GetObject"):
        next(QueueFile(s3, BUCKET, KEY).lines())


def test_no_bucket(s3: Any) -> None:
    """The bucket is named, not the file."""
    with pytest.raises(MissingBucket, match="'no-such-bucket'"):
        next(QueueFile(s3, "no-such-bucket", KEY).lines())


# -- removing ----------------------------------------------------------------------------------------------------------


def test_removing_it(s3: Any) -> None:
    """It is gone, and may be removed again."""
    queue_file = written(s3, LINES[2:])
    queue_file.delete()
    queue_file.delete()
    assert body_of(s3) is None


def test_no_permission_to_remove(s3: Any) -> None:
    """The action is named."""
    with answering(s3, handler=lambda _: s3_error("AccessDenied", 403)), pytest.raises(AccessDenied, match="DeleteObj"):
        QueueFile(s3, BUCKET, KEY).delete()
