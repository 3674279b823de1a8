"""`results`: the operators that wait write the results of their jobs; all ways end alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow.exceptions import AccessDenied, InvalidConfiguration, JobFailed, JobStopped, MissingBucket
from sosw_airflow.hooks.aws_clients import AwsClients
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.operators.sosw import SoswDrainQueueOperator, SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.waiting.result_files import ResultFiles
from sosw_airflow.waiting.results import ResultReader
from tests.conftest import BUCKET, Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_drain import NAME, left
from tests.integration.orchestration.conftest import Lambda
from tests.support.closing import close
from tests.support.deferrals import finish
from tests.support.network_edge import at, s3_error

pytestmark = pytest.mark.usefixtures("deferrals")

BOTH_WAYS = pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])
OUT = f"s3://{BUCKET}/out/"
WAITING: dict[str, Any] = {"wait_for_completion": True, "poll_interval": 0.01, "results": OUT}


def read(aws: Aws, address: str) -> str:
    """The text of an object."""
    key = address.removeprefix(f"s3://{BUCKET}/")
    return str(aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())


@BOTH_WAYS
def test_results_of_a_job(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """The XCom has the addresses and the counts, the files are there."""
    summary = finish(
        schedule(tutorial_job, **WAITING, deferrable=deferrable),
        context(),
        deferrable=deferrable,
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )
    results = summary["results"]
    assert results["manifest"] == f"{OUT}{summary['job_id']}/manifest.json"
    assert results["counts"]["completed"] == 8
    assert len(read(installation, results["completed"]).splitlines()) == 8


@BOTH_WAYS
def test_results_of_a_job_that_failed(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """They are written before the error, which names the manifest."""

    def meanwhile(job_id: str) -> None:
        close(installation, job_id, range(6))
        close(installation, job_id, [6, 7], completed=False)

    with pytest.raises(JobFailed) as failure:
        finish(
            schedule(tutorial_job, **WAITING, deferrable=deferrable),
            context(),
            deferrable=deferrable,
            meanwhile=meanwhile,
        )
    manifest = f"{OUT}{failure.value.job_id}/manifest.json"
    assert f"\nResults: {manifest}\n" in str(failure.value)
    assert "\nCauses:\n  - 2 x no error is stored (such as " in str(failure.value)
    assert ", log: https://console.aws.amazon.com/cloudwatch/home?region=us-west-2#" in str(failure.value)
    assert json.loads(read(installation, manifest))["counts"]["failed"] == 2


@BOTH_WAYS
def test_results_of_an_orchestrated_job(
    function: Lambda, installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """Each line has what the function returned."""
    arguments = {**WAITING, "wait_for_completion": False, "orchestrate": True, "deferrable": deferrable}
    operator = schedule(tutorial_job, **arguments)
    summary = finish(operator, context(), deferrable=deferrable, meanwhile=lambda _: None)
    lines = [json.loads(line) for line in read(installation, summary["results"]["completed"]).splitlines()]
    assert [each["result"] for each in lines] == ["done"] * 8
    assert all(each["invoked_at"] <= each["closed_at"] for each in lines)


@BOTH_WAYS
def test_results_of_a_repair(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """Below the id of the repair: those of the tasks that were scheduled again."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    close(installation, job_id, range(6))
    close(installation, job_id, [6, 7], completed=False)
    summary = finish(
        SoswRepairOperator(task_id="repair", job_id=job_id, **WAITING, deferrable=deferrable),
        context(),
        deferrable=deferrable,
        meanwhile=lambda repair_id: close(installation, repair_id, range(2)),
    )
    assert summary["results"]["completed"] == f"{OUT}{summary['job_id']}/completed.jsonl"
    lines = [json.loads(line) for line in read(installation, summary["results"]["completed"]).splitlines()]
    assert [each["payload"]["words"] for each in lines] == [["pizza"], ["soup"]]


@BOTH_WAYS
def test_results_of_a_drained_file(installation: Aws, context: MakeContext, deferrable: bool) -> None:
    """As those of any job."""
    left(installation)
    summary = finish(
        SoswDrainQueueOperator(task_id="drain", queue_file=NAME, **WAITING, deferrable=deferrable),
        context(),
        deferrable=deferrable,
        meanwhile=lambda job_id: close(installation, job_id, range(3)),
    )
    assert summary["results"]["counts"]["completed"] == 3
    assert len(read(installation, summary["results"]["completed"]).splitlines()) == 3


