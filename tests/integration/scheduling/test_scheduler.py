"""`JobScheduler`: plan, header, pages and end of one job, and what a later or another copy makes of it."""

from __future__ import annotations

import json
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from sosw_airflow.exceptions import (
    InvalidJob,
    JobCancelled,
    JobConflict,
    JobRecordDamaged,
    MissingTable,
    QueueFull,
    TaskTooLarge,
)
from sosw_airflow.jobs.blocks import blocks_of_lines
from sosw_airflow.jobs.rows import Row, row_item
from sosw_airflow.jobs.transitions import CANCEL
from sosw_airflow.scheduling.page_writer import WriterStopped
from sosw_airflow.scheduling.requests import ScheduleRequest
from sosw_airflow.scheduling.scheduler import Outcome
from sosw_airflow.stores.job_record import RECORD_SECONDS, JobRecords, JobState
from sosw_airflow.stores.queue_file_keys import queue_file_key
from sosw_airflow.stores.tables import TableNames
from tests.integration.conftest import JOB, LABOURER, NOW, TODAY, Installation, MakeInstallation, request_for
from tests.support.network_edge import Crash, answering, crash_at, once, s3_error, watching

#: What `JOB` becomes.
PAYLOADS = [
    '{"isolate_stores": true, "sections": ["a"], "stores": ["x"]}',
    '{"isolate_stores": true, "sections": ["a"], "stores": ["y"]}',
    '{"isolate_stores": true, "sections": ["b"], "stores": ["z"]}',
    '{"isolate_stores": true, "sections": ["c"]}',
]

#: The requests of a job of one page, in order. Those between two round trips are sent at once.
ROUND_TRIPS = [
    [
        "GetItem",  # does the header exist?
        "DescribeTable",  # what can the tasks table take?
        "DescribeTable",  # and the jobs table?
        "Query",  # where does the queue end?
    ],
    ["PutObject"],  # the plan
    [
        "Query",  # which pages have markers, if the header of a former record was removed?
        "PutItem",  # the header, which says `writing`
    ],
    ["TransactWriteItems"],  # the page
    ["DeleteObject"],  # the queue file
    ["UpdateItem"],  # the header, to `written`
]
REQUESTS = [name for trip in ROUND_TRIPS for name in trip]

JOB_ID = request_for().identity.job_id
KEY = queue_file_key("sosw/scheduler", JOB_ID, request_for().fingerprint)


def plan(installation: Installation) -> None:
    """Leave a job that has a plan and a header, of which no page is written."""
    with pytest.raises(Crash), crash_at(REQUESTS.index("PutItem"), *installation.clients, applied=True):
        installation.scheduler().schedule(request_for())


def header_of(installation: Installation, job_id: str = JOB_ID) -> Any:
    """The job's header as it is now."""
    return JobRecords(installation.aws.dynamodb, installation.aws.names.jobs_table, now=lambda: NOW).header(job_id)


def test_a_new_job_is_scheduled(installation: Installation) -> None:
    """Its tasks are in the queue, in order, and the outcome says that it was done here."""
    scheduled = installation.scheduler().schedule(request_for())

    assert scheduled.outcome is Outcome.SCHEDULED
    assert installation.payloads() == PAYLOADS


def test_its_requests(installation: Installation) -> None:
    """The plan exists before the header, the header before the pages, and the queue file goes before the end."""
    with watching(*installation.clients) as sent:
        installation.scheduler().schedule(request_for())

    assert sent == REQUESTS


@pytest.mark.parametrize("number", [0, 2])
def test_requests_that_do_not_depend_on_each_other_are_sent_at_once(installation: Installation, number: int) -> None:
    """Each of them is under way before one is answered: else the barrier breaks."""
    together = threading.Barrier(len(ROUND_TRIPS[number]))
    planned = threading.Event()

    def meet(operation: str) -> None:
        if operation in ROUND_TRIPS[number] and planned.is_set() == (number == 2):
            together.wait(timeout=10)
        if operation == "PutObject":
            planned.set()

    with answering(*installation.clients, handler=meet):
        installation.scheduler(concurrency=8).schedule(request_for())

    assert installation.payloads() == PAYLOADS


