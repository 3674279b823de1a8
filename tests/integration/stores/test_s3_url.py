"""The address of an S3 object is cut behind the bucket, whatever a bucket is called."""

from __future__ import annotations

import pytest

from sosw_airflow.stores.s3_url import s3_url, split_s3_url

POINT = "arn:aws:s3:us-west-2:123456789012:accesspoint"
OUTPOST = "arn:aws:s3-outposts:us-west-2:123456789012:outpost"


@pytest.mark.parametrize(
    "bucket",
    [
        "b",
        "my.bucket-1",
        f"{POINT}/name",
        f"{POINT}:name",
        "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/name",
        "arn:aws:s3::123456789012:accesspoint/mrap.alias",
        "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/name",
        f"{OUTPOST}/op-01/accesspoint/name",
        f"{OUTPOST}:op-01:accesspoint:name",
    ],
)
@pytest.mark.parametrize("key", ["key", "a/b/key.txt", "accesspoint/x", "arn:aws:s3:x/y"])
def test_bucket_and_key(bucket: str, key: str) -> None:
    """Both come back as they were joined."""
    assert split_s3_url(s3_url(bucket, key)) == (bucket, key)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://", ("", "")),
        ("s3://b", ("b", "")),
        ("s3://b/", ("b", "")),
        ("s3:///key", ("", "key")),
        (f"s3://{POINT}/name", (f"{POINT}/name", "")),
        (f"s3://{POINT}/name/", (f"{POINT}/name", "")),
        (f"s3://{POINT}//key", (POINT, "/key")),
    ],
)
def test_what_is_missing_is_empty(url: str, parts: tuple[str, str]) -> None:
    """The caller refuses it by its own words."""
    assert split_s3_url(url) == parts
