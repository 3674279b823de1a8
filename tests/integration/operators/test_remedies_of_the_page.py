"""The fixes of docs/guides/troubleshooting.md that no error's message names, carried out to the letter."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow.cli import main
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.rows import Row, row_item
from sosw_airflow.operators.sosw import SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.docs.test_troubleshooting import PAGE
from tests.integration.operators.conftest import LABOURER, SCHEMAS, Attempt, MakeContext
from tests.support.closing import close

Schedule = Callable[..., SoswScheduleOperator]

#: Headings in bold whose fix no test of this module can carry out, and the test that does.
ELSEWHERE = {
    "The provider's Connection types are not in the UI.": "tests/system/browser/test_connection_form.py: with the "
    "provider beside the API server both versions show the form",
}
SHOP = {"sections": {"a": {"stores": ["x", "y"]}}, "period": "last_2_days"}


def fix(words: str) -> Callable[[Any], Any]:
    """Mark the test that carries out what these words of the page say."""
    return lambda test: test


def surprise(heading: str) -> Callable[[Any], Any]:
    """Mark the test that carries out the fix below this heading in bold."""
    return lambda test: test


def payloads(aws: Aws) -> list[dict[str, Any]]:
    """What the workers will get."""
    return [json.loads(row["payload"]["S"]) for row in aws.rows()]


def marked(by: str) -> list[str]:
    """What the marks of this module quote."""
    found = re.findall(rf"^@{by}\((\".*\")\)$", Path(__file__).read_text(), re.MULTILINE)
    return [json.loads(text) for text in found]


def test_every_surprise_has_a_fix_that_is_tested() -> None:
    """Here, or the test that is named; a heading without one fails."""
    headings = re.findall(r"^\*\*(.+?)\*\*", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted([*marked("surprise"), *ELSEWHERE])
    assert all((Path(__file__).parents[3] / place.split(":")[0]).is_file() for place in ELSEWHERE.values())


def test_the_fixes_are_those_of_the_page() -> None:
    """In its words."""
    page = " ".join(PAGE.split())
    assert [words for words in marked("fix") if words not in page] == []


# -- more than the messages say ---------------------------------------------------------------------------------------


@fix("`sosw-airflow plan` shows you the sizes.")
def test_the_sizes_of_a_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The largest task of a job that is refused, and of one that is not."""
    for words, code in ((["x" * 250_000, "y" * 250_000], 1), (["x" * 250_000], 0)):
        (tmp_path / "job.json").write_text(json.dumps({"words": words}))
        schema = '{"chunkable_attrs": ["word"]}'
        assert main(["plan", str(tmp_path / "job.json"), "--labourer", "w", "--schema", schema]) == code
        assert re.search(r"(500|250),\d{3}|(488|244)\.\d KiB|(500|250)\.\d KB", "".join(capsys.readouterr()))


