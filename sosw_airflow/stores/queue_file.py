"""The queue file in S3: the plan that is written ahead, one JSON task a line (sosw rule 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import JobRecordDamaged
from sosw_airflow.stores.aws_errors import error_code, explain_faults
from sosw_airflow.stores.object_head import ObjectHead, head_object
from sosw_airflow.stores.object_ranges import read_range
from sosw_airflow.stores.object_upload import ObjectUpload
from sosw_airflow.stores.overlapping import submit
from sosw_airflow.stores.part_buffer import PartBuffer
from sosw_airflow.stores.s3_url import s3_url

__all__ = ["QueueFile", "QueueFileGone", "QueueFileWriter", "lines_of"]

#: Bytes of the first parts of a multipart upload, at least 5 MiB for S3. After so many, parts are larger by as much
#: again: S3 allows 10,000.
PART_BYTES = 6 * 1024 * 1024
_PARTS_OF_A_SIZE = 1000

#: Bytes of one read.
READ_BYTES = 4 * 1024 * 1024

#: Bytes that are split into lines at once.
_SPLIT_BYTES = 64 * 1024

#: Name of the object's metadata that says whose plan it is.
_FINGERPRINT = "sosw-job-fingerprint"


class QueueFileGone(Exception):
    """The queue file of this job does not exist under its key (any more).

    Another copy has finished the job, or another process has removed or replaced the file.
    """


def lines_of(text: bytes) -> Iterator[str]:
    """The lines of a queue file that `QueueFileWriter` has written, one at a time."""
    for line in _whole_lines(text):
        yield line.decode("ascii")


def _whole_lines(text: bytes) -> Iterator[bytes]:
    """The lines that end in the text. Some are split at once: as objects, all would be twice as large as the text."""
    begun, whole = 0, text.rfind(b"\n") + 1
    while begun < whole:
        end = text.rfind(b"\n", begun, begun + _SPLIT_BYTES)
        if end < 0:
            end = text.index(b"\n", begun)
        yield from text[begun:end].split(b"\n")
        begun = end + 1


class QueueFile:
    """One object with the tasks of a job.

    :param s3: a boto3 S3 client.
    :param setting: the extra of the Connection, or the argument, that names the bucket.
    :param fingerprint: of the job. Version 0.1 gave all jobs of one identity the same key, so an attempt with an edited
        job could write over it; their fingerprints differ.
    :param new_job: what schedules its job as a new one, for the errors.
    """

    def __init__(
        self,
        s3: Any,
        bucket: str,
        key: str,
        *,
        fingerprint: str | None = None,
        setting: str = "queue_bucket",
        new_job: str = "clear the Airflow task to schedule the job as a new one",
    ) -> None:
        self._s3 = s3
        self._setting = setting
        self._fingerprint = fingerprint
        self._new_job = new_job
        self.bucket = bucket
        self.key = key

    def __str__(self) -> str:
        return s3_url(self.bucket, self.key)

    @property
    def metadata(self) -> dict[str, str]:
        """The object's metadata, which say whose plan it is."""
        return {} if self._fingerprint is None else {_FINGERPRINT: self._fingerprint}

    def head(self, size: int) -> ObjectHead:
        """The file as S3 has it; it does not exist if another file, or one of another size, has its key."""
        head = head_object(self._s3, self.bucket, self.key, setting=self._setting)
        foreign = head.exists and (head.size != size or not self._is_ours(head.metadata))
        return ObjectHead(exists=False) if foreign else head

    def _is_ours(self, metadata: Mapping[str, str]) -> bool:
        # A file that was put there by hand has no fingerprint.
        return self._fingerprint in (None, metadata.get(_FINGERPRINT, self._fingerprint))

    def writer(self) -> QueueFileWriter:
        """A writer for a whole new file."""
        return QueueFileWriter(self._s3, self.bucket, self.key, metadata=self.metadata, setting=self._setting)

    def lines(self, size: int | None = None, *, errors: str = "strict") -> Iterator[str]:
        """The lines without their ends. Read in ranges: a connection would not outlive the writing of a long job.

        :param size: bytes that the file has, if they are known.
        :param errors: what bytes that are not UTF-8 become, as in `bytes.decode`. "strict": `JobRecordDamaged`.
        :raises QueueFileGone: the file does not exist (any more), or it is another one.
        :raises SoswError: S3 refuses; without ``s3:ListBucket`` it also denies access to a missing file.
        """
        try:
            for line in self._lines(size):
                yield line.decode(errors=errors)
        except UnicodeDecodeError as error:
            raise JobRecordDamaged(
                f"The queue file {self} is not UTF-8 text ({error.reason}): it was changed. Fix: put the file back as "
                f"it was, or {self._new_job}."
            ) from None

    def _lines(self, size: int | None) -> Iterator[bytes]:
        start, total, rest = 0, 1, b""
        while start < total:
            data, total = self._range(start)
            if not data or (size is not None and total != size):
                raise QueueFileGone(self.key)
            start += len(data)
            data = rest + data
            for line in _whole_lines(data):
                yield line.rstrip(b"\r")
            rest = data[data.rfind(b"\n") + 1 :]
        if rest:
            yield rest

    def _range(self, start: int) -> tuple[bytes, int]:
        with explain_faults(
            action="s3:GetObject", resource=self.bucket, setting=self._setting, bucket=True, key=self.key
        ):
            try:
                return read_range(self._s3, start, READ_BYTES, check=self._check, Bucket=self.bucket, Key=self.key)
            except ClientError as error:
                # InvalidRange: the file is shorter than it was a moment ago, so it is not the same.
                if error_code(error) in ("NoSuchKey", "InvalidRange"):
                    raise QueueFileGone(self.key) from None
                raise

    def _check(self, reply: dict[str, Any]) -> None:
        if not self._is_ours(reply["Metadata"]):
            raise QueueFileGone(self.key)

    def delete(self) -> None:
        """Remove the file; it is no fault if it does not exist."""
        with explain_faults(
            action="s3:DeleteObject", resource=self.bucket, setting=self._setting, bucket=True, key=self.key
        ):
            self._s3.delete_object(Bucket=self.bucket, Key=self.key)


