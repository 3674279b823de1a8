"""`ProgressReader`: how far the workers are with a job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from sosw_airflow.exceptions import AwsFault, JobRecordDamaged
from sosw_airflow.jobs import closing_overlap
from sosw_airflow.jobs.closing_overlap import OVERLAP
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.stores.job_record import Header, JobRecords, JobState
from sosw_airflow.stores.task_queue import open_tasks
from sosw_airflow.waiting import progress
from sosw_airflow.waiting.poller import JobPoller, JobResult, Status
from sosw_airflow.waiting.progress import JobProgress, ProgressReader
from tests.integration.conftest import NOW, Installation, request_for
from tests.support.closing import close
from tests.support.network_edge import answering, dynamodb_error

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

#: Forty tasks.
FORTY = {"sections": [f"s{number:02d}" for number in range(40)], "isolate_sections": True}


def scheduled(installation: Installation, job: dict[str, Any] | None = None, **identity: Any) -> str:
    """The id of a job that is in the queue."""
    return installation.scheduler().schedule(request_for(job or FORTY, **identity)).header.job_id


def watch(installation: Installation, job_id: str) -> ProgressReader:
    """A watch as a new process would have it."""
    return ProgressReader(installation.aws.dynamodb, installation.deployment.tables, job_id)


def watch_header(installation: Installation, job_id: str) -> Header:
    """The header of a job."""
    header = JobRecords(installation.aws.dynamodb, "sosw_jobs").header(job_id)
    assert header is not None
    return header


def remove_header(installation: Installation, job_id: str) -> None:
    """As the time to live does."""
    key = {"job_id": {"S": job_id}, "record": {"S": "header"}}
    installation.aws.dynamodb.delete_item(TableName="sosw_jobs", Key=key)


def counts(standing: JobProgress) -> tuple[int, int]:
    """(completed, failed)."""
    return standing.completed, standing.failed


@contextmanager
def rows_read(dynamodb: Any) -> Iterator[list[int]]:
    """The number of rows in each answer of DynamoDB to a query or a batch."""
    rows: list[int] = []

    def count(parsed: dict[str, Any], **_: Any) -> None:
        answers = parsed.get("Responses", {})
        rows.append(len(parsed.get("Items", ())) + sum(map(len, answers.values())))

    names = ("after-call.dynamodb.Query", "after-call.dynamodb.BatchGetItem")
    for name in names:
        dynamodb.meta.events.register(name, count)
    try:
        yield rows
    finally:
        for name in names:
            dynamodb.meta.events.unregister(name, count)


def test_nothing_is_known_of_a_job_without_a_record(installation: Installation) -> None:
    """It is not over: it may be scheduled yet."""
    standing = watch(installation, "0" * 20).read()

    assert (standing.state, standing.over) == (None, False)


def test_closed_tasks_count_by_their_end(installation: Installation) -> None:
    """Completed ones and failed ones."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(30))
    close(installation.aws, job_id, range(30, 37), completed=False)

    standing = watch(installation, job_id).read()

    assert (standing.total, *counts(standing), standing.over) == (40, 30, 7, False)