def test_requests_are_sent_in_the_context_of_the_caller(installation: Installation) -> None:
    """Hooks that trace requests find the caller's span, whichever thread sends them."""
    span: ContextVar[str] = ContextVar("span", default="none")
    span.set("ours")
    seen: set[tuple[str, str]] = set()

    with answering(*installation.clients, handler=lambda operation: seen.add((operation, span.get()))):
        installation.scheduler(concurrency=8).schedule(request_for())

    assert seen == {(operation, "ours") for operation in REQUESTS}


@pytest.mark.parametrize(("seconds", "queries"), [(0.5, 1), (5.0, 2)])
def test_a_long_plan_reads_the_end_of_the_queue_again(
    make_installation: MakeInstallation, monkeypatch: pytest.MonkeyPatch, seconds: float, queries: int
) -> None:
    """What was queued during the planning is not overtaken."""
    clock = [NOW]
    installation = make_installation(now=lambda: clock[0])
    blocks = ScheduleRequest.blocks

    def slowly(request: ScheduleRequest, codec: Any) -> Any:
        monkeypatch.setattr(ScheduleRequest, "blocks", blocks)
        clock[0] += seconds
        installation.other_copy().schedule(request_for(run_id="another"))
        return blocks(request, codec)

    monkeypatch.setattr(ScheduleRequest, "blocks", slowly)
    with watching(*installation.clients) as sent:
        header = installation.scheduler().schedule(request_for()).header

    assert sent.count("Query") == queries + 1  # that of the markers
    assert header.greenfield_base == (1000 if queries == 1 else 5000)


def test_a_written_job_is_found(installation: Installation) -> None:
    """A later attempt reads the header, and beside it what it would begin with if there were none; no more."""
    first = installation.scheduler().schedule(request_for())

    with watching(*installation.clients) as sent:
        second = installation.scheduler().schedule(request_for())

    assert (second.outcome, second.summary()) == (Outcome.FOUND, first.summary())
    assert sent == ROUND_TRIPS[0]


def test_a_planned_job_is_resumed(installation: Installation) -> None:
    """A later attempt continues from the header; the job is not expanded or planned again."""
    plan(installation)

    with watching(*installation.clients) as sent:
        scheduled = installation.scheduler().schedule(request_for())

    assert (scheduled.outcome, "PutObject" in sent) == (Outcome.RESUMED, False)
    assert installation.payloads() == PAYLOADS


def test_the_summary_is_the_same_for_every_outcome(installation: Installation) -> None:
    """Airflow sees the same XCom from every attempt that finishes the job."""
    plan(installation)
    summaries = [installation.scheduler().schedule(request_for()).summary() for _ in range(2)]

    assert (
        summaries
        == [
            {
                "job_id": JOB_ID,
                "labourer": LABOURER,
                "tasks": 4,
                "pages": 1,
                "queue_key": f"s3://sosw-queue/{KEY}",
                "reference_date": "2026-03-02",
                "first_task_id": f"{JOB_ID}000000000000",
                "last_task_id": f"{JOB_ID}000000000003",
                "state": "written",
            }
        ]
        * 2
    )


def test_the_header_says_all_of_the_job(installation: Installation) -> None:
    """Totals, places, the queue file and who the job is."""
    plan(installation)
    header = header_of(installation)

    assert {
        "state": JobState.WRITING,
        "labourer_id": LABOURER,
        "tasks": 4,
        "pages": 1,
        "page_rows": 99,
        "page_units": 0,
        "greenfield_base": 1000,
        "greenfield_step": 1000,
        "queue_bucket": "sosw-queue",
        "queue_key": KEY,
        "queue_bytes": len(installation.aws.queue_files()[KEY]),
        "reference_date": "2026-03-02",
        "dag_id": "dag",
        "run_id": "scheduled__2026-03-02",
        "task_id": "schedule",
        "map_index": -1,
        "generation": 0,
        "created_at": int(NOW),
        "updated_at": int(NOW),
        "expires_at": int(NOW) + RECORD_SECONDS,
    }.items() <= vars(header).items()


