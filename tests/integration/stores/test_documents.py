"""A job document in S3."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from sosw_airflow.exceptions import AccessDenied, AwsFault, InvalidConfiguration
from sosw_airflow.stores.documents import read_document
from tests.conftest import BUCKET, REGION
from tests.support.network_edge import answering, s3_error, s3_object


@pytest.fixture
def s3(mocked_aws: None) -> Any:
    """A client, and an empty bucket."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.mark.parametrize("key", ["job.json", "jobs/über täglich+1%20.json"])
def test_the_bytes(s3: Any, key: str) -> None:
    """As they are, whatever characters the key has."""
    s3.put_object(Bucket=BUCKET, Key=key, Body=b'\xef\xbb\xbf{"a": 1}')
    assert read_document(s3, f"s3://{BUCKET}/{key}") == b'\xef\xbb\xbf{"a": 1}'


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3://bucket/", "s3:///key"])
def test_half_a_url(s3: Any, url: str) -> None:
    """The message has the form."""
    with pytest.raises(InvalidConfiguration, match=f"job: must be s3://BUCKET/KEY, not '{url}'"):
        read_document(s3, url)


def test_no_object(s3: Any) -> None:
    """The URL is named."""
    with pytest.raises(InvalidConfiguration, match=f"job: there is no object s3://{BUCKET}/job.json"):
        read_document(s3, f"s3://{BUCKET}/job.json")


def test_no_bucket(s3: Any) -> None:
    """It is not taken for the bucket of the queue files."""
    with pytest.raises(InvalidConfiguration, match="job: there is no bucket 'elsewhere'"):
        read_document(s3, "s3://elsewhere/job.json")


def test_no_permission(s3: Any) -> None:
    """The object is named."""
    with (
        answering(s3, handler=lambda _: s3_error("AccessDenied", 403)),
        pytest.raises(AccessDenied, match="AWS refuses s3:GetObject on s3://b/job.json"),
    ):
        read_document(s3, "s3://b/job.json")


def test_a_connection_that_breaks_in_the_middle(s3: Any) -> None:
    """Half a document is never taken for a whole one; a retry may succeed."""
    half = s3_object(b'{"a": 1}', 200)
    half.headers["Content-Length"] = "100"
    with answering(s3, handler=lambda _: half), pytest.raises(AwsFault) as refused:
        read_document(s3, "s3://b/job.json")
    assert refused.value.retryable