def test_a_job_is_over_when_each_task_is_closed(installation: Installation) -> None:
    """However it ended."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(39))
    close(installation.aws, job_id, [39], completed=False)

    assert watch(installation, job_id).read().over


def test_a_cancelled_job_is_over(installation: Installation) -> None:
    """There is no wait for tasks that were taken out of the queue."""
    job_id = scheduled(installation)
    cancel_job(installation.deployment, job_id)

    standing = watch(installation, job_id).read()

    assert (standing.state, standing.over) == (JobState.CANCELLED, True)


def test_other_jobs_of_the_labourer_do_not_count(installation: Installation) -> None:
    """The index has the tasks of all its jobs."""
    ours, other = scheduled(installation), scheduled(installation, run_id="another")
    close(installation.aws, other, range(40))
    close(installation.aws, ours, [3])

    assert counts(watch(installation, ours).read()) == (1, 0)


def test_a_row_that_is_read_twice_counts_once(installation: Installation) -> None:
    """The overlap is read at each poll."""
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    for closed in (10, 20, 30):
        close(installation.aws, job_id, range(closed - 10, closed), at=NOW + closed)
        standing = follower.read()

    assert counts(standing) == (30, 0)


def test_a_row_in_two_tables_at_once_counts_once(installation: Installation) -> None:
    """The Scavenger puts a row into the closed tasks before it deletes it from the others, and may do it again."""
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    close(installation.aws, job_id, [0], keep=True)
    follower.read()
    close(installation.aws, job_id, [0], at=NOW + 500)

    assert counts(follower.read()) == (1, 0)


def test_a_task_that_completed_after_all(installation: Installation) -> None:
    """Archived as failed first, as completed later: it moves from one count to the other."""
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    close(installation.aws, job_id, [0], completed=False, keep=True)
    before = counts(follower.read())
    close(installation.aws, job_id, [0])

    assert (before, counts(follower.read())) == ((0, 1), (1, 0))


def test_a_row_that_moves_to_the_retries_and_back(installation: Installation) -> None:
    """It is not over while it is in one of the tables."""
    aws = installation.aws
    job_id = scheduled(installation, {"q": 1})
    follower = watch(installation, job_id)
    key = {"task_id": {"S": task_id(job_id, 0)}}
    row = aws.dynamodb.delete_item(TableName=aws.names.tasks_table, Key=key, ReturnValues="ALL_OLD")["Attributes"]
    retry = {**row, "desired_launch_time": {"N": str(int(NOW))}}
    aws.dynamodb.put_item(TableName=aws.names.retry_tasks_table, Item=retry)
    away = counts(follower.read())
    aws.dynamodb.put_item(TableName=aws.names.tasks_table, Item=row)
    back = counts(follower.read())
    close(aws, job_id, [0], attempts=2)

    assert (away, back, counts(follower.read())) == ((0, 0), (0, 0), (1, 0))


@pytest.mark.parametrize("skew", [-120, 120])
def test_clocks_two_minutes_apart(installation: Installation, skew: int) -> None:
    """The Scavenger's clock may be behind or ahead of ours: no task is missed."""
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    for index in range(40):
        close(installation.aws, job_id, [index], at=NOW + 30 * index + skew)
        standing = follower.read()

    assert (counts(standing), standing.over) == ((40, 0), True)


def test_two_scavengers_with_clocks_two_minutes_apart(installation: Installation) -> None:
    """A row that appears behind others which were read already is found."""
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    for index in range(40):
        close(installation.aws, job_id, [index], at=NOW + 30 * index + (-120 if index % 2 else 0))
        standing = follower.read()

    assert counts(standing) == (40, 0)


def test_a_row_that_the_index_hides_is_asked_for(installation: Installation) -> None:
    """A clock that is an hour behind puts a row where the cursor has long been; after some quiet polls it is found."""
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    close(installation.aws, job_id, range(39), at=NOW + 7200)
    follower.read()
    close(installation.aws, job_id, [39], at=NOW)

    standings = [follower.read() for _ in range(8)]

    assert [standing.over for standing in standings] == [*[False] * 7, True]