def test_the_plan_has_the_labourer_in_each_line(installation: Installation) -> None:
    """The queue file is readable line by line, for an upstream Scheduler too, as long as the job is not written."""
    plan(installation)
    lines = installation.aws.queue_files()[KEY].splitlines()

    assert [json.loads(line) for line in lines] == [{**json.loads(p), "labourer_id": LABOURER} for p in PAYLOADS]


def test_no_queue_file_is_left(installation: Installation) -> None:
    """After success none exists under both names."""
    installation.scheduler().schedule(request_for())

    assert installation.aws.queue_files() == {}


@pytest.mark.usefixtures("pages_of_two")
def test_every_page_leaves_a_marker(installation: Installation) -> None:
    """The markers are the record of what was committed."""
    installation.scheduler().schedule(request_for())

    assert installation.records() == ["header", "page#00000000", "page#00000001"]


def test_header_and_markers_expire_together(installation: Installation) -> None:
    """DynamoDB's TTL removes a record as a whole, long after any retry."""
    installation.scheduler().schedule(request_for())
    expiries = {item["expires_at"]["N"] for item in installation.aws.rows(installation.aws.names.jobs_table)}

    assert expiries == {str(int(NOW) + RECORD_SECONDS)}


@pytest.mark.usefixtures("pages_of_two")
def test_a_committed_page_is_not_sent_again(installation: Installation) -> None:
    """A resume writes only what lacks a marker, though the first page's rows are gone already."""
    first_page = REQUESTS.index("TransactWriteItems")
    with pytest.raises(Crash), crash_at(first_page, *installation.clients, applied=True):
        installation.scheduler().schedule(request_for())
    for row in installation.aws.rows():  # the Orchestrator and the Scavenger were quick
        installation.aws.dynamodb.delete_item(
            TableName=installation.aws.names.tasks_table, Key={"task_id": row["task_id"]}
        )

    with watching(*installation.clients) as sent:
        installation.scheduler().schedule(request_for())

    assert (sent.count("TransactWriteItems"), installation.payloads()) == (1, PAYLOADS[2:])


@pytest.mark.usefixtures("pages_of_two")
def test_pages_are_independent(installation: Installation) -> None:
    """A later page may be committed while an earlier one is missing; a resume fills the gap, each row at its place."""
    plan(installation)
    installation.aws.dynamodb.put_item(
        **JobRecords(None, installation.aws.names.jobs_table, now=lambda: NOW).marker(header_of(installation), 1)
    )

    installation.scheduler().schedule(request_for())

    assert [int(row["greenfield"]["N"]) for row in installation.queue()] == [2000, 3000]
    assert installation.payloads() == PAYLOADS[:2]


def test_the_queue_file_is_made_again(installation: Installation) -> None:
    """It was removed while the job was planned; the same job gives the same plan."""
    plan(installation)
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=KEY)

    scheduled = installation.scheduler().schedule(request_for())

    assert scheduled.outcome is Outcome.RESUMED
    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


