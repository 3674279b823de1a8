"""A copy of an object of any size: what is asked of S3, and what is left behind."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.exceptions import AwsFault
from sosw_airflow.stores import object_copy as module
from sosw_airflow.stores.object_copy import ObjectCopy
from sosw_airflow.stores.object_head import head_object
from tests.conftest import Aws
from tests.support.emulators.emulator import Emulator
from tests.support.network_edge import answering, at, s3_error, watching

GIB = 1024**3


class Recorder:
    """An S3 client that only records."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> dict[str, Any]:
            self.calls.append((name, arguments))
            return {"UploadId": "u", "CopyPartResult": {"ETag": f"part {arguments.get('PartNumber')}"}}

        return call


def carry_out(copy: ObjectCopy) -> ObjectCopy:
    """All of its steps."""
    with copy:
        copy.prepare()
        copy.commit()
    return copy


def copied(s3: Any, size: int, **how: Any) -> ObjectCopy:
    """Copy an object that has this size."""
    return carry_out(ObjectCopy(s3, s3, bucket="b", source="from", target="to", size=size, **how))


@pytest.mark.parametrize("size", [module.MULTIPART_BYTES, 5 * GIB, 5 * GIB + 1, 160 * GIB, 5 * 1024 * GIB])
def test_no_request_is_beyond_the_limits_of_s3(size: int) -> None:
    """At most 10,000 parts of 5 MiB to 5 GiB, the last one as small as it comes, which together are the object."""
    s3 = Recorder()
    copied(s3, size)

    ranges = [call["CopySourceRange"].removeprefix("bytes=") for name, call in s3.calls if name == "upload_part_copy"]
    parts = sorted(tuple(map(int, each.split("-"))) for each in ranges)
    sizes = [last - first + 1 for first, last in parts]
    assert len(parts) <= 10_000
    assert all(5 * 1024**2 <= each for each in sizes[:-1])
    assert max(sizes) <= 5 * GIB
    assert [first for first, _ in parts] == [0, *(last + 1 for _, last in parts[:-1])]
    assert sum(sizes) == size


def test_the_parts_are_completed_in_order() -> None:
    """However they were copied."""
    s3 = Recorder()
    copied(s3, 3 * module.MULTIPART_BYTES)
    (_, complete) = s3.calls[-1]
    numbers = [each["PartNumber"] for each in complete["MultipartUpload"]["Parts"]]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("size", [1, module.MULTIPART_BYTES])
def test_only_the_very_source_is_copied(size: int) -> None:
    """Another object that has come under its key is refused by S3."""
    s3 = Recorder()
    copied(s3, size, etag='"e"')
    reads = [call for name, call in s3.calls if "copy" in name]
    assert all(call["CopySourceIfMatch"] == '"e"' for call in reads)
    assert reads


def test_a_copy_that_is_refused_is_ended(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """No upload is left, which would cost money."""
    monkeypatch.setattr(module, "MULTIPART_BYTES", 1)
    aws.s3.put_object(Bucket=aws.bucket, Key="from", Body=b"1")
    refusal = at("CompleteMultipartUpload", lambda: s3_error("AccessDenied", 403))
    copy = ObjectCopy(aws.s3, aws.s3, bucket=aws.bucket, source="from", target="to", size=1)
    with answering(aws.s3, handler=refusal), pytest.raises(AwsFault):
        carry_out(copy)
    assert copy.refused
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=aws.bucket)


def test_a_small_object_takes_one_request(aws: Aws) -> None:
    """Up to the threshold."""
    aws.s3.put_object(Bucket=aws.bucket, Key="from", Body=b"1")
    with (
        watching(aws.s3) as sent,
        ObjectCopy(aws.s3, aws.s3, bucket=aws.bucket, source="from", target="to", size=1) as copy,
    ):
        copy.prepare()
        copy.commit()
    assert sent == ["CopyObject"]


@pytest.mark.parametrize("size", [1, 11 * 1024**2])
def test_the_copy_is_the_object(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Whole and with its metadata, in one request or in parts, on each emulator."""
    monkeypatch.setattr(module, "MULTIPART_BYTES", 5 * 1024**2)
    monkeypatch.setattr(module, "PART_BYTES", 5 * 1024**2)
    emulator.create_bucket("queue")
    s3 = emulator.client("s3")
    body = bytes(range(256)) * (size // 256 + 1)
    s3.put_object(Bucket="queue", Key="a b/from", Body=body)
    head = head_object(s3, "queue", "a b/from")

    place = {"bucket": "queue", "source": "a b/from", "target": "a b/to"}
    carry_out(ObjectCopy(s3, s3, **place, size=head.size, etag=head.etag, metadata={"x": "y"}))

    reply = s3.get_object(Bucket="queue", Key="a b/to")
    assert (reply["Body"].read() == body, reply["Metadata"], head.exists) == (True, {"x": "y"}, True)
    assert head_object(s3, "queue", "missing").exists is False
