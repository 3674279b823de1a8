"""The address of an S3 object as ``s3://bucket/key``, where the bucket may be the ARN of an access point."""

from __future__ import annotations

import re

__all__ = ["s3_url", "split_s3_url"]

# The name of an access point follows a slash, so the first slash of the address does not end such a bucket.
_BUCKET = re.compile(
    r"arn:[^:/]+:(?:s3|s3-object-lambda):[^:/]*:[^:/]*:accesspoint[:/][^/]+"
    r"|arn:[^:/]+:s3-outposts:[^:/]*:[^:/]*:outpost[:/][^:/]+[:/]accesspoint[:/][^/]+"
    r"|[^/]*"
)


def split_s3_url(url: str) -> tuple[str, str]:
    """The bucket and the key; each is empty if the address does not have it."""
    place = url.removeprefix("s3://")
    bucket = _BUCKET.match(place)[0]  # type: ignore[index]  # the last alternative matches any text
    return bucket, place[len(bucket) :].removeprefix("/")


def s3_url(bucket: str, key: str) -> str:
    """The address of an object."""
    return f"s3://{bucket}/{key}"
