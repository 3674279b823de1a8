"""`sosw-airflow drain`: the tasks of a queue file that sosw's Scheduler has left."""

from __future__ import annotations

import json

import pytest

from sosw_airflow.cli import main
from sosw_airflow.testing.kit import Sosw
from tests.integration.cli.conftest import words

KEY = "sosw/scheduler/tasks_queue_left.txt"
LOCKED = "sosw/scheduler/locked_tasks_queue_left.txt"


@pytest.fixture(autouse=True)
def left(sosw: Sosw) -> None:
    """A file with two tasks."""
    put(sosw, KEY)


def put(sosw: Sosw, key: str, labourer: str = "pull") -> None:
    """A queue file."""
    lines = [json.dumps({"labourer_id": labourer, "words": [word]}) for word in "ab"]
    sosw.s3.put_object(Bucket=sosw.queue_bucket, Key=key, Body="\n".join(lines).encode())


def keys(sosw: Sosw) -> list[str]:
    """What is in the bucket."""
    return [each["Key"] for each in sosw.s3.list_objects_v2(Bucket=sosw.queue_bucket).get("Contents", ())]


@pytest.mark.parametrize("name", ["tasks_queue_left.txt", KEY, "s3://sosw-queue/" + KEY])
def test_the_tasks_are_in_the_queue_and_the_file_is_removed(
    sosw: Sosw, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named as in the bucket, by its key, or by its address."""
    assert main(["drain", name]) == 0
    assert (words(sosw), keys(sosw)) == (["a", "b"], [])
    assert f"The queue of pull has 2 tasks of s3://sosw-queue/{KEY}; the file is removed." in capsys.readouterr().out


def test_the_same_id_finds_it_written(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """Though the file is gone."""
    for outcome in ("scheduled", "found"):
        assert main(["drain", KEY, "--id", "x", "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["outcome"] == outcome
    assert words(sosw) == ["a", "b"]


def test_a_file_that_is_gone(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """Was drained before."""
    assert main(["drain", KEY]) == 0
    assert main(["drain", KEY]) == 1
    assert "it may be drained already" in capsys.readouterr().err
    assert words(sosw) == ["a", "b"]


def test_a_call_without_an_id_resumes_what_a_crash_has_left(
    sosw: Sosw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claimed file leads to the job."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("sosw_airflow.scheduling.page_writer.PageWriter.write", crash)
        assert main(["drain", KEY, "--id", "x"]) == 130
    error = capsys.readouterr().err
    assert f"sosw-airflow drain {KEY} --id x" in error
    assert main(["drain", KEY, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "resumed"
    assert (words(sosw), keys(sosw)) == (["a", "b"], [])


def test_a_locked_file_is_left_alone(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless --take-locked is given, which the message names."""
    sosw.s3.delete_object(Bucket=sosw.queue_bucket, Key=KEY)
    put(sosw, LOCKED)
    assert main(["drain", KEY]) == 1
    assert "--take-locked" in capsys.readouterr().err
    assert (words(sosw), keys(sosw)) == ([], [LOCKED])
    assert main(["drain", KEY, "--take-locked"]) == 0
    assert (words(sosw), keys(sosw)) == (["a", "b"], [])


def test_a_labourer_that_is_not_registered(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """The file stays as it is."""
    put(sosw, KEY, labourer="stranger")
    assert main(["drain", KEY]) == 1
    assert "'stranger' is not registered" in capsys.readouterr().err
    assert keys(sosw) == [KEY]
