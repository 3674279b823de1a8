"""The files of results in the S3 of each emulator, in parts of the size that S3 demands."""

from __future__ import annotations

import json
import threading
import time

import pytest

from sosw_airflow.exceptions import MissingBucket
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import TableNames, create_missing_tables
from sosw_airflow.waiting.result_files import ResultFiles, ResultPlace
from sosw_airflow.waiting.results import ResultReader
from tests.conftest import BUCKET, Aws
from tests.integration.conftest import request_for
from tests.support.closing import close
from tests.support.emulators.emulator import REGION, Emulator

TASKS = 120
PART = 5 * 1024 * 1024


@pytest.fixture
def aws(emulator: Emulator) -> Aws:
    """Tables and a bucket."""
    aws = Aws(
        emulator.client("dynamodb", retries=True), emulator.client("s3", retries=True), TableNames(), BUCKET, REGION
    )
    create_missing_tables(aws.dynamodb)
    emulator.create_bucket(BUCKET)
    return aws


def test_files_in_parts(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task is once in one of the files; written again, their bytes are the same, and no upload stays."""
    monkeypatch.setattr("sosw_airflow.stores.queue_file.PART_BYTES", PART)
    deployment = Deployment(aws.dynamodb, aws.dynamodb, aws.s3, aws.names, BUCKET, "sosw/scheduler", time.time)
    job = {"sections": [f"s{number}" for number in range(TASKS)], "isolate_sections": True, "text": "x" * 100_000}
    header = JobScheduler(deployment).schedule(request_for(job)).header
    close(aws, header.job_id, range(TASKS))
    close(aws, header.job_id, [7], completed=False)
    reader, place = ResultReader(aws.dynamodb, aws.names, header), ResultPlace(BUCKET, "out")
    place.check(aws.s3, header.job_id)
    found = []
    for _ in range(2):
        ResultFiles.write(reader, aws.s3, place, stop=threading.Event(), stopped=KeyError)
        keys = (place.key(header.job_id, name) for name in ("completed.jsonl", "failed.jsonl", "manifest.json"))
        found.append([aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys])
    completed, failed, manifest = found[0]
    assert found[0] == found[1]
    assert len(completed) > 2 * PART
    assert [json.loads(line)["index"] for line in completed.splitlines()] == [n for n in range(TASKS) if n != 7]
    assert [json.loads(line)["index"] for line in failed.splitlines()] == [7]
    assert json.loads(manifest)["files"]["completed"]["bytes"] == len(completed)
    assert aws.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_bucket_that_does_not_exist(aws: Aws) -> None:
    """The check finds that as the uploads would."""
    with pytest.raises(MissingBucket, match="no-such-bucket"):
        ResultPlace("no-such-bucket", "out").check(aws.s3, "a" * 20)