class QueueFileWriter(ObjectUpload):
    """Streams lines into an object. The object appears, whole, only at `complete`; before that it does not exist.

    As a context manager it discards what was sent unless `complete` was called. While a part is sent, and its digest
    computed, by a thread of its own, the next one is filled: it holds two parts in memory.

    :param setting: the extra of the Connection, or the argument, that names the bucket.
    :ivar size: what it has so far, in bytes.
    :ivar text: all that was sent, if it is complete and was sent in one request.
    """

    def __init__(
        self, s3: Any, bucket: str, key: str, *, metadata: Mapping[str, str], setting: str = "queue_bucket"
    ) -> None:
        super().__init__(s3, bucket, key, setting=setting)
        self._about: dict[str, Any] = {"ContentType": "application/x-ndjson", "Metadata": dict(metadata)}
        self._filling, self._other = PartBuffer(PART_BYTES), PartBuffer(PART_BYTES)
        self._digest = hashlib.sha256()
        self.size = 0
        self.text: bytes | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sending: Future[None] | None = None
        self._begun = 0  # parts

    @property
    def digest(self) -> str:
        """The SHA-256 of what it has so far.

        :raises SoswError: S3 refuses a part.
        """
        self._wait()
        digest = self._digest.copy()
        digest.update(self._filling.content())
        return digest.hexdigest()

    def __enter__(self) -> QueueFileWriter:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()  # a part that arrives after the end of its upload would stay
        super().__exit__(kind, error, trace)

    def write(self, lines: str) -> None:
        """Add a line, or several with newlines between them (ASCII, without the end of the last one)."""
        rest = memoryview(lines.encode("ascii") + b"\n")
        self.size += len(rest)
        while rest:
            rest = self._filling.take(rest)
            if self._filling.is_full:
                self._send_part()

    def complete(self) -> int:
        """Make the file appear. Returns its size in bytes."""
        with self._explain_faults():
            if self._upload_id is None:
                text = bytes(self._filling.content())
                self._s3.put_object(**self._where, **self._about, Body=text)
                self.text = text
            else:
                if self._filling:
                    self._send_part()
                self._wait()
                self._s3.complete_multipart_upload(
                    **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
                )
                self._upload_id = None
        return self.size

    def _send_part(self) -> None:
        if self._upload_id is None:
            with self._explain_faults():
                reply = self._s3.create_multipart_upload(**self._where, **self._about)
            self._upload_id = reply["UploadId"]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="sosw-part")
        self._wait()
        self._filling, self._other = self._other, self._filling
        self._begun += 1
        self._sending = submit(self._pool, self._upload_part, self._begun, self._other.content())
        self._filling.empty(PART_BYTES * (1 + self._begun // _PARTS_OF_A_SIZE))

    def _upload_part(self, number: int, part: bytes | bytearray) -> None:
        self._digest.update(part)
        with self._explain_faults():
            reply = self._s3.upload_part(**self._where, UploadId=self._upload_id, PartNumber=number, Body=part)
        self._parts.append({"ETag": reply["ETag"], "PartNumber": number})

    def _wait(self) -> None:
        """Until the part that is being sent has arrived."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.result()
