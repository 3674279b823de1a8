"""What is written here beside what the real sosw 0.7.51 writes for the same job, and what sosw makes of our rows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import SOSW_NAMES, create_missing_tables
from sosw_airflow.testing.memory_aws import one_at_a_time
from tests.conftest import Aws
from tests.integration.conftest import LABOURER, SCHEMA, TODAY, Installation, MakeInstallation, request_for
from tests.support.network_edge import Crash, answering, once
from tests.support.upstream.components import Upstream, upstream
from tests.support.upstream.scheduler import upstream_lines, upstream_rows

NESTED = {"sections": {"a": {"stores": {"x": {"products": ["p", "q"]}, "y": None}}, "b": None}}

#: None of them has anything of the list of wanted differences.
JOBS: dict[str, dict[str, Any]] = {
    "nested": {**NESTED, "isolate_stores": True, "extra": [1, 2.5, None, True, {"k": "v"}]},
    "isolated to the last level": {**NESTED, "isolate_products": True},
    "batches": {"sections": [str(number) for number in range(5)], "max_sections_per_batch": 2},
    "not ASCII": {"sections": ["zażółć", "日本", "\U0001f600"], "isolate_sections": True, "ключ": 'ü\u2028\n"\\'},
    "numbers": {"sections": [1, 2], "isolate_sections": True, "n": [0, -1, 1.5, 1e-9, 1e22, 2**63]},
    "empty values": {"sections": ["a"], "isolate_sections": True, "e": ["", [], {}, None, False, 0]},
    "passed whole": {"topics": {"a": None}, "period": "last_2_days", "isolate_days": False, "q": 1},
    "passed whole, of one attribute": {"q": "ü"},
    "payload as an object": {"sections": ["a", "b"], "isolate_sections": True, "payload": {"deep": {"x": [1]}}, "y": 1},
    "payload as JSON": {"sections": ["a"], "isolate_sections": True, "payload": '{"x": "ü", "y": 2}', "y": 1},
    "payload as text": {"sections": ["a"], "isolate_sections": True, "payload": "just text", "y": 1},
    "payload as a list": {"sections": ["a"], "isolate_sections": True, "payload": [1, 2], "y": 1},
    "payload as an object, passed whole": {"payload": {"x": 1, "y": 2}, "y": 1},
    "payload as JSON, passed whole": {"payload": '{"x": 1}'},
    "payload as text, passed whole": {"payload": "just text"},
}
EACH_JOB = pytest.mark.parametrize("name", JOBS)


@dataclass(frozen=True)
class Both:
    """What both have made of one job, raw; and what the Lambda got of ours."""

    ours: list[dict[str, Any]]
    theirs: list[dict[str, Any]]
    invoked: list[dict[str, Any]]


@pytest.fixture(scope="module")
def written() -> dict[str, Both]:
    """Every job by both. In one account, since an account with sosw's components takes a second to make."""
    with mock_aws(config={"lambda": {"use_docker": False}}), one_at_a_time():
        aws = Aws(boto3.client("dynamodb"), boto3.client("s3"), names=SOSW_NAMES)
        create_missing_tables(aws.dynamodb)
        aws.s3.create_bucket(Bucket=aws.bucket, CreateBucketConfiguration={"LocationConstraint": aws.region})
        deployment = Deployment(
            dynamodb=aws.dynamodb,
            dynamodb_once=aws.dynamodb,
            s3=aws.s3,
            tables=SOSW_NAMES,
            queue_bucket=aws.bucket,
            s3_prefix="sosw/scheduler",
            now=time.time,
        )
        found = {}
        with upstream(aws) as sosw:
            for name, job in JOBS.items():
                JobScheduler(deployment).schedule(request(job))
                ours = aws.rows()
                sosw.invocations.clear()
                sosw.orchestrator({})
                empty(aws, aws.names.tasks_table)
                empty(aws, aws.names.jobs_table)  # the identity is the same for all
                for row in upstream_rows(job, SCHEMA, TODAY):
                    sosw.task_manager.create_task(labourer=sosw.task_manager.get_labourer(LABOURER), **row)
                theirs = aws.rows()
                empty(aws, aws.names.tasks_table)
                found[name] = Both(in_order(ours), in_order(theirs), [payload for _, payload in sosw.invocations])
        return found


@pytest.fixture
def installation(make_installation: MakeInstallation, aws: Aws) -> Installation:
    """Ours, with the present as sosw sees it, and with the meta table."""
    return make_installation(now=time.time, tables=aws.names)


@pytest.fixture
def sosw(aws: Aws) -> Iterator[Upstream]:
    """The real one, on the same tables."""
    with upstream(aws) as components:
        yield components


def request(job: dict[str, Any], **how: Any) -> ScheduleRequest:
    """The job as sosw would resolve it today."""
    return request_for(job, reference_date=TODAY, **how)