def test_a_row_that_haste_has_missed_is_asked_for(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the labourer is busy with other jobs: after four polls in which nothing of this job was closed."""
    monkeypatch.setattr(closing_overlap, "_CLOSINGS", 5)
    job_id, other = scheduled(installation), scheduled(installation, run_id="another")
    follower = watch(installation, job_id)
    for step in range(13):
        at, tasks = NOW + 60 * step, range(3 * step, 3 * step + 3)
        close(installation.aws, job_id, tasks, at=at)
        close(installation.aws, other, tasks, at=at)
        follower.read()
    close(installation.aws, job_id, [39], at=NOW + 600)  # at 780

    completed = []
    for step in range(5):
        close(installation.aws, other, [39], at=NOW + 800 + 60 * step, keep=True)
        completed.append(follower.read().completed)

    assert completed == [39, 39, 39, 40, 40]


def test_tasks_that_were_closed_by_a_clock_that_is_four_minutes_late(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are found at once, by reading again from the first one that was asked for, and not some in nine polls."""
    monkeypatch.setattr(progress, "_ASKED", 3)
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    for step in range(5):
        close(installation.aws, job_id, range(4 * step, 4 * step + 4), at=NOW + 300 + 60 * step)
        follower.read()
    close(installation.aws, job_id, range(20, 40), at=NOW + 300)  # at 540

    completed = [follower.read().completed for _ in range(9)]

    assert completed == [*[20] * 7, 23, 40]


def test_a_poll_costs_what_is_new(installation: Installation) -> None:
    """The rows that a poll reads do not grow with those that are counted."""
    job_id = scheduled(installation)
    follower = watch(installation, job_id)
    read = []
    for step in range(8):
        close(installation.aws, job_id, range(5 * step, 5 * step + 5), at=NOW + (OVERLAP + 1) * step)
        with rows_read(installation.aws.dynamodb) as rows:
            follower.read()
        read.append(sum(rows))

    # What is new, and the overlap: here the five rows to which the former poll came.
    assert read == [5, *[10] * 7]


def test_the_closings_of_others_are_read_once(installation: Installation) -> None:
    """Where another job of the labourer has a long queue, the cursor moves on over its tasks."""
    ours, other = scheduled(installation), scheduled(installation, run_id="another")
    close(installation.aws, other, range(40), at=NOW)
    close(installation.aws, other, [0], at=NOW + 10 * OVERLAP)
    follower = watch(installation, ours)
    with rows_read(installation.aws.dynamodb) as first:
        follower.read()
    with rows_read(installation.aws.dynamodb) as second:
        follower.read()

    assert (sum(first), sum(second)) == (40, 1)


def test_a_new_watch_catches_up(installation: Installation) -> None:
    """A triggerer that was restarted knows nothing; its first poll reads it all."""
    job_id = scheduled(installation)
    old = watch(installation, job_id)
    close(installation.aws, job_id, range(20), at=NOW)
    old.read()
    close(installation.aws, job_id, range(20, 40), at=NOW + 3600)

    assert counts(watch(installation, job_id).read()) == (40, 0)


def test_the_failed_tasks_are_named_in_order(installation: Installation) -> None:
    """By their ids, in the job's order."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, [31, 2, 17], completed=False)
    follower = watch(installation, job_id)
    follower.read()

    assert list(follower.failed()) == [task_id(job_id, index) for index in (2, 17, 31)]


# -- what can never be over --------------------------------------------------------------------------------------------


def test_a_record_that_vanished(installation: Installation) -> None:
    """The poll says so, instead of a wait without an end."""
    job_id = scheduled(installation)
    reader = watch(installation, job_id)
    reader.read()
    remove_header(installation, job_id)

    with pytest.raises(
        JobRecordDamaged, match=f"The record of the job {job_id} is not in sosw_jobs any more"
    ) as raised:
        reader.read()
    assert not raised.value.retryable  # a retry would schedule every task again


def test_a_record_that_vanished_before_the_first_poll(installation: Installation) -> None:
    """A waiter that knows that the job was scheduled needs not have seen the record."""
    job_id = scheduled(installation)
    remove_header(installation, job_id)
    reader = ProgressReader(installation.aws.dynamodb, installation.deployment.tables, job_id, must_exist=True)

    with pytest.raises(JobRecordDamaged, match="mark the Airflow task as successful, or clear it"):
        reader.read()


def test_a_record_that_a_replica_does_not_have_yet(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that is not consistent may miss it; a consistent one decides."""
    job_id = scheduled(installation)
    read = JobRecords.header

    def late(self: JobRecords, job_id: str, *, consistent: bool = True) -> Any:
        return read(self, job_id) if consistent else None

    monkeypatch.setattr(JobRecords, "header", late)
    reader = ProgressReader(installation.aws.dynamodb, installation.deployment.tables, job_id, must_exist=True)
    assert reader.read().total == 40


@pytest.mark.parametrize(
    "rest", ["", "00000000000", "0000000000000", "zzzzzzzzzzzz", "0_0000000000", " 00000000000", "+00000000000",
             "00000000000A", "ffffffffffff"],
)  # fmt: skip
def test_a_closed_row_whose_id_is_not_ours(installation: Installation, rest: str) -> None:
    """It begins with the id of the job, and counts for none of its tasks."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, [0])
    (row,) = installation.aws.rows(installation.aws.names.closed_tasks_table)
    foreign = {**row, "task_id": {"S": f"{job_id}{rest}"}}
    installation.aws.dynamodb.put_item(TableName=installation.aws.names.closed_tasks_table, Item=foreign)

    assert counts(watch(installation, job_id).read()) == (1, 0)


def polls_until_lost(reader: ProgressReader, most: int = 40) -> tuple[int, JobProgress]:
    """How many polls it takes to find that tasks are lost."""
    for number in range(1, most + 1):
        progress = reader.read()
        if progress.lost:
            return number, progress
    raise AssertionError("nothing is lost")


def test_closed_rows_that_were_removed_before_they_were_counted(installation: Installation) -> None:
    """A time to live of the user's, and a triggerer that was restarted: "2 of 4" would stand for ever."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(40))
    for index in (3, 17):
        key = {"task_id": {"S": task_id(job_id, index)}}
        installation.aws.dynamodb.delete_item(TableName=installation.aws.names.closed_tasks_table, Key=key)

    number, progress = polls_until_lost(watch(installation, job_id))

    assert (number, progress.lost) == (10, (task_id(job_id, 3), task_id(job_id, 17)))
    assert (counts(progress), progress.over) == ((38, 0), False)


@pytest.mark.parametrize("table", ["tasks_table", "retry_tasks_table"])
def test_tasks_that_still_wait_are_not_lost(installation: Installation, table: str) -> None:
    """However long: in the queue, with a worker, or for a retry."""
    aws = installation.aws
    job_id = scheduled(installation, {"q": 1})
    if table == "retry_tasks_table":
        key = {"task_id": {"S": task_id(job_id, 0)}}
        row = aws.dynamodb.delete_item(TableName=aws.names.tasks_table, Key=key, ReturnValues="ALL_OLD")["Attributes"]
        retry = {**row, "desired_launch_time": {"N": str(int(NOW))}}
        aws.dynamodb.put_item(TableName=aws.names.retry_tasks_table, Item=retry)
    reader = watch(installation, job_id)

    assert {reader.read().lost for _ in range(40)} == {()}


def test_a_row_that_moves_while_it_is_asked_for_is_not_lost(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reading of several tables may miss it; the next poll finds it."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(39))
    answers = iter([set()])
    monkeypatch.setattr(
        "sosw_airflow.waiting.progress.open_tasks", lambda *args: next(answers, None) or open_tasks(*args)
    )
    reader = watch(installation, job_id)

    assert {reader.read().lost for _ in range(40)} == {()}


def test_tasks_that_are_not_written_yet_are_not_lost(installation: Installation) -> None:
    """While the job is being written, most of them are nowhere."""
    job_id = scheduled(installation)
    planned = replace(watch_header(installation, job_id), state=JobState.PLANNED)
    installation.aws.dynamodb.put_item(TableName="sosw_jobs", Item=planned.item())
    for row in installation.aws.rows():
        installation.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": row["task_id"]})
    reader = watch(installation, job_id)

    assert {reader.read().lost for _ in range(40)} == {()}


def test_without_the_permission_nothing_is_called_lost(installation: Installation) -> None:
    """An identity that may only wait reads neither queue nor retries."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(39))
    installation.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": task_id(job_id, 39)}})
    reader = ProgressReader(installation.deployment.dynamodb, installation.deployment.tables, job_id)
    batches = count()

    def deny_every_second(operation: str) -> AWSResponse | None:
        denied = operation == "BatchGetItem" and next(batches) % 2  # the first of two asks for closed tasks
        return dynamodb_error("AccessDeniedException") if denied else None

    with answering(*installation.clients, handler=deny_every_second):
        assert {reader.read().lost for _ in range(20)} == {()}


# -- the poller --------------------------------------------------------------------------------------------------------


def test_lost_tasks_end_the_polling(installation: Installation) -> None:
    """The event of a trigger names them."""
    job_id = scheduled(installation, {"q": 1})
    installation.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": task_id(job_id, 0)}})
    poller = JobPoller(watch(installation, job_id))

    result = next(filter(None, (poller.poll() for _ in range(20))))

    assert (result.status, result.progress.lost) == (Status.LOST, (task_id(job_id, 0),))
    assert JobResult.of(json.loads(json.dumps(result.event()))) == result


def test_polls_that_read_something_are_not_counted_as_failed(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a table with little capacity a large job is read in more polls than may fail, also within the overlap."""
    monkeypatch.setattr("sosw_airflow.stores.closed_tasks._QUERY_ROWS", 2)
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(40))
    poller = JobPoller(ProgressReader(installation.deployment.dynamodb, installation.deployment.tables, job_id))
    queries = count()

    def refuse_every_second(operation: str) -> AWSResponse | None:
        refused = operation == "Query" and next(queries) % 2
        return dynamodb_error("ProvisionedThroughputExceededException") if refused else None

    with answering(*installation.clients, handler=refuse_every_second):
        results = [poller.poll() for _ in range(24)]

    assert [result.status for result in results if result is not None][:1] == [Status.OVER]


def test_ten_polls_that_read_nothing(installation: Installation) -> None:
    """The refusal is raised."""
    job_id = scheduled(installation)
    poller = JobPoller(ProgressReader(installation.deployment.dynamodb, installation.deployment.tables, job_id))

    def refuse(operation: str) -> AWSResponse | None:
        return dynamodb_error("ThrottlingException") if operation == "Query" else None

    with answering(*installation.clients, handler=refuse):
        assert [poller.poll() for _ in range(9)] == [None] * 9
        with pytest.raises(AwsFault):
            poller.poll()
