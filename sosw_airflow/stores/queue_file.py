"""The queue file in S3: the plan that is written ahead, one JSON task a line (sosw rule 7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.stores.aws_errors import error_code, explained

__all__ = ["QueueFile", "QueueFileGone", "QueueFileWriter", "locked_name", "queue_file_key"]

#: Bytes of one part of a multipart upload; S3 allows 10,000 parts of at least 5 MiB.
PART_BYTES = 16 * 1024 * 1024

#: Bytes of one read.
READ_BYTES = 8 * 1024 * 1024


class QueueFileGone(Exception):
    """There is no queue file under this key (any more): another copy has finished the job, or somebody removed it."""


def locked_name(name: str) -> str:
    """The name of a queue file while somebody works on it."""
    return f"locked_{name}"


def queue_file_key(prefix: str, job_id: str) -> str:
    """The key of a job's queue file under its locked name.

    It follows from the job, so that a retry replaces the plan that a crashed attempt has left.
    """
    return "/".join(part for part in (prefix.strip("/"), locked_name(f"tasks_queue_{job_id}.txt")) if part)


class QueueFile:
    """One object with the tasks of a job.

    :param s3: a boto3 S3 client.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        self.bucket = bucket
        self.key = key

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def writer(self) -> QueueFileWriter:
        """A writer for a whole new file."""
        return QueueFileWriter(self._s3, self.bucket, self.key)

    def lines(self) -> Iterator[str]:
        """The lines without their ends. Read in ranges: a connection would not outlive the writing of a long job.

        :raises QueueFileGone: there is no such file, or no more.
        :raises SoswError: S3 refuses.
        """
        start, total, rest = 0, 1, b""
        while start < total:
            data, total = self._range(start)
            start += len(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r").decode()
        if rest:
            yield rest.decode()

    def _range(self, start: int) -> tuple[bytes, int]:
        with explained(action="s3:GetObject", resource=self.bucket, setting="queue_bucket", bucket=True):
            try:
                reply = self._s3.get_object(
                    Bucket=self.bucket, Key=self.key, Range=f"bytes={start}-{start + READ_BYTES - 1}"
                )
                with closing(reply["Body"]) as body:
                    return body.read(), int(reply["ContentRange"].rpartition("/")[2])
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    raise QueueFileGone(self.key) from None
                raise

    def delete(self) -> None:
        """Remove the file; it is no fault if there is none."""
        with explained(action="s3:DeleteObject", resource=self.bucket, setting="queue_bucket", bucket=True):
            self._s3.delete_object(Bucket=self.bucket, Key=self.key)


class QueueFileWriter:
    """Streams lines into an object. The object appears, whole, only at `complete`; before, nothing is there.

    ``size`` is what it has so far, in bytes. As a context manager it discards what was sent unless `complete` was
    called. Holds one part in memory.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        self._where = {"Bucket": bucket, "Key": key}
        self._bucket = bucket
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []
        self.size = 0

    def __enter__(self) -> QueueFileWriter:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._upload_id is not None:
            try:
                self._s3.abort_multipart_upload(**self._where, UploadId=self._upload_id)
            except (ClientError, BotoCoreError):
                if kind is None:
                    raise

    def write(self, line: str) -> None:
        """Add a line (ASCII, without its end)."""
        self._buffer += line.encode("ascii")
        self._buffer += b"\n"
        self.size += len(line) + 1
        if len(self._buffer) >= PART_BYTES:
            self._send_part()

    def complete(self) -> int:
        """Make the file appear. Returns its size in bytes."""
        with explained(action="s3:PutObject", resource=self._bucket, setting="queue_bucket", bucket=True):
            if self._upload_id is None:
                self._s3.put_object(**self._where, Body=bytes(self._buffer), ContentType="application/x-ndjson")
            else:
                if self._buffer:
                    self._send_part()
                self._s3.complete_multipart_upload(
                    **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
                )
                self._upload_id = None
        return self.size

    def _send_part(self) -> None:
        with explained(action="s3:PutObject", resource=self._bucket, setting="queue_bucket", bucket=True):
            if self._upload_id is None:
                reply = self._s3.create_multipart_upload(**self._where, ContentType="application/x-ndjson")
                self._upload_id = reply["UploadId"]
            number = len(self._parts) + 1
            reply = self._s3.upload_part(
                **self._where, UploadId=self._upload_id, PartNumber=number, Body=bytes(self._buffer)
            )
        self._parts.append({"ETag": reply["ETag"], "PartNumber": number})
        self._buffer.clear()
