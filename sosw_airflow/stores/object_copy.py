"""A copy of an object within its bucket, of any size, which appears by one request that is sent once.

A resent copy could appear again after another process has taken and removed the first one. So the request that makes
the copy appear has no repeats of botocore's, and `ObjectCopy.refused` says whether S3 has certainly not carried it out.
boto3's own managed copy has no such moment, and needs ``s3:GetObjectVersion`` in versioned buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.stores.aws_errors import was_refused
from sosw_airflow.stores.object_upload import ObjectUpload

__all__ = ["ObjectCopy"]

#: Bytes from which on an object is copied in parts. S3 copies up to 5 GiB in one request, but that would take longer
#: than the client waits for an answer.
MULTIPART_BYTES = 256 * 1024 * 1024

#: Bytes of a part; more if the object would have more than 10,000 parts, which is S3's limit.
PART_BYTES = 128 * 1024 * 1024
_MOST_PARTS = 10_000

#: Parts that are copied at the same time.
_CONCURRENCY = 8


class ObjectCopy(ObjectUpload):
    """One copy; an object of several gigabytes is copied in parts.

    :param s3: a boto3 S3 client.
    :param s3_once: one that does not repeat requests.
    :param size: bytes of the source.
    :param etag: of the source; another object under its key is not copied.
    :param metadata: of the copy.
    :param setting: the extra of the Connection, or the argument, that names the bucket.
    :param check: called between two parts; may raise.

    ``refused`` is true once S3 has certainly not carried out the request of `commit`.
    """

    def __init__(
        self,
        s3: Any,
        s3_once: Any,
        *,
        bucket: str,
        source: str,
        target: str,
        size: int,
        etag: str | None = None,
        metadata: Mapping[str, str] | None = None,
        setting: str = "queue_bucket",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(s3, bucket, target, setting=setting)
        self._s3_once = s3_once
        self._source: dict[str, Any] = {"CopySource": {"Bucket": bucket, "Key": source}}
        if etag:
            self._source["CopySourceIfMatch"] = etag
        self._about = {"ContentType": "application/x-ndjson", "Metadata": dict(metadata or {})}
        self._size = size
        self._check = check
        self.refused = False

    @property
    def in_parts(self) -> bool:
        """Whether the object is copied in parts, which takes minutes for hundreds of GB."""
        return self._size >= MULTIPART_BYTES

    def __enter__(self) -> ObjectCopy:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def prepare(self) -> None:
        """Copy the parts of a large object. Nothing appears yet."""
        if not self.in_parts:
            return
        with self._explain_faults(), ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="sosw-copy") as pool:
            self._upload_id = self._s3.create_multipart_upload(**self._where, **self._about)["UploadId"]
            try:
                self._parts = list(pool.map(self._copy_part, self._ranges()))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def commit(self) -> None:
        """Make the copy appear.

        :raises SoswError: S3 refuses, or its answer is lost; `refused` reports which.
        """
        with self._explain_faults():
            try:
                if self.in_parts:
                    self._s3_once.complete_multipart_upload(
                        **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
                    )
                else:
                    self._s3_once.copy_object(**self._where, **self._source, **self._about, MetadataDirective="REPLACE")
            except (ClientError, BotoCoreError) as error:
                self.refused = was_refused(error)
                if not self.refused:
                    self._upload_id = None  # it may be complete by now
                raise
            except BaseException:
                self._upload_id = None
                raise
        self._upload_id = None

    def _ranges(self) -> Iterator[tuple[int, str]]:
        part = max(PART_BYTES, -(-self._size // _MOST_PARTS))
        for number, start in enumerate(range(0, self._size, part), start=1):
            yield number, f"bytes={start}-{min(start + part, self._size) - 1}"

    def _copy_part(self, part: tuple[int, str]) -> dict[str, Any]:
        self._check()
        number, wanted = part
        reply = self._s3.upload_part_copy(
            **self._where, **self._source, UploadId=self._upload_id, PartNumber=number, CopySourceRange=wanted
        )
        return {"ETag": reply["CopyPartResult"]["ETag"], "PartNumber": number}
