"""The files of a job's results in S3."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

import pytest

from sosw_airflow.exceptions import InvalidConfiguration, SoswError
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.waiting.result_files import ResultFiles, ResultPlace
from sosw_airflow.waiting.results import ResultReader
from tests.conftest import BUCKET
from tests.integration.conftest import NOW, Installation
from tests.integration.waiting.test_results import scheduled, update
from tests.support.closing import close
from tests.support.network_edge import Crash, crash_at, watching

PLACE = ResultPlace(BUCKET, "out/today")


def write(installation: Installation, job_id: str, *, stop: threading.Event | None = None) -> ResultFiles:
    """Write the files."""
    header = JobRecords(installation.aws.dynamodb, "sosw_jobs").header(job_id)
    assert header is not None
    reader = ResultReader(installation.aws.dynamodb, installation.deployment.tables, header, lambda: NOW)
    stop = stop or threading.Event()
    return ResultFiles.write(reader, installation.deployment.s3, PLACE, stop=stop, stopped=KeyError)


@pytest.fixture
def job_id(installation: Installation) -> str:
    """A job of 250 tasks that is over: 247 completed, two failed, one row is gone."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(250))
    close(installation.aws, job_id, [100, 200], completed=False)
    error = {"error_type": {"S": "KeyError"}}
    update(installation.aws, "sosw_closed_tasks", job_id, 100, error_message={"S": "'a'"}, **error)
    update(installation.aws, "sosw_closed_tasks", job_id, 200, error_message={"S": "'b'"}, **error)
    gone = {"task_id": {"S": f"{job_id}{150:012x}"}}
    installation.aws.dynamodb.delete_item(TableName="sosw_closed_tasks", Key=gone)
    return job_id


def files_of(installation: Installation, job_id: str) -> dict[str, str]:
    """Name and text of the files of the job."""
    prefix = f"out/today/{job_id}/"
    found = installation.aws.queue_files()
    return {key.removeprefix(prefix): text for key, text in found.items() if key.startswith(prefix)}


def test_every_index_is_in_one_file(installation: Installation, job_id: str) -> None:
    """Completed tasks in one, all others in the other, both in the job's order."""
    write(installation, job_id)
    found = files_of(installation, job_id)
    lines = {name: [json.loads(line) for line in found[name].splitlines()] for name in found if "jsonl" in name}
    assert [each["index"] for each in lines["failed.jsonl"]] == [100, 150, 200]
    assert [each["state"] for each in lines["failed.jsonl"]] == ["failed", "unknown", "failed"]
    assert [each["index"] for each in lines["completed.jsonl"]] == [n for n in range(250) if n not in (100, 150, 200)]


def test_the_manifest(installation: Installation, job_id: str) -> None:
    """Counts of all states, causes, size, lines and digest of the files."""
    written = write(installation, job_id)
    found = files_of(installation, job_id)
    manifest = json.loads(found["manifest.json"])
    counts = {"completed": 247, "failed": 2, "queued": 0, "running": 0, "retrying": 0, "unknown": 1}
    assert (manifest["job_id"], manifest["tasks"], manifest["counts"]) == (job_id, 250, counts)
    assert [(each["message"], each["count"]) for each in manifest["causes"]["groups"]] == [("KeyError: <value>", 2)]
    for name in ("completed", "failed"):
        body, about = found[f"{name}.jsonl"].encode(), manifest["files"][name]
        assert (about["bytes"], about["lines"]) == (len(body), body.count(b"\n"))
        assert about["sha256"] == hashlib.sha256(body).hexdigest()
    assert written.as_dict() == {
        **{name: f"s3://{BUCKET}/out/today/{job_id}/{name}.jsonl" for name in ("completed", "failed")},
        "manifest": f"s3://{BUCKET}/out/today/{job_id}/manifest.json",
        "counts": counts,
    }


def test_the_same_bytes_again(installation: Installation, job_id: str) -> None:
    """A retry writes what the first attempt has written."""
    write(installation, job_id)
    first = files_of(installation, job_id)
    write(installation, job_id)
    assert files_of(installation, job_id) == first


def test_a_job_without_failures(installation: Installation) -> None:
    """Both files exist, so that a consumer needs no case for it."""
    job_id = scheduled(installation, {"sections": ["a"], "isolate_sections": True})
    close(installation.aws, job_id, [0])
    write(installation, job_id)
    found = files_of(installation, job_id)
    assert (found["failed.jsonl"], found["completed.jsonl"].count("\n")) == ("", 1)


def test_files_in_parts(installation: Installation, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As large files are written; a crash leaves no upload."""
    monkeypatch.setattr("sosw_airflow.stores.queue_file.PART_BYTES", 10_000)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    with watching(installation.deployment.s3) as sent:
        write(installation, job_id)
    assert sent.count("UploadPart") > 3
    assert len(files_of(installation, job_id)["completed.jsonl"].splitlines()) == 247


def test_a_crash_leaves_no_manifest(installation: Installation, job_id: str) -> None:
    """A manifest says that the files are complete."""
    with pytest.raises(Crash), crash_at(1, installation.deployment.s3, applied=False):
        write(installation, job_id)
    assert "manifest.json" not in files_of(installation, job_id)


def test_a_stop(installation: Installation, job_id: str) -> None:
    """The work ends between two tasks, with no file."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyError):
        write(installation, job_id, stop=stop)
    assert files_of(installation, job_id) == {}


def test_a_bucket_that_can_be_written(installation: Installation) -> None:
    """The check leaves nothing."""
    PLACE.check(installation.deployment.s3, "a" * 20)
    assert installation.aws.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_bucket_that_does_not_exist(installation: Installation) -> None:
    """The error names it, and the argument."""
    with pytest.raises(SoswError, match=r"(?s)no-such-bucket.*results"):
        ResultPlace("no-such-bucket", "").check(installation.deployment.s3, "a" * 20)


@pytest.mark.parametrize(
    ("given", "bucket", "prefix"),
    [
        ("s3://b/out/", "b", "out"),
        ("s3://b", "b", ""),
        (" s3://b/a/b ", "b", "a/b"),
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/out", None, "out"),
    ],
)
def test_an_address(given: str, bucket: str | None, prefix: str) -> None:
    """Slashes at its ends do not count."""
    found = ResultPlace.of(given)
    assert found == ResultPlace(bucket or "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine", prefix)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "None",
        "b/out",
        "s3://",
        "s3:///out",
        "s3://b//out",
        "s3://b/a\nb",
        f"s3://b/{'x' * 901}",
        5,
        None,
        ["s3://b"],
    ],
)
def test_no_address(given: Any) -> None:
    """The message has the rule."""
    with pytest.raises(InvalidConfiguration, match="results"):
        ResultPlace.of(given)
