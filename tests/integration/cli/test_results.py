"""`sosw-airflow results`: what became of each task."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

import pytest
import yaml

from sosw_airflow.cli import main
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.testing.kit import Sosw

JOB = {"words": ["a", "b", "c", "d", "e"], "isolate_words": True, "api_key": "S3cr3t"}


@pytest.fixture
def job_id(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> str:
    """A job of five tasks: one has failed, three are completed, one waits."""
    operator = SoswScheduleOperator(task_id="schedule", labourer="pull", job=JOB)
    job_id = str(sosw.run(operator, date(2026, 3, 2))["job_id"])
    sosw.fail("pull", only=lambda payload: payload["words"] == ["b"])
    sosw.finish("pull", only=lambda payload: payload["words"] != ["e"])
    capsys.readouterr()
    return job_id


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints."""
    assert main(["results", *arguments]) == 0
    return capsys.readouterr().out


READERS: dict[str, Any] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
    "csv": lambda text: list(csv.DictReader(io.StringIO(text))),
}


@pytest.mark.parametrize("output", READERS)
def test_a_format_for_programs(job_id: str, capsys: pytest.CaptureFixture[str], output: str) -> None:
    """Each task once, in the job's order."""
    records = READERS[output](printed(capsys, job_id, "--output", output))
    assert [str(each["index"]) for each in records] == list("01234")
    assert [each["state"] for each in records] == ["completed", "failed", "completed", "completed", "queued"]


@pytest.mark.parametrize("output", [*READERS, "table", "plain"])
def test_no_task_in_the_state(job_id: str, capsys: pytest.CaptureFixture[str], output: str) -> None:
    """An empty document, which can be read."""
    text = printed(capsys, job_id, "--output", output, "--state", "unknown")
    assert not READERS[output](text) if output in READERS else job_id not in text


@pytest.mark.parametrize("output", [*READERS, "table", "plain"])
def test_secrets_are_hidden(job_id: str, capsys: pytest.CaptureFixture[str], output: str) -> None:
    """In every format."""
    assert "S3cr3t" not in printed(capsys, job_id, "--output", output)


def test_a_state(job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Only tasks in it."""
    (record,) = READERS["jsonl"](printed(capsys, job_id, "--state", "failed", "-o", "jsonl"))
    assert (record["index"], record["payload"]["words"]) == (1, ["b"])


def test_a_limit(job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first tasks."""
    assert len(READERS["jsonl"](printed(capsys, job_id, "--limit", "2", "-o", "jsonl"))) == 2


def test_plain_rows_are_never_wrapped(sosw: Sosw, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """One line for each task, in any terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    operator = SoswScheduleOperator(task_id="schedule", labourer="pull", job={**JOB, "text": "x" * 90})
    job_id = str(sosw.run(operator, date(2026, 3, 2))["job_id"])
    sosw.finish("pull", result="y" * 90)
    capsys.readouterr()
    lines = printed(capsys, job_id, "--output", "plain").splitlines()
    assert len(lines) == 6
    assert all("y" * 90 in line and "x" * 90 in line for line in lines[1:])


def test_a_table(job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For people."""
    lines = printed(capsys, job_id).splitlines()
    assert lines[0].split() == ["index", "state", "attempts", "result", "or", "error", "payload"]
    assert lines[2].split()[:2] == ["1", "failed"]


@pytest.mark.parametrize("text", ["=1+1", "@x", "+1", "-1"])
def test_a_formula_is_a_text(sosw: Sosw, capsys: pytest.CaptureFixture[str], text: str, monkeypatch: Any) -> None:
    """A program of tables must not run what a worker has written."""
    from sosw_airflow.cli.results import _cell

    assert _cell(text) == f"'{text}"


def test_an_unknown_job(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """The message is that of every command."""
    assert main(["results", "0" * 20]) == 1
    assert "There is no job" in capsys.readouterr().err
