"""What S3 says about a key without reading the object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import AccessDenied
from sosw_airflow.stores.aws_errors import error_code, explain_faults

__all__ = ["ObjectHead", "head_object"]


@dataclass(frozen=True)
class ObjectHead:
    """The answer to a HEAD request.

    :ivar exists: whether the object exists. None if S3 denies access, as it also does for a missing object if the
        identity has no ``s3:ListBucket``: the next step of the caller must decide.
    :ivar denied: the denial, to be raised if nothing else decides.
    :ivar size: bytes.
    """

    exists: bool | None
    size: int = 0
    etag: str | None = None
    version_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    denied: AccessDenied | None = None


def head_object(
    s3: Any, bucket: str, key: str, *, setting: str = "queue_bucket", version_id: str | None = None
) -> ObjectHead:
    """Send a HEAD request.

    :param setting: the extra of the Connection, or the argument, that names the bucket.
    :param version_id: of the object, None for the current one.
    :raises SoswError: S3 fails for another reason than a missing or denied object.
    """
    try:
        with explain_faults(action="s3:GetObject", resource=bucket, setting=setting, bucket=True, key=key):
            try:
                version = {"VersionId": version_id} if version_id else {}
                reply = s3.head_object(Bucket=bucket, Key=key, **version)
            except ClientError as error:
                if error_code(error) in ("404", "NoSuchKey", "NotFound"):
                    return ObjectHead(exists=False)
                raise
    except AccessDenied as denied:
        if not denied.may_be_missing:
            raise
        return ObjectHead(exists=None, denied=denied)
    return ObjectHead(
        exists=True,
        size=int(reply.get("ContentLength", 0)),
        etag=reply.get("ETag"),
        version_id=reply.get("VersionId"),
        metadata=reply.get("Metadata", {}),
    )