@fix("or `max_tasks` in the section `[sosw]` of Airflow's configuration.")
def test_max_tasks_in_the_configuration(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised to the number of tasks."""
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_TASKS", "7")
    with pytest.raises(errors.TooManyTasks):
        attempt()
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_TASKS", "8")
    assert attempt()["tasks"] == 8


@fix("or put more into each task.")
def test_more_in_each_task(installation: Aws, attempt: Attempt) -> None:
    """A queue that has room for some hundred tasks takes the job as one."""
    newest = row_item(Row("f" * 32, LABOURER, "{}", 0.0, int(time.time()) - 86_400 - 120))
    installation.dynamodb.put_item(TableName=installation.names.tasks_table, Item=newest)
    with pytest.raises(errors.QueueFull):
        attempt({"period": "last_60_days"})
    assert attempt({"period": "last_60_days", "isolate_days": False, "isolate_words": False})["tasks"] == 1


@fix("correct the operator's `job_schema`, or `job_schema_name` in the job, which comes first.")
def test_the_schema_name_of_the_job(attempt: Attempt) -> None:
    """Is corrected; the operator's is right and did not count."""
    with pytest.raises(errors.UnknownJobSchema):
        attempt({"job_schema_name": "retail"}, job_schema="default")
    assert attempt({"job_schema_name": "default"}, job_schema="shop")["tasks"] == 8


@fix('set the extra `aws_conn_id` to `""` for boto3\'s own search.')
def test_boto3s_own_search(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS Connection is asked for."""
    asked: list[str] = []
    monkeypatch.setattr("airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook.get_connection", asked.append)
    assert attempt()["tasks"] == 8
    assert (asked, SoswHook("sosw_default").settings.aws_conn_id) == ([], "")


@fix("or tolerate some (`tolerated_failures`).")
def test_failures_that_are_tolerated(installation: Aws, attempt: Attempt) -> None:
    """The next attempt waits for the same job, and ends well."""
    waiting = {"wait_for_completion": True, "poll_interval": 0.01}
    job_id = attempt()["job_id"]
    close(installation, job_id, range(7))
    close(installation, job_id, [7], completed=False)
    with pytest.raises(errors.JobFailed):
        attempt(**waiting)
    assert attempt(**waiting, tolerated_failures=1)["failed"] == 1


# -- surprises that are no errors -------------------------------------------------------------------------------------


@surprise("The Airflow task succeeds, but nothing runs.")
def test_tasks_that_nobody_invokes(
    installation: Aws, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names the task that waits, and the function that does not exist."""
    attempt()
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 90_000)
    capsys.readouterr()
    main(["doctor", "--output", "json", "--quiet"])
    found = {each["check"]: each for each in json.loads(capsys.readouterr().out)}
    assert LABOURER in found["waiting"]["subject"]
    assert any(LABOURER in str(each) and "function" in str(each).lower() for each in found.values())


@surprise("A cleared Airflow task scheduled everything twice.")
@pytest.mark.parametrize(("on_clear", "written"), [("reschedule", 16), ("resume", 8), ("failed", 9)])
def test_what_a_clear_schedules(installation: Aws, attempt: Attempt, on_clear: str, written: int) -> None:
    """Everything, nothing, or the one task that has failed."""
    job_id = attempt(on_clear=on_clear)["job_id"]
    close(installation, job_id, range(7))
    close(installation, job_id, [7], completed=False)
    attempt(on_clear=on_clear, clear=True)
    assert 8 + len(installation.rows()) == written


@surprise("The worker gets `period` instead of `date_list`.")
@pytest.mark.parametrize("way", ["nothing", "isolate_days", "expand_period"])
def test_a_period_that_stays_whole(
    installation: Aws, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Until the job isolates its days, or the schema always expands."""
    if way == "expand_period":
        schemas = {"shop": {**SCHEMAS["shop"], "expand_period": "always"}}
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", json.dumps(schemas))
    from_tutorial = {"topics": None, "isolate_words": None, "isolate_days": True if way == "isolate_days" else None}
    attempt({**from_tutorial, **SHOP}, job_schema="shop")
    given = [("period" in payload, "date_list" in payload) for payload in payloads(installation)]
    assert set(given) == {(True, False) if way == "nothing" else (False, True)}


@surprise("The worker gets `isolated_stores`.")
def test_a_misspelt_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command warns of it."""
    (tmp_path / "job.json").write_text(json.dumps({**SHOP, "isolated_stores": True}))
    schema = json.dumps(SCHEMAS["shop"])
    assert main(["plan", str(tmp_path / "job.json"), "--labourer", "w", "--schema", schema]) == 0
    assert "isolate_stores" in "".join(capsys.readouterr())


@surprise("The dates are those of another day.")
def test_the_day_from_which_periods_are_seen(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """The end of the data interval; `reference_date` replaces it."""
    day = datetime(2026, 3, 2, tzinfo=timezone.utc)
    job = {**tutorial_job, "period": "yesterday"}
    schedule(job).execute(context(day))
    assert {date for payload in payloads(installation) for date in payload["date_list"]} == {"2026-03-01"}
    later = day + timedelta(days=1)
    schedule(job, reference_date="2026-04-10").execute(context(later))
    assert {date for each in payloads(installation) for date in each["date_list"]} == {"2026-03-01", "2026-04-09"}
