"""`SoswScheduleOperator`: from a job to rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from sosw_airflow.exceptions import InvalidConfiguration, JobCancelled, JobConflict, JobStopped
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs import job_of
from sosw_airflow.jobs.transitions import FINISH, Transition
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.page_writer import WriterStopped
from sosw_airflow.stores.job_record import Change, Header, JobRecords
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext

Schedule = Callable[..., SoswScheduleOperator]


def payloads(aws: Aws) -> list[dict[str, Any]]:
    """The payloads in the queue, in the order in which sosw's Orchestrator would invoke them."""
    rows = sorted(aws.rows(), key=lambda row: int(row["greenfield"]["N"]))
    return [json.loads(row["payload"]["S"]) for row in rows]


def test_each_task_is_a_row(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """A job becomes one row for each combination, in sosw's order."""
    schedule(tutorial_job).execute(context())

    expected = [
        {"isolate_words": True, "date_list": [day], "topics": [topic], "words": [word]}
        for day in ("2026-02-28", "2026-03-01")
        for topic, words in (("cars", ("toyota", "mazda")), ("food", ("pizza", "soup")))
        for word in words
    ]
    assert expected == payloads(installation)


def test_dates_follow_the_run(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """A run of 2019 gives dates of 2019."""
    schedule(tutorial_job).execute(context(datetime(2019, 5, 2, tzinfo=timezone.utc)))

    assert {"2019-04-30", "2019-05-01"} == {payload["date_list"][0] for payload in payloads(installation)}


def test_the_summary_tells_where_to_look(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """The XCom has the job's id, its size, its first and last task."""
    summary = schedule(tutorial_job).execute(context())

    job_id, queue_key = summary["job_id"], summary["queue_key"]
    assert queue_key.startswith(f"s3://{installation.bucket}/sosw/scheduler/locked_tasks_queue_{job_id}_")
    assert {
        "job_id": job_id,
        "labourer": LABOURER,
        "tasks": 8,
        "pages": 1,
        "queue_key": queue_key,
        "reference_date": "2026-03-02",
        "first_task_id": f"{job_id}000000000000",
        "last_task_id": f"{job_id}000000000007",
        "state": "written",
        "estimate": summary["estimate"],
    } == summary
    assert {job_id} == {job_of(row["task_id"]["S"]) for row in installation.rows()}


def test_a_second_attempt_changes_nothing(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """An automatic retry after success returns the same summary and leaves the rows alone."""
    first = schedule(tutorial_job).execute(context(max_tries=2))
    rows = installation.rows()

    second = schedule(tutorial_job).execute(context(try_number=2, max_tries=2))

    assert first == second
    assert rows == installation.rows()


def test_a_clear_schedules_all_tasks_again(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """A clear raises max_tries, which makes a new generation with ids of its own, behind the first."""
    first = schedule(tutorial_job).execute(context())
    second = schedule(tutorial_job).execute(context(try_number=2, max_tries=1))

    assert first["job_id"] != second["job_id"]
    assert 16 == len(installation.rows())


def test_a_clear_can_resume(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """With ``on_clear="resume"`` a clear of a job that is written schedules nothing again."""
    first = schedule(tutorial_job, on_clear="resume").execute(context())
    second = schedule(tutorial_job, on_clear="resume").execute(context(try_number=2, max_tries=1))

    assert second == first
    assert len(installation.rows()) == 8


def test_a_clear_does_not_resume_a_cancelled_job(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """It is scheduled again instead."""
    first = schedule(tutorial_job).execute(context())
    cancel_job(SoswHook().deployment(), str(first["job_id"]))

    second = schedule(tutorial_job, on_clear="resume").execute(context(try_number=2, max_tries=1))

    assert second["job_id"] != first["job_id"]
    assert len(installation.rows()) == 8


def test_each_mapped_instance_is_a_job_of_its_own(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """Map indexes share no task ids."""
    ids = {schedule(tutorial_job).execute(context(map_index=index))["job_id"] for index in range(3)}

    assert 3 == len(ids)
    assert 24 == len(installation.rows())


def test_an_edited_job_under_the_same_identity_is_a_conflict(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """The error says what has changed, and nothing is mixed."""
    schedule(tutorial_job).execute(context())

    with pytest.raises(JobConflict, match=r'job\.period was "last_2_days", is "last_3_days"'):
        schedule({**tutorial_job, "period": "last_3_days"}).execute(context())
    assert 8 == len(installation.rows())


def test_the_queue_file_is_gone_after_success(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """Neither the locked name nor the other one is left."""
    schedule(tutorial_job).execute(context())

    assert {} == installation.queue_files()


@pytest.mark.parametrize("form", ["text", "event", "event of text"])
def test_a_job_may_come_as_json_or_as_an_event(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], form: str
) -> None:
    """JSON text, an event of sosw's Scheduler, and both in one are as good as a mapping."""
    job = {
        "text": json.dumps(tutorial_job),
        "event": {"job": tutorial_job},
        "event of text": {"job": json.dumps(tutorial_job)},
    }[form]

    assert 8 == schedule(job).execute(context())["tasks"]


def test_a_job_may_be_a_document_in_s3(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """``s3://bucket/key`` is read at run time."""
    installation.s3.put_object(Bucket=installation.bucket, Key="jobs/a.json", Body=json.dumps(tutorial_job).encode())

    assert 8 == schedule(f"s3://{installation.bucket}/jobs/a.json").execute(context())["tasks"]


@pytest.mark.parametrize(
    "lambda_name", [LABOURER, f"arn:aws-cn:lambda:cn-north-1:123456789012:function:{LABOURER}:live"]
)
def test_the_labourer_may_come_from_the_job(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], lambda_name: str
) -> None:
    """``lambda_name``, a name or an ARN, is enough, and agrees with the operator's."""
    for labourer in (None, LABOURER):
        summary = schedule({**tutorial_job, "lambda_name": lambda_name}, labourer=labourer).execute(context())
        assert LABOURER == summary["labourer"]


def test_a_labourer_may_be_a_connection(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Connection of type ``sosw_labourer`` registers its id."""
    connection = {"conn_type": "sosw_labourer", "extra": {"arn": "arn:aws:lambda:us-west-2:1:function:elsewhere"}}
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(connection))

    assert "elsewhere" == schedule(tutorial_job, labourer="elsewhere").execute(context())["labourer"]


@pytest.mark.parametrize("where", ["operator", "operator's own", "job"])
def test_the_schema_is_a_variant_or_given(
    installation: Aws, schedule: Schedule, context: MakeContext, where: str
) -> None:
    """By name in the operator or in the job, or as the schema itself."""
    job: dict[str, Any] = {"sections": {"a": None, "b": None}, "isolate_sections": True}
    arguments: dict[str, Any] = {}
    if where == "operator":
        arguments["job_schema"] = "shop"
    elif where == "job":
        job["job_schema_name"] = "shop"
    else:
        arguments["job_schema"] = {"chunkable_attrs": ["section"]}

    schedule(job, **arguments).execute(context())

    assert [["a"], ["b"]] == [payload["sections"] for payload in payloads(installation)]


def test_the_reference_date_may_be_given(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """A rendered template's text counts instead of the run's date."""
    summary = schedule(tutorial_job, reference_date="2020-02-29").execute(context())

    assert "2020-02-29" == summary["reference_date"]
    assert "2020-02-28" == payloads(installation)[-1]["date_list"][0]


def test_the_data_interval_can_be_the_period(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """``data_interval`` is the days of the run's interval."""
    schedule({**tutorial_job, "period": "data_interval"}).execute(context())

    assert {"2026-03-01"} == {payload["date_list"][0] for payload in payloads(installation)}


def test_a_later_job_goes_behind_and_an_urgent_one_before(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """``queue_position`` decides between the end and the front of the labourer's queue; each job stays in order."""
    day = datetime(2026, 3, 2, tzinfo=timezone.utc)
    jobs = [
        schedule(tutorial_job, queue_position=position).execute(context(day + timedelta(days=number)))["job_id"]
        for number, position in enumerate(("back", "back", "front"))
    ]

    queue = sorted(installation.rows(), key=lambda row: int(row["greenfield"]["N"]))
    expected = [f"{jobs[job]}{index:012x}" for job in (2, 0, 1) for index in range(8)]
    assert expected == [row["task_id"]["S"] for row in queue]


def test_a_kill_leaves_what_is_written_and_the_next_attempt_goes_on(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`on_kill` stops between two requests; a retry completes the same job."""
    operator = schedule(tutorial_job)
    create = JobRecords.create

    def create_and_kill(records: JobRecords, header: Header) -> bool:
        operator.on_kill()
        return create(records, header)

    monkeypatch.setattr(JobRecords, "create", create_and_kill)
    with pytest.raises(JobStopped, match="retry the Airflow task, which resumes there"):
        operator.execute(context())
    monkeypatch.setattr(JobRecords, "create", create)
    assert [] == installation.rows()
    assert 1 == len(installation.queue_files())

    assert 8 == schedule(tutorial_job).execute(context())["tasks"]
    assert 8 == len(installation.rows())
    assert {} == installation.queue_files()


def test_a_kill_can_cancel_the_job(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With ``cancel_on_kill`` nothing stays in the queue, and no later attempt of this generation resumes the job."""
    operator = schedule(tutorial_job, cancel_on_kill=True)
    change = JobRecords.change

    def kill_when_all_is_written(records: JobRecords, transition: Transition, *arguments: Any, **names: Any) -> Change:
        if transition is not FINISH:
            return change(records, transition, *arguments, **names)
        monkeypatch.setattr(JobRecords, "change", change)
        operator.on_kill()
        raise WriterStopped

    monkeypatch.setattr(JobRecords, "change", kill_when_all_is_written)
    with pytest.raises(JobStopped, match="stopped and cancelled"):
        operator.execute(context())

    assert [] == installation.rows()
    assert {} == installation.queue_files()
    with pytest.raises(JobCancelled):
        schedule(tutorial_job).execute(context())


def test_a_job_schema_as_json(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """As `| tojson` makes it in a template."""
    job = {"words": ["a", "b"], "isolate_words": True}
    assert schedule(job, job_schema='{"chunkable_attrs": ["word"]}').execute(context())["tasks"] == 2


def test_the_header_has_the_jobs_limit(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """It is no part of the identity: a retry with another one finds the same job and keeps its limit."""
    job_id = schedule(tutorial_job, max_running=3).execute(context())["job_id"]
    again = schedule(tutorial_job, max_running=5).execute(context())
    header = JobRecords(installation.dynamodb, "sosw_jobs").header(job_id)
    assert header is not None
    assert (job_id, 3) == (again["job_id"], header.max_running)


def test_a_job_without_a_limit_has_the_header_of_former_versions(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """An older version of this provider reads what it knows."""
    schedule(tutorial_job).execute(context())
    (header,) = (row for row in installation.rows("sosw_jobs") if row["record"]["S"] == "header")
    assert "max_running" not in header


@pytest.mark.parametrize("wrong", [0, -1, "3", 1.5, True, 10**9 + 1, 10**40])
def test_what_is_no_limit_of_a_job(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], wrong: Any
) -> None:
    """Refused before the first row."""
    with pytest.raises(InvalidConfiguration, match="max_running: must be a whole number from 1 to 1,000,000,000, not "):
        schedule(tutorial_job, max_running=wrong).execute(context())
    assert [] == installation.rows()


def test_sosws_scheduler_keeps_no_limit(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """It gives the tasks ids of its own, so no orchestrator could find their job."""
    with pytest.raises(InvalidConfiguration, match="max_running: must be None with delivery='queue_file'"):
        schedule(tutorial_job, max_running=3, delivery="queue_file").execute(context())