def test_rows_that_a_time_to_live_removes_before_they_are_read(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """They are counted as unknown, beside the counts of the index, and have a line."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    close(installation, job_id, range(8))
    reader = ResultFiles.write

    def write_later(*arguments: Any, **named: Any) -> ResultFiles:
        key = {"task_id": {"S": task_id(job_id, 5)}}
        installation.dynamodb.delete_item(TableName="sosw_closed_tasks", Key=key)
        return reader(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResultFiles, "write", write_later)
        summary = schedule(tutorial_job, **WAITING).execute(context())
    assert (summary["completed"], summary["results"]["counts"]["completed"]) == (8, 7)
    assert summary["results"]["counts"]["unknown"] == 1
    (line,) = read(installation, summary["results"]["failed"]).splitlines()
    assert (json.loads(line)["index"], json.loads(line)["state"]) == (5, "unknown")


def test_a_kill_while_results_are_written(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """It stops the writing and leaves no file; the job is over, so nothing is cancelled, and a retry writes them."""
    job_id = schedule(tutorial_job).execute(context(max_tries=1))["job_id"]
    close(installation, job_id, range(8))
    operator = schedule(tutorial_job, **WAITING, cancel_on_kill=True)
    read_tasks = ResultReader.read

    def read_and_kill(self: ResultReader, indexes: Any) -> Any:
        operator.on_kill()
        return read_tasks(self, indexes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResultReader, "read", read_and_kill)
        with pytest.raises(JobStopped, match="retry the Airflow task, which resumes there"):
            operator.execute(context(max_tries=1))
    assert installation.queue_files() == {}
    assert schedule(tutorial_job, **WAITING).execute(context(try_number=2, max_tries=1))["results"]


OPERATORS = {
    "schedule": lambda job_id: SoswScheduleOperator(task_id="t", labourer=LABOURER, job={"words": ["x"]}, **WAITING),
    "repair": lambda job_id: SoswRepairOperator(task_id="t", job_id=job_id, **WAITING),
    "drain": lambda _: SoswDrainQueueOperator(task_id="t", queue_file=NAME, **WAITING),
    "sensor": lambda job_id: SoswJobSensor(task_id="t", job_id=job_id, results=OUT),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_bucket_that_does_not_exist(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, name: str
) -> None:
    """It is seen before the first row is written, and the remedy names the argument."""
    job_id = schedule(tutorial_job).execute(context(run_id="another"))["job_id"]
    close(installation, job_id, range(8), completed=False)
    left(installation)
    before = [installation.rows(table) for table in ("sosw_tasks", "sosw_jobs")]
    operator = OPERATORS[name](job_id)
    operator.results = "s3://no-such-bucket/out"
    with pytest.raises(MissingBucket, match=r"no S3 bucket 'no-such-bucket'. Fix: .* correct the argument results\."):
        operator.execute(context())
    assert [installation.rows(table) for table in ("sosw_tasks", "sosw_jobs")] == before


@pytest.mark.parametrize("denied", ["CreateMultipartUpload", "AbortMultipartUpload"])
def test_a_bucket_that_may_not_be_written(
    installation: Aws,
    schedule: Any,
    context: MakeContext,
    tutorial_job: Any,
    monkeypatch: pytest.MonkeyPatch,
    denied: str,
) -> None:
    """It is seen before the first row is written; a retry may find it allowed."""
    made = AwsClients.client

    def client(self: AwsClients, service: str, **arguments: Any) -> Any:
        found = made(self, service, **arguments)
        if service == "s3":
            answer = at(denied, lambda: s3_error("AccessDenied", 403))
            found.meta.events.register_first("before-send", lambda event_name, **_: answer(event_name.split(".")[-1]))
        return found

    monkeypatch.setattr(AwsClients, "client", client)
    with pytest.raises(AccessDenied, match="s3:.* on s3://sosw-queue/out/") as refused:
        schedule(tutorial_job, **WAITING).execute(context())
    assert refused.value.retryable
    assert installation.rows() == installation.rows("sosw_jobs") == []


def test_every_object_asks_for_its_encryption(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files in one request, files in parts and the manifest have what the Connection demands."""
    extra = {"queue_bucket": installation.bucket, "aws_conn_id": "", "server_side_encryption": "AES256"}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    monkeypatch.setattr("sosw_airflow.stores.queue_file.PART_BYTES", 1000)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    begun: list[tuple[str, Any]] = []

    def note(request: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rsplit(".", maxsplit=1)[-1]
        if operation in ("PutObject", "CreateMultipartUpload") and "/out/" in request.url:
            begun.append((operation, request.headers.get("x-amz-server-side-encryption")))

    made = AwsClients.client

    def client(self: AwsClients, service: str, **arguments: Any) -> Any:
        found = made(self, service, **arguments)
        found.meta.events.register_first("before-send.s3", note)
        return found

    monkeypatch.setattr(AwsClients, "client", client)
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    close(installation, job_id, range(8))
    schedule(tutorial_job, **WAITING).execute(context())
    assert {operation for operation, _ in begun} == {"PutObject", "CreateMultipartUpload"}
    assert {encryption.decode() for _, encryption in begun} == {"AES256"}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"results": "out"}, "results must be s3://bucket/prefix"),
        ({"results": ""}, "results "),
        ({"wait_for_completion": False}, "results needs wait_for_completion=True"),
    ],
)
def test_arguments_that_are_refused(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, arguments: Any, fault: str
) -> None:
    """Before anything is written."""
    with pytest.raises(InvalidConfiguration) as refused:
        schedule(tutorial_job, **{**WAITING, **arguments}).execute(context())
    assert fault in str(refused.value).replace(": ", " ")
    assert installation.rows() == []


