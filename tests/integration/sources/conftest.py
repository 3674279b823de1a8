"""A bucket in moto, and the reading of one source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from sosw_airflow.jobs.sources import SourcedJob
from sosw_airflow.sources.job_sources import read_sources
from tests.conftest import BUCKET, REGION

SCHEMA = {"chunkable_attrs": ["topic", "word"]}

Read = Callable[..., list[Any]]


class AccessInTests:
    """Hands out one client, and the hooks of SQL Connections by their ids."""

    def __init__(self, s3: Any, **hooks: Any) -> None:
        self._s3, self._hooks = s3, hooks

    def s3(self, aws_conn_id: str | None) -> Any:
        """The client of the tests."""
        return self._s3

    def sql(self, conn_id: str) -> Any:
        """The hook of this Connection."""
        return self._hooks[conn_id]


@pytest.fixture
def s3(mocked_aws: None) -> Any:
    """A client, and an empty bucket."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.fixture
def access(s3: Any) -> AccessInTests:
    """The Connections of the tests."""
    return AccessInTests(s3)


@pytest.fixture
def put(s3: Any) -> Callable[[str, bytes], str]:
    """Write an object; returns its address."""

    def write(key: str, body: bytes) -> str:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    return write


@pytest.fixture
def read(access: AccessInTests) -> Read:
    """Read a source in the place of the words of a job; returns the values."""

    def values(source: dict[str, Any], **options: Any) -> list[Any]:
        with read_sources(SourcedJob.of({"words": source}, {"chunkable_attrs": ["word"]}), access, **options) as job:
            return list(job.job["words"])

    return values
