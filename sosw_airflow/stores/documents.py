"""Reading a job document from S3."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.stores.aws_errors import error_code, explain_faults
from sosw_airflow.stores.s3_url import split_s3_url

__all__ = ["read_document"]


def read_document(s3: Any, url: str) -> bytes:
    """The bytes of ``s3://bucket/key``; the bucket may be the ARN of an access point.

    :raises InvalidConfiguration: the URL is incomplete, or object or bucket do not exist.
    :raises SoswError: S3 refuses; without ``s3:ListBucket`` it also denies access to a missing object.
    """
    bucket, key = split_s3_url(url)
    if not bucket or not key:
        raise InvalidConfiguration([Fault("job", f"must be s3://BUCKET/KEY, not {excerpt(url)}")])
    with explain_faults(action="s3:GetObject", resource=url):
        try:
            with closing(s3.get_object(Bucket=bucket, Key=key)["Body"]) as body:
                return bytes(body.read())
        except ClientError as error:
            missing = {"NoSuchKey": f"object {url}", "NoSuchBucket": f"bucket {bucket!r}"}.get(error_code(error))
            if missing:
                raise InvalidConfiguration([Fault("job", f"there is no {missing}")]) from None
            raise