def test_a_plan_that_cannot_be_made_again(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the job does not expand to what it was, nothing is written, and no new queue file appears."""
    plan(installation)
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=KEY)
    scheduler = installation.scheduler()
    monkeypatch.setattr(ScheduleRequest, "blocks", lambda request, codec: blocks_of_lines(["{}"]))

    with pytest.raises(JobRecordDamaged, match=f"{KEY} is gone, and the job expands to other tasks now"):
        scheduler.schedule(request_for())
    assert (installation.payloads(), installation.aws.queue_files()) == ([], {})


def test_a_queue_file_gone_after_the_last_page_is_not_made_again(installation: Installation) -> None:
    """A crash between the removal of the file and the last step: the next attempt only takes that step."""
    with pytest.raises(Crash), crash_at(len(REQUESTS) - 1, *installation.clients, applied=False):
        installation.scheduler().schedule(request_for())

    with watching(*installation.clients) as sent:
        scheduled = installation.scheduler().schedule(request_for())

    assert sent == [*ROUND_TRIPS[0], "Query", "UpdateItem", "DeleteObject", "UpdateItem"]
    assert (scheduled.header.state, len(installation.payloads())) == (JobState.WRITTEN, 4)


def test_another_copy_wins_while_this_one_plans(installation: Installation) -> None:
    """The copy that comes too late with its header finds the job written, and removes the queue file that it made."""
    win = once("PutObject", lambda: installation.other_copy().schedule(request_for()))

    with answering(*installation.clients, handler=win):
        scheduled = installation.scheduler().schedule(request_for())

    assert scheduled.outcome is Outcome.FOUND
    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


def test_another_copy_plans_first_and_dies(installation: Installation) -> None:
    """The copy that comes too late with its header continues from the header that exists."""
    other = installation.other_copy()

    def plan_and_die() -> None:
        crash = crash_at(REQUESTS.index("PutItem"), other.deployment.dynamodb, other.deployment.s3, applied=True)
        with pytest.raises(Crash), crash:
            other.schedule(request_for())

    with answering(*installation.clients, handler=once("PutObject", plan_and_die)):
        scheduled = installation.scheduler().schedule(request_for())

    assert scheduled.outcome is Outcome.RESUMED
    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


@pytest.mark.usefixtures("pages_of_two")
def test_another_copy_finishes_while_this_one_writes(installation: Installation) -> None:
    """The queue file goes while this copy, a retry, reads it, which is no fault."""
    plan(installation)
    win = once("GetObject", lambda: installation.other_copy().schedule(request_for()))

    with answering(*installation.clients, handler=win):
        scheduled = installation.scheduler().schedule(request_for())

    assert scheduled.header.state is JobState.WRITTEN
    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


def test_another_copy_finishes_and_the_bucket_may_not_be_listed(installation: Installation) -> None:
    """S3 then says that access is denied if an object is gone; all pages are committed, so that is no fault."""
    plan(installation)

    def win(operation: str) -> Any:
        if operation != "GetObject":
            return None
        installation.other_copy().schedule(request_for())
        return s3_error("AccessDenied", 403)

    with answering(*installation.clients, handler=win):
        scheduled = installation.scheduler().schedule(request_for())

    assert scheduled.header.state is JobState.WRITTEN


def test_another_copy_with_an_edited_job(installation: Installation) -> None:
    """It overwrites the plan before it learns that it came too late; not one of its tasks gets into the queue."""
    plan(installation)
    edited = {**JOB, "sections": {"a": {"stores": ["X", "Y"]}, "b": {"stores": ["Z"]}, "c": None}}

    def overwrite_the_plan() -> None:
        late = installation.other_copy()
        read, before_ours = late.records.header, iter([None])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(late.records, "header", lambda job_id: next(before_ours, read(job_id)))
            with pytest.raises(JobConflict):
                late.schedule(request_for(edited))

    with answering(*installation.clients, handler=once("GetObject", overwrite_the_plan)):
        installation.scheduler().schedule(request_for())

    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


def test_a_queue_file_that_is_removed_repeatedly(installation: Installation) -> None:
    """Writing it again ends at some time."""
    plan(installation)

    def remove(operation: str) -> None:
        if operation == "GetObject":
            installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=KEY)

    with (
        answering(*installation.clients, handler=remove),
        pytest.raises(JobRecordDamaged, match="is removed repeatedly"),
    ):
        installation.scheduler().schedule(request_for())


def test_a_resume_finds_the_plan_where_it_was_made(make_installation: MakeInstallation, aws: Any) -> None:
    """The header says where it is, though the Connection names another prefix by now."""
    plan(make_installation())
    moved = make_installation(s3_prefix="elsewhere")

    with watching(*moved.clients) as sent:
        summary = moved.scheduler().schedule(request_for()).summary()

    assert (moved.payloads(), aws.queue_files(), "PutObject" in sent) == (PAYLOADS, {}, False)
    assert summary["queue_key"] == f"s3://sosw-queue/{KEY}"


def test_a_header_that_is_deleted_meanwhile(installation: Installation) -> None:
    """It is not taken for a cancelled job."""

    def delete() -> None:
        installation.aws.dynamodb.delete_item(
            TableName=installation.aws.names.jobs_table, Key={"job_id": {"S": JOB_ID}, "record": {"S": "header"}}
        )

    with (
        answering(*installation.clients, handler=once("UpdateItem", delete)),
        pytest.raises(JobRecordDamaged, match="was there and is gone"),
    ):
        installation.scheduler().schedule(request_for())


def test_a_missing_meta_table(make_installation: MakeInstallation) -> None:
    """It is named before anything is written."""
    installation = make_installation(tables=TableNames(meta_table="no_such_table"))

    with pytest.raises(MissingTable, match="'no_such_table'.*'meta_table'"):
        installation.scheduler().schedule(request_for())
    assert (installation.records(), installation.aws.queue_files()) == ([], {})


def test_pages_fit_the_capacity_of_every_table(make_installation: MakeInstallation, aws: Any) -> None:
    """A page costs a provisioned table no more than it gets in half a second: here the meta table decides."""
    installation = make_installation(tables=aws.names)
    aws.dynamodb.update_table(
        TableName=aws.names.meta_table,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 8},
    )
    with (
        pytest.raises(Crash),
        crash_at([*REQUESTS, "DescribeTable"].index("PutItem") + 1, *installation.clients, applied=True),
    ):
        installation.scheduler().schedule(request_for())

    assert (header_of(installation).page_units, header_of(installation).pages) == (2, 2)


def test_an_edited_job_is_a_conflict(installation: Installation) -> None:
    """Under the identity of a planned job: it is said what has changed, and nothing is written."""
    plan(installation)
    edited = {**JOB, "sections": {"a": {"stores": ["x"]}}, "extra": 1}

    with pytest.raises(JobConflict) as refused:
        installation.scheduler().schedule(request_for(edited))
    assert [change.split()[:2] for change in refused.value.changes] == [["job.extra", "is"], ["job.sections", "was"]]
    assert installation.payloads() == []


def test_another_day_is_a_conflict_where_the_job_has_a_period(installation: Installation) -> None:
    """The dates would be others."""
    dated = {**JOB, "period": "yesterday"}
    installation.scheduler().schedule(request_for(dated))

    with pytest.raises(JobConflict, match=r'reference_date was "2026-03-02", is "2026-03-03"'):
        installation.scheduler().schedule(request_for(dated, reference_date=TODAY.replace(day=3)))


def test_a_job_without_a_period_is_the_same_on_every_day(installation: Installation) -> None:
    """The reference date does not change its tasks, so that it makes no conflict."""
    installation.scheduler().schedule(request_for())
    scheduled = installation.scheduler().schedule(request_for(reference_date=TODAY.replace(day=3)))

    assert scheduled.outcome is Outcome.FOUND


@pytest.mark.parametrize("state", [JobState.WRITING, JobState.WRITTEN])
def test_a_cancelled_job_is_not_resumed(installation: Installation, state: JobState) -> None:
    """However far it had come."""
    if state is JobState.WRITING:
        plan(installation)
    else:
        installation.scheduler().schedule(request_for())
    before = installation.payloads()
    records = JobRecords(installation.aws.dynamodb, installation.aws.names.jobs_table, now=lambda: NOW)
    records.change(CANCEL, JOB_ID)

    with pytest.raises(JobCancelled, match=f"The job {JOB_ID} was cancelled"):
        installation.scheduler().schedule(request_for())
    assert installation.payloads() == before


def test_a_job_cancelled_while_it_is_written(installation: Installation) -> None:
    """The writer notices at the latest at the end, and does not call the job written."""
    records = JobRecords(installation.aws.dynamodb, installation.aws.names.jobs_table, now=lambda: NOW)

    def cancel(operation: str) -> None:
        if operation == "TransactWriteItems":
            records.change(CANCEL, JOB_ID)

    with answering(*installation.clients, handler=cancel), pytest.raises(JobCancelled):
        installation.scheduler().schedule(request_for())
    assert header_of(installation).state is JobState.CANCELLED


def test_a_job_behind_others(installation: Installation) -> None:
    """A job goes behind what waits for its labourer, 1000 apart, whichever Scheduler has put that there."""
    table = installation.aws.names.tasks_table
    for greenfield, labourer in ((70_500, LABOURER), (900_000, "other"), (int(NOW) + 31_557_600, LABOURER)):
        row = Row(f"{greenfield:032x}", labourer, "{}", NOW, greenfield)
        installation.aws.dynamodb.put_item(TableName=table, Item=row_item(row))

    installation.scheduler().schedule(request_for())

    own = [row for row in installation.queue() if row["task_id"]["S"].startswith(JOB_ID)]
    assert [row["greenfield"]["N"] for row in own] == ["71500", "72500", "73500", "74500"]


def test_an_urgent_job_before_others(installation: Installation) -> None:
    """With ``front`` it ends one step before the oldest that waits, below zero where it must."""
    installation.scheduler().schedule(request_for())
    installation.scheduler().schedule(request_for(queue_position="front", run_id="urgent"))

    assert [int(row["greenfield"]["N"]) for row in installation.queue()] == list(range(-2000, 6000, 1000))
    assert installation.payloads() == PAYLOADS * 2


def test_a_resume_keeps_the_place(installation: Installation) -> None:
    """What was queued in the meantime does not move a job that has its place in its header."""
    plan(installation)
    installation.scheduler().schedule(request_for(run_id="another"))

    installation.scheduler().schedule(request_for())

    own = [row for row in installation.queue() if row["task_id"]["S"].startswith(JOB_ID)]
    assert [row["greenfield"]["N"] for row in own] == ["2000", "3000", "4000", "5000"]


@pytest.mark.parametrize("multipart", [False, True])
@pytest.mark.parametrize("refused", [InvalidJob, QueueFull, TaskTooLarge])
def test_a_refused_job_leaves_nothing(
    make_installation: MakeInstallation, monkeypatch: pytest.MonkeyPatch, refused: type[Exception], multipart: bool
) -> None:
    """Neither a row nor a record, nor an object or the beginning of one, however far the plan had come."""
    settings: dict[str, Any] = {}
    job = JOB
    if refused is QueueFull:
        settings["now"] = lambda: 87_000.0
    elif refused is TaskTooLarge:
        job = {**JOB, "sections": {**JOB["sections"], "d": {"stores": ["x" * 410_000]}}}
    installation = make_installation(**settings)
    scheduler = installation.scheduler()
    if refused is InvalidJob:
        monkeypatch.setattr(ScheduleRequest, "blocks", lambda request, codec: iter(()))
    if multipart:
        monkeypatch.setattr("sosw_airflow.stores.queue_file.PART_BYTES", 1)

    with pytest.raises(refused):
        scheduler.schedule(request_for(job))

    uploads = installation.aws.s3.list_multipart_uploads(Bucket=installation.aws.bucket).get("Uploads", [])
    assert (installation.payloads(), installation.records(), installation.aws.queue_files(), uploads) == (
        [],
        [],
        {},
        [],
    )


def test_a_plan_in_several_parts(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long plan is uploaded in parts and read in ranges, neither of which changes the tasks."""
    monkeypatch.setattr("sosw_airflow.jobs.blocks._RUN", 1)
    monkeypatch.setattr("sosw_airflow.jobs.blocks._BLOCK", 1)
    monkeypatch.setattr("sosw_airflow.stores.queue_file.PART_BYTES", 150)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr("sosw_airflow.stores.queue_file.READ_BYTES", 37)

    with watching(*installation.clients) as sent:
        installation.scheduler().schedule(request_for())

    assert (sent.count("UploadPart"), sent.count("GetObject")) == (3, 9)
    assert installation.payloads() == PAYLOADS


def test_with_a_meta_table_each_task_has_its_created_row(make_installation: MakeInstallation, aws: Any) -> None:
    """Upstream's tools find the DAG run in the history of a task."""
    installation = make_installation(tables=aws.names)
    installation.scheduler().schedule(request_for())

    rows = sorted(aws.rows(aws.names.meta_table), key=lambda row: row["task_id"]["S"])
    assert rows == [
        {
            "task_id": {"S": f"{JOB_ID}{index:012x}"},
            "created_at": {"N": f"{NOW:.6f}"},
            "action": {"S": "created"},
            "labourer": {"S": LABOURER},
            "author": {"S": "airflow"},
            "invocation_id": {"S": "scheduled__2026-03-02"},
            "log_stream_name": {"S": "dag/schedule/-1"},
        }
        for index in range(4)
    ]


def test_with_a_meta_table_a_page_has_49_tasks(make_installation: MakeInstallation, aws: Any) -> None:
    """Two rows for each task, and the marker, are 99 of the 100 actions of a transaction."""
    installation = make_installation(tables=aws.names)
    job = {"sections": [str(number) for number in range(50)], "isolate_sections": True}
    summary = installation.scheduler().schedule(request_for(job)).summary()

    assert (summary["tasks"], summary["pages"], len(installation.payloads())) == (50, 2, 50)


def test_without_one_a_page_has_99_tasks(installation: Installation) -> None:
    """And the marker: the 100 actions of a transaction."""
    job = {"sections": [str(number) for number in range(100)], "isolate_sections": True}
    summary = installation.scheduler().schedule(request_for(job)).summary()

    assert (summary["tasks"], summary["pages"], len(installation.payloads())) == (100, 2, 100)


def test_two_jobs_share_nothing(installation: Installation) -> None:
    """Another generation, map index, run, DAG or labourer is another job."""
    others: list[dict[str, Any]] = [
        {},
        {"generation": 1},
        {"map_index": 0},
        {"run_id": "manual__1"},
        {"dag_id": "another"},
        {"task_id": "another"},
        {"labourer_id": "another"},
    ]
    ids = {installation.scheduler().schedule(request_for(**other)).header.job_id for other in others}

    assert (len(ids), len(installation.payloads())) == (7, 28)


def test_it_stops_while_it_plans(installation: Installation) -> None:
    """`stop` ends the expansion of a long job, and nothing is left behind."""
    scheduler = installation.scheduler()
    scheduler.stop.set()

    with pytest.raises(WriterStopped):
        scheduler.schedule(request_for())
    assert (installation.records(), installation.aws.queue_files()) == ([], {})


def test_it_stops_while_it_writes(installation: Installation) -> None:
    """What was planned stays, for the next attempt."""
    scheduler = installation.scheduler()

    def stop(operation: str) -> None:
        if operation == "PutItem":
            scheduler.stop.set()

    with answering(*installation.clients, handler=stop), pytest.raises(WriterStopped):
        scheduler.schedule(request_for())
    assert (installation.records(), list(installation.aws.queue_files())) == (["header"], [KEY])
