"""The object of a source: which version is read, and what is said of one that changes, is missing or is denied."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from sosw_airflow import source
from sosw_airflow.exceptions import AccessDenied, MissingBucket, MissingSource, SourceChanged
from sosw_airflow.jobs.sources import SourcedJob
from sosw_airflow.sources.job_sources import read_sources
from tests.conftest import BUCKET
from tests.integration.sources.conftest import Read
from tests.support.network_edge import answering, s3_error, watching

Put = Callable[[str, bytes], str]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object takes several requests."""
    monkeypatch.setattr("sosw_airflow.sources.objects._PART", 100)


LINES = b"".join(b'"word %d"\n' % number for number in range(30_000))


@pytest.mark.usefixtures("small_parts")
def test_the_versions(s3: Any, access: Any, put: Put) -> None:
    """Of each source the record has the ETag, the version, the number and the digest of its values."""
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=BUCKET, Key="a.jsonl", Body=b'"old"')["VersionId"]
    url = put("a.jsonl", b'"new"')
    job = {"words": source.s3(url)}
    with read_sources(SourcedJob.of(job, {"chunkable_attrs": ["word"]}), access) as read:
        [version] = json.loads(read.versions)
    head = s3.head_object(Bucket=BUCKET, Key="a.jsonl")
    assert version == {
        "place": "words",
        "kind": "s3",
        "url": url,
        "etag": head["ETag"].strip('"'),
        "version_id": head["VersionId"],
        "values": 1,
        "sha256": version["sha256"],
    }
    old = {"words": source.s3(url, version_id=first)}
    with read_sources(SourcedJob.of(old, {"chunkable_attrs": ["word"]}), access) as read:
        assert list(read.job["words"]) == ["old"]


@pytest.mark.parametrize("change", ["replaced", "shorter", "removed"])
def test_an_object_that_changes_while_it_is_read(
    s3: Any, read: Read, put: Put, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """No half of one version is joined to half of another; the next attempt reads the new one."""
    monkeypatch.setattr("sosw_airflow.sources.objects._PART", 100_000)
    url, other, sent = put("a.jsonl", LINES), boto3.client("s3"), list[str]()

    def disturb(operation: str) -> None:
        sent.append(operation)
        if sent.count("GetObject") == 2:
            if change == "removed":
                other.delete_object(Bucket=BUCKET, Key="a.jsonl")
            else:
                other.put_object(Bucket=BUCKET, Key="a.jsonl", Body=LINES.upper() if change == "replaced" else b'"a"')

    with (
        answering(s3, handler=disturb),
        pytest.raises(SourceChanged, match="has changed while it was read: s3://") as refused,
    ):
        read(source.s3(url))
    assert refused.value.retryable


def test_requests(s3: Any, read: Read, put: Put) -> None:
    """A small object takes two."""
    url = put("a.jsonl", b'"a"')
    with watching(s3) as sent:
        read(source.s3(url))
    assert sent == ["HeadObject", "GetObject"]


def test_no_object(read: Read) -> None:
    """A later attempt may find it."""
    with pytest.raises(MissingSource, match=f"The source of words does not exist: s3://{BUCKET}/a.csv") as refused:
        read(source.s3(f"s3://{BUCKET}/a.csv"))
    assert refused.value.retryable


def test_no_bucket(read: Read) -> None:
    """The url of the source is what to correct."""
    with pytest.raises(MissingBucket, match="no S3 bucket 'elsewhere'.*correct the argument url"):
        read(source.s3("s3://elsewhere/a.csv"))


def test_access_denied(s3: Any, read: Read, put: Put) -> None:
    """Without s3:ListBucket a missing object looks the same: the error says so."""
    url = put("a.csv", b"word\na\n")
    with (
        answering(s3, handler=lambda _: s3_error("403", 403)),
        pytest.raises(AccessDenied, match=r"s3:GetObject on s3://.*/a.csv.*does not exist, or it may not be read"),
    ):
        read(source.s3(url))


def test_the_reading_can_be_stopped(read: Read, put: Put) -> None:
    """The kill of an Airflow task ends it between two requests."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(source.s3(put("a.jsonl", LINES)), check=stop)