@BOTH_WAYS
def test_a_retry_writes_the_same(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """It finds the job over. What its requests have used is its own."""
    summary = finish(
        schedule(tutorial_job, **WAITING, deferrable=deferrable),
        context(max_tries=1),
        deferrable=deferrable,
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )
    before = installation.queue_files()
    again = schedule(tutorial_job, **WAITING).execute(context(try_number=2, max_tries=1))
    assert {**again, "counted": summary["counted"]} == summary
    assert installation.queue_files() == before


def test_jobs_of_a_mapped_operator(installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any) -> None:
    """They share a prefix, and every job has its own files."""
    addresses = set()
    for map_index in range(3):
        summary = finish(
            schedule(tutorial_job, **WAITING, deferrable=False),
            context(map_index=map_index),
            deferrable=False,
            meanwhile=lambda job_id: close(installation, job_id, range(8)),
        )
        addresses.add(summary["results"]["manifest"])
    assert len(addresses) == 3
    assert all(json.loads(read(installation, each))["counts"]["completed"] == 8 for each in addresses)


def test_a_sensor_for_several_jobs(installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any) -> None:
    """It writes those of each job."""
    jobs = [schedule(tutorial_job).execute(context(map_index=number)) for number in range(2)]
    for job in jobs:
        close(installation, job["job_id"], range(8))
    reports = SoswJobSensor(task_id="wait", job_id=jobs, results=OUT, deferrable=False).execute(context())
    assert [each["results"]["manifest"] for each in reports] == [f"{OUT}{job['job_id']}/manifest.json" for job in jobs]
    assert all(read(installation, each["results"]["manifest"]) for each in reports)


def test_the_results_of_a_hook(installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any) -> None:
    """From the summary of the job, in its order."""
    summary = schedule(tutorial_job).execute(context())
    close(installation, summary["job_id"], [2], completed=False)
    results = SoswHook().results(summary)
    assert [each.index for each in results] == list(range(8))
    assert [each.index for each in SoswHook().results(summary["job_id"], state="failed")] == [2]


def test_the_files_have_secrets_as_the_worker_got_them(
    installation: Aws, schedule: Callable[..., Any], context: MakeContext
) -> None:
    """They are data for the next program, like the table itself; the log has none."""
    job = {"topics": {"cars": {"words": ["a"]}}, "api_key": "S3cr3t"}
    summary = finish(
        schedule(job, **WAITING, deferrable=False),
        context(),
        deferrable=False,
        meanwhile=lambda job_id: close(installation, job_id, [0]),
    )
    assert json.loads(read(installation, summary["results"]["completed"]))["payload"]["api_key"] == "S3cr3t"
    assert "S3cr3t" not in json.dumps(summary)
