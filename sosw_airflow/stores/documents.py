"""Reading a job document from S3."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.stores.aws_errors import error_code, explained

__all__ = ["read_document"]


def read_document(s3: Any, url: str) -> bytes:
    """The bytes of ``s3://bucket/key``.

    :raises InvalidConfiguration: the URL is incomplete, or there is no such object.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise InvalidConfiguration([Fault("job", f"must be s3://BUCKET/KEY, not {url!r}")])
    with explained(action="s3:GetObject", resource=bucket, setting="job", bucket=True):
        try:
            with closing(s3.get_object(Bucket=bucket, Key=key)["Body"]) as body:
                return bytes(body.read())
        except ClientError as error:
            if error_code(error) == "NoSuchKey":
                raise InvalidConfiguration([Fault("job", f"there is no object {url}")]) from None
            raise