def empty(aws: Aws, table: str) -> None:
    """Delete all rows of a table."""
    keys = [key["AttributeName"] for key in aws.dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]]
    for row in aws.rows(table):
        aws.dynamodb.delete_item(TableName=table, Key={name: row[name] for name in keys})


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As they stand in the queue."""
    return sorted(rows, key=lambda row: int(row["greenfield"]["N"]))


def types(row: dict[str, Any]) -> dict[str, str]:
    """Attributes and their types in DynamoDB."""
    return {name: next(iter(value)) for name, value in row.items()}


def values(row: dict[str, Any]) -> dict[str, Any]:
    """All but id and time, the payload parsed."""
    kept = {name: value for name, value in row.items() if name not in ("task_id", "created_at")}
    return {**kept, "payload": json.loads(row["payload"]["S"])}


# -- shapes ------------------------------------------------------------------------------------------------------------


@EACH_JOB
def test_attributes_and_types(written: dict[str, Both], name: str) -> None:
    """Of each row, raw as DynamoDB keeps it."""
    assert [types(row) for row in written[name].ours] == [types(row) for row in written[name].theirs]


@EACH_JOB
def test_values(written: dict[str, Both], name: str) -> None:
    """Same places in the queue, same labourer and attempts, same payloads once parsed."""
    assert [values(row) for row in written[name].ours] == [values(row) for row in written[name].theirs]


@EACH_JOB
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_ids_and_times(written: dict[str, Both], name: str, whose: str) -> None:
    """An id is 32 hexadecimal digits, a time plain decimal seconds: sosw stumbles over other spellings."""
    for row in getattr(written[name], whose):
        assert re.fullmatch("[0-9a-f]{32}", row["task_id"]["S"])
        assert re.fullmatch(r"\d{10}\.\d{1,7}", row["created_at"]["N"])


@EACH_JOB
def test_what_the_lambda_gets(written: dict[str, Both], name: str) -> None:
    """In our order, by the real Orchestrator: the payload's attributes and those of the row."""
    assert written[name].invoked == [
        {
            **json.loads(row["payload"]["S"]),
            "task_id": row["task_id"]["S"],
            "labourer_id": LABOURER,
            "created_at": float(row["created_at"]["N"]),
            "greenfield": int(row["greenfield"]["N"]),
            "attempts": 0,
        }
        for row in written[name].ours
    ]


@EACH_JOB
def test_lines_of_the_queue_file(name: str) -> None:
    """The same text, line by line."""
    expansion, codec = request(JOBS[name]).expansion, LineCodec(LABOURER)
    lines = [codec.line(task, 0, labourer_first=expansion.passed_whole) for task in expansion]
    assert lines == upstream_lines(JOBS[name], SCHEMA, TODAY)


def test_the_queue_file_has_these_lines(installation: Installation) -> None:
    """As it lies in S3 while the job is written: each line ends with a newline, the last one too."""
    expected = "".join(f"{line}\n" for line in upstream_lines(JOBS["not ASCII"], SCHEMA, TODAY))
    seen: list[dict[str, str]] = []

    with answering(
        *installation.clients, handler=once("TransactWriteItems", lambda: seen.append(installation.aws.queue_files()))
    ):
        installation.scheduler().schedule(request(JOBS["not ASCII"]))

    assert [list(files.values()) for files in seen] == [[expected]]


def test_rows_of_the_meta_table(aws: Aws, installation: Installation, sosw: Upstream) -> None:
    """Same attributes and types, same action and labourer; author and origin are our own."""
    installation.scheduler().schedule(request(JOBS["batches"]))
    ours = aws.rows(aws.names.meta_table)
    ids = {row["task_id"]["S"] for row in aws.rows()}
    sosw.schedule(JOBS["batches"])
    theirs = [row for row in aws.rows(aws.names.meta_table) if row not in ours]

    assert [types(row) for row in ours] == [types(row) for row in theirs]
    assert [(row["action"], row["labourer"]) for row in ours] == [(row["action"], row["labourer"]) for row in theirs]
    assert {row["task_id"]["S"] for row in ours} == ids


# -- sosw at work with our rows ----------------------------------------------------------------------------------------


def test_the_real_orchestrator_invokes_in_our_order(installation: Installation, sosw: Upstream) -> None:
    """The first job's tasks in the job's order, but before them those of a later urgent one, below zero."""
    installation.scheduler().schedule(request({"sections": ["a", "b", "c"], "isolate_sections": True}))
    urgent = request({"sections": list("vwxyz"), "isolate_sections": True}, run_id="urgent", queue_position="front")
    installation.scheduler().schedule(urgent)
    assert [int(row["greenfield"]["N"]) for row in installation.queue()] == list(range(-3000, 5000, 1000))

    sosw.orchestrator({})

    assert [payload["sections"] for _, payload in sosw.invocations] == [[each] for each in "vwxyzabc"]


