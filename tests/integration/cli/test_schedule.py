"""`sosw-airflow schedule`: a job by hand, outside any DAG."""

from __future__ import annotations

import json
import re
import signal
import threading
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow import source
from sosw_airflow.cli import main
from sosw_airflow.exceptions import NoProgress
from sosw_airflow.jobs.identity import JobIdentity, command_identity
from sosw_airflow.scheduling.page_writer import PageWriter
from sosw_airflow.scheduling.plans import Plans
from sosw_airflow.testing.kit import Sosw
from tests.integration.cli.conftest import words
from tests.integration.operators.test_metrics import StatsD, configured, statsd

__all__ = ["configured", "statsd"]

JOB = {"words": ["a", "b", "c"], "isolate_words": True}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `job.json`, to be in."""
    monkeypatch.chdir(tmp_path)
    write(JOB)
    return tmp_path


def write(job: dict[str, Any]) -> None:
    """Make it the job of the file."""
    Path("job.json").write_text(json.dumps(job))


def schedule(*arguments: str, labourer: str = "pull") -> int:
    """The exit code."""
    return main(["schedule", "job.json", "--labourer", labourer, *arguments])


def scheduled(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The summary, of a call that ends well."""
    capsys.readouterr()
    assert schedule("--output", "json", *arguments) == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    return summary


