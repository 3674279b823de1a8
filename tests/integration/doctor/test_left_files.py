"""What a died process leaves, as doctor finds it: which file may be removed, and which one never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sosw_airflow.doctor import left_files, orphans
from sosw_airflow.doctor.findings import Finding, Level
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.transitions import DELIVER, TAKE_OVER, JobState
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.job_record import RECORD_SECONDS
from tests.integration.conftest import NOW, TODAY, Installation, request_for
from tests.integration.scheduling.test_deliver import COPY, FOLDER, JOB_ID, PLAN, SECOND_COPY
from tests.support.network_edge import Crash, answering, at

FILE, LOCKED = f"{FOLDER}/tasks_queue_1.txt", f"{FOLDER}/locked_tasks_queue_1.txt"
WHO = JobIdentity("dag", "run", "drain", -1, 0, "worker")
LINE = b'{"labourer_id": "worker", "q": 1}\n'


@pytest.fixture(autouse=True)
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file need not be old to be left: moto has this machine's clock."""
    monkeypatch.setattr(left_files, "FILE_SECONDS", float("-inf"))


def put(installation: Installation, *keys: str, body: bytes = LINE) -> None:
    """Put files."""
    for key in keys:
        installation.aws.s3.put_object(Bucket=installation.aws.bucket, Key=key, Body=body)


def later(installation: Installation) -> Deployment:
    """The deployment two hours later."""
    return replace(installation.deployment, now=lambda: NOW + 7200)


def found(installation: Installation) -> dict[str, Finding]:
    """All that is left, by the name of its file or job."""
    return {each.subject.rpartition("/")[2]: each for each in _findings(later(installation))}


def _findings(deployment: Deployment) -> Iterator[Finding]:
    for find in (orphans.find_unfinished_jobs, left_files.find_queue_files, left_files.find_copies):
        yield from (each for each in find(deployment) if each.level is not Level.OK)


def url(installation: Installation, key: str) -> str:
    """Of a file."""
    return f"s3://{installation.aws.bucket}/{key}"


def test_a_late_copy_of_a_cancelled_job(installation: Installation) -> None:
    """No Scheduler must take it any more."""
    deliver(installation.scheduler(), request_for())
    cancel_job(installation.deployment, JOB_ID)
    put(installation, COPY)

    (copy,) = found(installation).values()

    assert (copy.check, copy.command) == ("copy", f"aws s3 rm {url(installation, COPY)}")


def test_a_late_copy_that_was_overtaken(installation: Installation) -> None:
    """The copy of the attempt that has taken over is delivered; the first one is removed."""
    scheduler = installation.scheduler()
    scheduler.plan(request_for())
    scheduler.records.change(DELIVER, JOB_ID)
    scheduler.records.change(TAKE_OVER, JOB_ID, attempt=1)
    put(installation, COPY, SECOND_COPY)

    copies = {name: each.command for name, each in found(installation).items() if each.check == "copy"}

    assert copies == {COPY.rpartition("/")[2]: f"aws s3 rm {url(installation, COPY)}"}


@pytest.mark.parametrize("state", [JobState.DELIVERING, JobState.INVOKING, JobState.DELIVERED])
def test_the_copy_of_a_living_delivery_is_never_removed(installation: Installation, state: JobState) -> None:
    """Whoever delivers it, and whether sosw's Scheduler is slow."""
    scheduled = deliver(installation.scheduler(), request_for())
    item = replace(scheduled.header, state=state).item()
    installation.aws.dynamodb.put_item(TableName="sosw_jobs", Item=item)

    assert [each.command for each in found(installation).values() if "aws" in each.command] == []


def test_a_copy_that_no_scheduler_takes(installation: Installation) -> None:
    """Its tasks are not in the queue, so that no command removes it."""
    deliver(installation.scheduler(), request_for())

    (copy,) = found(installation).values()

    assert (copy.check, copy.command) == ("copy", "")
    assert f"sosw-airflow cancel {JOB_ID}" in copy.fix


@pytest.mark.parametrize("key", [COPY, f"{FOLDER}/tasks_queue_airflow_of_another_program.txt"])
def test_a_copy_without_a_record(installation: Installation, key: str) -> None:
    """Whether its tasks are needed is not known; a file of another program is none of ours."""
    put(installation, key)

    assert [each.command for each in found(installation).values()] == ([""] if key == COPY else [])


def test_a_copy_of_a_job_that_was_written_instead(installation: Installation) -> None:
    """Its number was handed back, and its tasks came as rows."""
    scheduled = installation.scheduler().schedule(request_for())
    item = replace(scheduled.header, attempt=1).item()
    installation.aws.dynamodb.put_item(TableName="sosw_jobs", Item=item)
    put(installation, COPY)

    assert [each.command for each in found(installation).values()] == [f"aws s3 rm {url(installation, COPY)}"]