def test_before_an_old_queue_of_upstreams(installation: Installation, sosw: Upstream) -> None:
    """An urgent job goes before what sosw's own Scheduler has put there, however close to the beginning that is."""
    sosw.schedule({"sections": ["old 1", "old 2"], "isolate_sections": True})
    job = {"sections": ["new 1", "new 2", "new 3"], "isolate_sections": True}
    installation.scheduler().schedule(request(job, queue_position="front"))
    assert [int(row["greenfield"]["N"]) for row in installation.queue()] == [-1000, 0, 1000, 2000, 3000]

    sosw.orchestrator({})

    sections = [payload["sections"][0] for _, payload in sosw.invocations]
    assert sections == ["new 1", "new 2", "new 3", "old 1", "old 2"]


def test_behind_upstreams_and_upstream_behind_ours(installation: Installation, sosw: Upstream) -> None:
    """Both Schedulers can feed one labourer; the later one stands behind the former."""
    job = {"sections": ["a", "b"], "isolate_sections": True}
    sosw.schedule(job)
    installation.scheduler().schedule(request(job))
    sosw.schedule(job)

    assert [int(row["greenfield"]["N"]) for row in installation.queue()] == list(range(2000, 8000, 1000))
    ours = {row["task_id"]["S"] for row in installation.queue()[2:4]}
    assert {task[:20] for task in ours} == {request(job).identity.job_id}


def test_completed_tasks_are_archived(aws: Aws, installation: Installation, sosw: Upstream) -> None:
    """The real WorkerAssistant and Scavenger finish our tasks, and their ids name the job for ever."""
    scheduled = installation.scheduler().schedule(request(JOBS["batches"]))
    sosw.orchestrator({})
    for _, payload in sosw.invocations:
        sosw.complete(payload["task_id"])
    sosw.scavenger({})

    closed = aws.rows(aws.names.closed_tasks_table)
    assert aws.rows() == []
    assert {row["labourer_id_task_status"]["S"] for row in closed} == {f"{LABOURER}_1"}
    assert sorted(row["task_id"]["S"] for row in closed) == [
        f"{scheduled.header.job_id}{index:012x}" for index in range(3)
    ]


def test_a_retry_after_the_archiving_writes_nothing(aws: Aws, installation: Installation, sosw: Upstream) -> None:
    """The job record knows that the tasks were there, though the table does not."""
    installation.scheduler().schedule(request(JOBS["batches"]))
    sosw.orchestrator({})
    for _, payload in sosw.invocations:
        sosw.complete(payload["task_id"])
    sosw.scavenger({})

    installation.scheduler().schedule(request(JOBS["batches"]))

    assert aws.rows() == []


def test_an_expired_task_is_retried(aws: Aws, installation: Installation, sosw: Upstream) -> None:
    """It comes back to the head of the queue with the same id, and the Lambda gets the same payload again."""
    installation.scheduler().schedule(request(JOBS["not ASCII"]))
    sosw.orchestrator({})
    first = sosw.invocations[0][1]

    sosw.expire(first["task_id"])
    sosw.scavenger({})
    assert [row["task_id"]["S"] for row in aws.rows(aws.names.retry_tasks_table)] == [first["task_id"]]
    sosw.end_delay(LABOURER, first["task_id"])
    sosw.scavenger({})
    sosw.orchestrator({})

    again = sosw.invocations[-1][1]
    own = ("greenfield", "attempts", "created_at")
    assert {name: value for name, value in again.items() if name not in own} == {
        name: value for name, value in first.items() if name not in own
    }
    assert (first["attempts"], again["attempts"]) == (0, 1)


def test_a_task_that_fails_three_times_is_dead(aws: Aws, installation: Installation, sosw: Upstream) -> None:
    """Archived as failed, like sosw's own."""
    installation.scheduler().schedule(request({"q": 1}))
    for attempt in (1, 2, 3):
        sosw.orchestrator({})
        task_id = sosw.invocations[-1][1]["task_id"]
        sosw.expire(task_id)
        sosw.scavenger({})
        if attempt < 3:
            sosw.end_delay(LABOURER, task_id)
            sosw.scavenger({})

    closed = aws.rows(aws.names.closed_tasks_table)
    assert [row["labourer_id_task_status"]["S"] for row in closed] == [f"{LABOURER}_0"]
    assert (len(sosw.invocations), aws.rows()) == (3, [])


@pytest.mark.parametrize("name", ["not ASCII", "passed whole"])
def test_an_upstream_scheduler_drains_our_queue_file(
    aws: Aws, installation: Installation, sosw: Upstream, written: dict[str, Both], name: str
) -> None:
    """A plan that was left behind can be finished by hand: the same payloads, in the same order."""

    def die(operation: str) -> None:
        if operation == "TransactWriteItems":
            raise Crash

    with pytest.raises(Crash), answering(*installation.clients, handler=die):
        installation.scheduler().schedule(request(JOBS[name]))
    ((key, text),) = aws.queue_files().items()
    unlocked = key.rpartition("/")[2].removeprefix("locked_")
    aws.s3.put_object(Bucket=aws.bucket, Key=f"sosw/scheduler/{unlocked}", Body=text.encode())
    aws.s3.delete_object(Bucket=aws.bucket, Key=key)

    sosw.drain(unlocked)

    assert [values(row) for row in installation.queue()] == [values(row) for row in written[name].ours]
    assert aws.queue_files() == {}