def test_the_tasks_are_in_the_queue(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """In the job's order, with a record that has the command as its origin."""
    assert schedule("--id", "first try") == 0
    assert words(sosw) == ["a", "b", "c"]
    assert "3 tasks are in the queue of pull." in capsys.readouterr().out
    main(["jobs", "--dag-id", "cli"])
    assert "sosw-airflow schedule --id 'first try'" in capsys.readouterr().out


def test_metrics(sosw: Sosw, statsd: StatsD) -> None:
    """Those of the writing, without a DAG; a call that finds its job written reports nothing."""
    assert schedule("--id", "first") == schedule("--id", "first") == 0
    lines = [line for line in statsd.lines() if ".sosw." in line]
    assert sorted(lines) == [
        "airflow.sosw.tasks.scheduled,labourer=pull:3|c",
        "airflow.sosw.write.pages,labourer=pull:1|c",
    ]


def test_the_same_id_schedules_once(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """Another id is another job."""
    first, again, other = (scheduled(capsys, "--id", each) for each in ("x", "x", "y"))
    assert [each["outcome"] for each in (first, again, other)] == ["scheduled", "found", "scheduled"]
    assert first["job_id"] == again["job_id"] != other["job_id"]
    assert words(sosw) == ["a", "b", "c"] * 2


def test_without_an_id_each_call_is_a_job_of_its_own(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """And its id is printed, so that it can be resumed."""
    assert schedule() == 0
    printed = capsys.readouterr()
    assert schedule() == 0
    assert words(sosw) == ["a", "b", "c"] * 2
    run_id = printed.err.split("--id ")[1].strip()
    assert scheduled(capsys, "--id", run_id)["outcome"] == "found"


def test_no_dag_can_have_the_identity_of_a_command() -> None:
    """A DAG of the id `cli` may exist."""
    by_command = command_identity("schedule", "run", "pull")
    by_dag = JobIdentity("cli", "run", "schedule", -1, 0, "pull")
    assert by_command.job_id != by_dag.job_id
    assert " " in by_command.task_id


def test_a_later_day_resumes_the_same_job(
    sosw: Sosw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative period keeps the dates of the first call."""
    write({**JOB, "period": "yesterday"})
    first = scheduled(capsys, "--id", "x", "--date", "2026-03-02")
    again = scheduled(capsys, "--id", "x")
    assert (again["outcome"], again["reference_date"]) == ("found", first["reference_date"])
    assert sosw.tasks("pull")[0]["date_list"] == ["2026-03-01"]


def test_a_signal_stops_between_two_requests(
    sosw: Sosw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The printed command resumes the job."""
    monkeypatch.setattr("sosw_airflow.scheduling.scheduler.MAX_PAGE_ROWS", 1)
    commit = PageWriter._commit

    def interrupted(self: PageWriter, page: Any, progress: Any) -> None:
        commit(self, page, progress)
        if page.number == 0:
            signal.raise_signal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
            self._stop.set()

    with monkeypatch.context() as patched:
        patched.setattr(PageWriter, "_commit", interrupted)
        assert schedule("--id", "x", "--date", "2026-03-02") == 3
    error = capsys.readouterr().err
    assert "sosw-airflow schedule job.json --labourer pull --id x --date 2026-03-02" in error
    assert "Traceback" not in error
    assert scheduled(capsys, "--id", "x", "--date", "2026-03-02")["outcome"] == "resumed"
    assert sorted(words(sosw)) == ["a", "b", "c"]


def test_sigterm_stops_it_as_well(sosw: Sosw, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the handlers of before are back afterwards."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    make = Plans.make

    def terminated(self: Plans, *arguments: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return make(self, *arguments)

    monkeypatch.setattr(Plans, "make", terminated)
    assert schedule("--id", "x") == 3
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert words(sosw) == []


def test_a_fault_that_may_pass_names_the_command_that_resumes(
    sosw: Sosw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the error."""

    def refuse(*_: Any) -> None:
        raise NoProgress(job_id="x", done=0, total=3, seconds=300, last="ThrottlingException")

    monkeypatch.setattr(PageWriter, "write", refuse)
    assert schedule("--id", "x", "--front") == 1
    error = capsys.readouterr().err
    assert "ThrottlingException" in error
    assert "sosw-airflow schedule job.json --labourer pull --id x --front" in error


def test_another_content_under_the_same_id_is_refused(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """With what has changed."""
    assert schedule("--id", "x") == 0
    write({**JOB, "words": ["z"]})
    assert schedule("--id", "x") == 1
    assert "job.words was" in capsys.readouterr().err
    assert words(sosw) == ["a", "b", "c"]


def test_front(sosw: Sosw) -> None:
    """Before what waits."""
    assert schedule("--id", "x") == 0
    write({**JOB, "words": ["z"]})
    assert schedule("--id", "y", "--front") == 0
    assert words(sosw) == ["z", "a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--labourer", "stranger"), 1, "The labourer 'stranger' is not registered"),
        (("--labourer", "stranger", "--schema", '{"chunkable_attrs": ["word"]}'), 1, "is not registered"),
        (("--schema-name", "none"), 1, "The job schema 'none' is not known"),
        (("--schema", "none.json"), 2, "cannot read none.json: No such file"),
        (("--data-interval", "now"), 2, "--data-interval must be START..END"),
        (("--conn-id", "none"), 1, "airflow connections add none"),
    ],
)
def test_bad_input(
    sosw: Sosw, arguments: tuple[str, ...], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Is refused before anything is written."""
    assert schedule(*arguments) == code
    assert reason in capsys.readouterr().err
    assert words(sosw) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--id", ""), "argument --id: must have 1 to 200 characters"),
        (("--id", "a\x1b[2J"), "argument --id: must have 1 to 200 characters"),
        (("--date", "tomorrow"), "argument --date: must be a date as YYYY-MM-DD, not 'tomorrow'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Is reported without a traceback."""
    with pytest.raises(SystemExit) as ended:
        schedule(*arguments)
    assert (ended.value.code, reason in capsys.readouterr().err) == (2, True)


def test_the_date_is_today_by_default(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """In UTC."""
    found = date.fromisoformat(scheduled(capsys)["reference_date"])
    assert abs((found - datetime.now(timezone.utc).date()).days) <= 1


def test_a_source(sosw: Sosw, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is read once: the second call finds the job, whatever the source is by then."""
    sosw.s3.put_object(Bucket=sosw.queue_bucket, Key="words.jsonl", Body=b'"a"\nnull\n"b"\n')
    given = source.s3(f"s3://{sosw.queue_bucket}/words.jsonl", on_bad_line="skip")
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"words": given, "isolate_words": True}))
    command = ["schedule", str(file), "--labourer", "pull", "--id", "first"]

    assert main(command) == 0
    assert words(sosw) == ["a", "b"]
    ended = capsys.readouterr()
    assert "Warning: words: 1 bad line of its source is left out" in ended.err
    [job_id] = re.findall(r"job_id +(\w+)", ended.out)
    assert main(["status", job_id]) == 3  # it is not over
    shown = " ".join(capsys.readouterr().out.split())
    assert f"sources words: 2 values of s3://{sosw.queue_bucket}/words.jsonl (" in shown
    assert "), bad lines left out: 1" in shown
    sosw.s3.delete_object(Bucket=sosw.queue_bucket, Key="words.jsonl")
    assert main(command) == 0
    assert "Nothing to do: an earlier call has put 2 tasks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("on_empty", "code", "message"), [("fail", 1, "is empty"), ("skip", 0, "Nothing to schedule.")]
)
def test_an_empty_source(
    sosw: Sosw, tmp_path: Path, capsys: pytest.CaptureFixture[str], on_empty: str, code: int, message: str
) -> None:
    """It is refused, or there is nothing to do."""
    sosw.s3.put_object(Bucket=sosw.queue_bucket, Key="words.json", Body=b"[]")
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"words": source.s3(f"s3://{sosw.queue_bucket}/words.json", on_empty=on_empty)}))
    for command in ("schedule", "plan"):
        assert main([command, str(file), "--labourer", "pull"]) == code
        assert message in capsys.readouterr().err