def test_an_unfinished_job(installation: Installation) -> None:
    """Whoever gives it up cancels it; its plan is not deleted before."""
    installation.scheduler().plan(request_for())

    both = found(installation)

    assert both[f"job {JOB_ID}"].command == f"sosw-airflow cancel {JOB_ID}"
    assert (both[PLAN.rpartition("/")[2]].command, "do not delete" in both[PLAN.rpartition("/")[2]].fix) == ("", True)


def test_a_cancelling_that_was_interrupted(installation: Installation) -> None:
    """It is cancelled again, and then nothing is found."""
    installation.scheduler().schedule(request_for())
    die_at(installation, "DeleteItem", lambda: cancel_job(installation.deployment, JOB_ID))

    (job,) = found(installation).values()
    cancel_job(later(installation), JOB_ID)

    assert (job.check, job.command) == ("cancelled", f"sosw-airflow cancel {JOB_ID}")
    assert (found(installation), installation.queue()) == ({}, [])


def test_a_job_that_version_0_1_has_cancelled(installation: Installation) -> None:
    """It does not say when that ended, so that every such job would be found."""
    scheduled = installation.scheduler().schedule(request_for())
    item = replace(scheduled.header, state=JobState.CANCELLED).item()
    installation.aws.dynamodb.put_item(TableName="sosw_jobs", Item=item)

    assert found(installation) == {}


# -- files that a drain has claimed ------------------------------------------------------------------------------------


def die_at(installation: Installation, operation: str, call: Any) -> None:
    """Make a call that dies at its first request for this operation."""

    def die() -> None:
        raise Crash

    with pytest.raises(Crash), answering(*installation.clients, handler=at(operation, die)):
        call()


def drain_file(installation: Installation, **more: Any) -> str:
    """Drain the file; returns the job's id."""
    file = LeftFile.of(installation.deployment, FILE)
    identity = replace(WHO, queue_file=str(file))
    drain(installation.scheduler(), DrainRequest(identity, file, TODAY), **more)
    return identity.job_id


def test_a_file_whose_drain_was_cancelled(installation: Installation) -> None:
    """It gets its name back: its tasks are not in the queue, and it is the user's."""
    put(installation, FILE)
    die_at(installation, "TransactWriteItems", lambda: drain_file(installation))
    (job_id,) = [item["job_id"]["S"] for item in installation.aws.rows("sosw_jobs") if item["record"]["S"] == "header"]
    cancel_job(later(installation), job_id)

    (locked,) = found(installation).values()

    assert locked.command == f"aws s3 mv {url(installation, LOCKED)} {url(installation, FILE)}"


def test_a_file_whose_drain_was_cancelled_beside_a_new_one(installation: Installation) -> None:
    """No command overwrites the new one."""
    put(installation, FILE)
    die_at(installation, "TransactWriteItems", lambda: drain_file(installation))
    (job_id,) = [item["job_id"]["S"] for item in installation.aws.rows("sosw_jobs") if item["record"]["S"] == "header"]
    cancel_job(later(installation), job_id)
    put(installation, FILE, body=LINE * 2)

    (locked,) = found(installation).values()

    assert (locked.command, "Another file has its name" in locked.fix) == ("", True)


def test_a_file_that_was_drained_to_the_end(installation: Installation) -> None:
    """The drain died before it removed the file, whose tasks are all in the queue."""
    put(installation, FILE)
    deleted = []

    def die_at_the_last(name: str) -> None:
        deleted.extend([name] if name == "DeleteObject" else [])
        if len(deleted) == 3:  # after the unlocked file and the plan
            raise Crash

    with pytest.raises(Crash), answering(*installation.clients, handler=die_at_the_last):
        drain_file(installation)

    (locked,) = found(installation).values()

    assert (len(installation.queue()), locked.command) == (1, f"aws s3 rm {url(installation, LOCKED)}")


@pytest.mark.parametrize("operation", ["CopyObject", "DeleteObject"])
def test_a_claim_of_a_drain_that_died(installation: Installation, operation: str) -> None:
    """Before the file was renamed, or after. Another drain takes the file over."""
    put(installation, FILE)
    die_at(installation, operation, lambda: drain_file(installation))

    commands = {each.command for each in found(installation).values()}

    assert commands == {f"sosw-airflow drain {url(installation, FILE)} --take-locked"}


def test_a_claim_on_a_file_that_is_gone(installation: Installation) -> None:
    """The claim alone is removed, since a new file of this name would be refused."""
    put(installation, FILE)
    die_at(installation, "CopyObject", lambda: drain_file(installation))
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=FILE)

    (claim,) = found(installation).values()

    assert claim.command.startswith('aws dynamodb delete-item --table-name sosw_jobs --key \'{"job_id": {"S": "file#')


def test_a_fresh_claim(installation: Installation) -> None:
    """A drain that works at this moment is not disturbed."""
    put(installation, FILE)
    die_at(installation, "CopyObject", lambda: drain_file(installation))
    (claim,) = installation.aws.rows("sosw_jobs")
    fresh = {**claim, "expires_at": {"N": str(int(NOW) + 7200 + RECORD_SECONDS - 60)}}
    installation.aws.dynamodb.put_item(TableName="sosw_jobs", Item=fresh)

    assert found(installation) == {}
