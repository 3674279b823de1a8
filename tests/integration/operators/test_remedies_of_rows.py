"""The fix that a fault of stored rows, of a slow table, of a function names, carried out to the letter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow.hooks.orchestration import check_labourer
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.stores.file_claims import FileClaims
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, Attempt, MakeContext
from tests.integration.operators.test_drain import KEY, draining, left
from tests.integration.operators.test_remedies import refusal
from tests.integration.operators.test_remedies_of_jobs import header_of, requests
from tests.support.closing import close
from tests.support.lambda_functions import make_function
from tests.support.simulated_tables import passing_by_sleep

Schedule = Callable[..., SoswScheduleOperator]


def test_markers_of_another_record(installation: Aws, attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header was removed before its markers, and pages are larger now: a clear schedules the job as a new one."""
    with monkeypatch.context() as patch:
        patch.setattr("sosw_airflow.scheduling.scheduler.MAX_PAGE_ROWS", 3)
        header = header_of(installation, attempt()["job_id"])
    key = {name: header[name] for name in ("job_id", "record")}
    installation.dynamodb.delete_item(TableName="sosw_jobs", Key=key)
    refusal(errors.JobRecordDamaged, attempt, "clear the Airflow task to schedule the job as a new one")
    attempt(clear=True)
    assert len(installation.rows()) == 16


def test_a_table_that_gives_no_row(installation: Aws, attempt: Attempt, context: MakeContext) -> None:
    """Once its capacity is raised, or later, a retry reads every row."""
    job_id = attempt()["job_id"]
    close(installation, job_id, range(8), completed=False)
    slow = True

    def small_table(name: str, arguments: Any) -> Any:
        if name == "BatchGetItem" and slow and "sosw_closed_tasks" in arguments["RequestItems"]:
            return {"Responses": {}, "UnprocessedKeys": arguments["RequestItems"]}
        return None

    def repair() -> Any:
        return SoswRepairOperator(task_id="repair", job_id=job_id).execute(context())

    with requests(small_table), pytest.MonkeyPatch.context() as patch:
        passing_by_sleep(patch)
        refusal(errors.AwsFault, repair, "raise its read capacity, or retry later")
        slow = False
        assert repair()["tasks"] == 8


@pytest.mark.parametrize("way", ["deploy", "arn", "region"])
def test_a_function_that_is_missing(installation: Aws, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """It is deployed; or the labourer's ARN or the region of the Connection is corrected."""
    extra = {"queue_bucket": installation.bucket, "aws_conn_id": ""}

    def connect(region: str) -> None:
        document = {"conn_type": "sosw", "extra": {**extra, "region_name": region}}
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps(document))

    if way == "region":
        make_function(LABOURER)
        connect("eu-west-1")
    refusal(
        errors.AwsFault,
        lambda: check_labourer(SoswHook(), LABOURER),
        "deploy the function, or correct the labourer's setting 'arn' or region_name of the Connection",
    )
    if way == "deploy":
        make_function(LABOURER)
    elif way == "arn":
        settings = {LABOURER: {"arn": make_function("another"), "max_simultaneous_invocations": 1}}
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps(settings))
    else:
        connect(installation.region)
    check_labourer(SoswHook(), LABOURER)


