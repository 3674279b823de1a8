"""`results`: the operators that wait write the results of their jobs; all ways end alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow.exceptions import InvalidConfiguration, JobFailed, SoswError
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.sensors.sosw import SoswJobSensor
from tests.conftest import BUCKET, Aws
from tests.integration.operators.conftest import MakeContext
from tests.integration.orchestration.conftest import Lambda
from tests.support.closing import close
from tests.support.deferrals import finish

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
    assert json.loads(read(installation, manifest))["counts"]["failed"] == 2


def test_results_of_an_orchestrated_job(
    function: Lambda, installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """Each line has what the function returned."""
    arguments = {**WAITING, "wait_for_completion": False, "orchestrate": True, "deferrable": False}
    summary = schedule(tutorial_job, **arguments).execute(context())
    lines = [json.loads(line) for line in read(installation, summary["results"]["completed"]).splitlines()]
    assert [each["result"] for each in lines] == ["done"] * 8
    assert all(each["invoked_at"] <= each["closed_at"] for each in lines)


def test_a_bucket_that_cannot_be_written(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """It is seen before the first row is written."""
    operator = schedule(tutorial_job, **{**WAITING, "results": "s3://no-such-bucket/out"})
    with pytest.raises(SoswError, match="no-such-bucket"):
        operator.execute(context())
    assert installation.rows() == installation.rows("sosw_jobs") == []


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
    """It finds the job over."""
    summary = finish(
        schedule(tutorial_job, **WAITING, deferrable=deferrable),
        context(),
        deferrable=deferrable,
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )
    before = installation.queue_files()
    assert schedule(tutorial_job, **WAITING).execute(context(try_number=2, max_tries=1)) == summary
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
