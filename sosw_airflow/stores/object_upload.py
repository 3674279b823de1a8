"""What all uploads of an object in parts share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.stores.aws_errors import explain_faults

__all__ = ["ObjectUpload"]


class ObjectUpload:
    """An object that appears as a whole, or not at all: a context manager that aborts an upload which is not complete.

    :param s3: a boto3 S3 client.
    :param setting: the extra of the Connection, or the argument, that names the bucket.
    """

    def __init__(self, s3: Any, bucket: str, key: str, *, setting: str = "queue_bucket") -> None:
        self._s3 = s3
        self._setting = setting
        self._where = {"Bucket": bucket, "Key": key}
        self._upload_id: str | None = None  # of parts that are not an object yet
        self._parts: list[dict[str, Any]] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._upload_id is not None:
            try:
                self._s3.abort_multipart_upload(**self._where, UploadId=self._upload_id)
            except (ClientError, BotoCoreError):
                if kind is None:
                    raise

    def _explain_faults(self) -> AbstractContextManager[None]:
        bucket, key = self._where["Bucket"], self._where["Key"]
        return explain_faults(action="s3:PutObject", resource=bucket, setting=self._setting, bucket=True, key=key)