def test_a_job_of_an_earlier_run_of_the_same_id(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without the start of a run both are one: the log says it, and a clear schedules the job again."""
    schedule(tutorial_job).execute(context(started="2026-03-02T00:00:01"))
    with caplog.at_level("WARNING"):
        schedule(tutorial_job).execute(context())
    assert "Fix: to schedule it again, clear the Airflow task (with on_clear='reschedule')." in caplog.text
    schedule(tutorial_job, on_clear="reschedule").execute(context(try_number=2, max_tries=1))
    assert len(installation.rows()) == 16


def test_a_job_of_too_many_tasks_is_corrected(attempt: Attempt) -> None:
    """The attribute that multiplies most is named; without the typing error the job is small enough."""
    with pytest.raises(errors.TooManyTasks, match="(?s)period.*Fix: correct the job"):
        attempt({"period": "1026-03-01..2026-03-01"}, max_tasks=100)
    assert attempt({"period": "2026-02-28..2026-03-01"}, max_tasks=100)["tasks"] == 8


def test_a_claim_that_was_changed(installation: Aws, context: MakeContext) -> None:
    """The item of the message is deleted; then the file is drained."""
    left(installation)
    drain = draining().execute
    claims = FileClaims(installation.dynamodb, "sosw_jobs", seconds=1000)
    claims.take(f"s3://{installation.bucket}/{KEY}", "another")
    (item,) = installation.rows("sosw_jobs")
    installation.dynamodb.put_item(TableName="sosw_jobs", Item={**item, "claimed_by": {"N": "1"}})
    fix = f"delete the item with job_id {item['job_id']['S']} and record claim, once no Airflow task drains this file"
    refusal(errors.JobRecordDamaged, lambda: drain(context()), fix)
    key = {name: item[name] for name in ("job_id", "record")}
    installation.dynamodb.delete_item(TableName="sosw_jobs", Key=key)
    assert drain(context())["tasks"] == 3


def test_what_removes_the_plan_of_a_delivery_is_stopped(installation: Aws, attempt: Attempt) -> None:
    """Then a retry delivers it."""

    def remove(name: str, _: Any) -> None:
        if name == "HeadObject":
            for key in installation.queue_files():
                installation.s3.delete_object(Bucket=installation.bucket, Key=key)

    with requests(remove):
        refusal(
            errors.JobRecordDamaged,
            lambda: attempt(delivery="queue_file"),
            "stop what removes it, then retry the Airflow task",
        )
    attempt(delivery="queue_file")
    (key,) = installation.queue_files()
    assert "tasks_queue_airflow_" in key


@pytest.mark.parametrize("damage", ["not text", "other markers"])
def test_a_damaged_repair_is_cancelled_before_it_is_made_again(
    installation: Aws, attempt: Attempt, context: MakeContext, damage: str
) -> None:
    """A clear alone would resume it: the fix names the command, and after both each failed task is in the queue."""
    job_id = attempt()["job_id"]
    close(installation, job_id, range(8), completed=False)

    def repair(**cleared: int) -> Any:
        return SoswRepairOperator(task_id="repair", job_id=job_id).execute(context(**cleared))

    class Dies(Exception):
        """The process ends before the first page, or after it."""

    def die(name: str, _: Any) -> None:
        if name == ("TransactWriteItems" if damage == "not text" else "DeleteObject"):
            raise Dies

    with requests(die), pytest.raises(Dies):
        repair()
    (header,) = (item for item in installation.rows("sosw_jobs") if "repairs" in item)
    if damage == "not text":
        (key,) = installation.queue_files()
        body = installation.s3.get_object(Bucket=installation.bucket, Key=key)["Body"].read()
        metadata = {"sosw-job-fingerprint": header["fingerprint"]["S"]}
        changed = b"\xff" + body[1:]
        installation.s3.put_object(Bucket=installation.bucket, Key=key, Body=changed, Metadata=metadata)
    else:
        expires = {"N": str(int(header["expires_at"]["N"]) + 1)}
        installation.dynamodb.put_item(TableName="sosw_jobs", Item={**header, "expires_at": expires})
    command = f"cancel this repair with `sosw-airflow cancel {header['job_id']['S']}`"
    refusal(errors.JobRecordDamaged, repair, f"{command}, then clear the Airflow task")
    refusal(errors.JobRecordDamaged, lambda: repair(try_number=2, max_tries=1), command)

    cancel_job(SoswHook().deployment(), header["job_id"]["S"])

    assert repair(try_number=2, max_tries=1)["tasks"] == 8
