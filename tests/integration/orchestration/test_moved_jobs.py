"""Jobs that were moved within their labourer's queue, processed by the real orchestrator in moto."""

from __future__ import annotations

import pytest

from sosw_airflow.exceptions import JobCancelled, UnknownJob
from sosw_airflow.jobs.identity import job_of, task_id
from sosw_airflow.orchestration.job_changes import change_job
from sosw_airflow.orchestration.labourer_pause import LabourerPause, pause_labourer, resume_labourer
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.stores.job_places import JobPlaces, MovedJobs
from sosw_airflow.stores.job_record import header_key
from tests.conftest import Aws
from tests.integration.conftest import Installation, request_for
from tests.integration.orchestration.conftest import LABOURER, Labourer
from tests.integration.orchestration.test_job_limits import counted, drain, put_job, running

FIRST, SECOND, THIRD = "1a" * 10, "2b" * 10, "3c" * 10


@pytest.fixture
def places(labourer: Labourer) -> JobPlaces:
    """Those of the labourer's jobs. Three jobs wait, six tasks each."""
    for number, job_id in enumerate((FIRST, SECOND, THIRD)):
        put_job(labourer, job_id, 6, base=6_000 * number)
    return JobPlaces(labourer.aws.dynamodb, "sosw_jobs")


def order(labourer: Labourer) -> str:
    """The jobs of the invoked tasks, in their order, by the first digit of their ids."""
    return "".join(job_of(event["task_id"])[0] for event in labourer.function.events)


def test_the_last_job_at_the_front(labourer: Labourer, places: JobPlaces) -> None:
    """It is processed first; its rows are where they were."""
    before = labourer.rows()
    places.move(LABOURER, THIRD, "front")
    assert labourer.rows() == before
    done: set[str] = set()
    list(drain(labourer, labourer.orchestration(max_simultaneous_invocations=2), done))
    assert (order(labourer), len(done)) == ("3" * 6 + "1" * 6 + "2" * 6, 18)


def test_the_first_job_at_the_back(labourer: Labourer, places: JobPlaces) -> None:
    """It is processed last, and loses nothing."""
    places.move(LABOURER, FIRST, "back")
    done: set[str] = set()
    list(drain(labourer, labourer.orchestration(max_simultaneous_invocations=2), done))
    assert (order(labourer), len(done)) == ("2" * 6 + "3" * 6 + "1" * 6, 18)


def test_a_holder_follows_with_its_next_beat(labourer: Labourer, places: JobPlaces) -> None:
    """Within 15 seconds, in the order of the moves; and back again."""
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)

    def turn(seconds: float) -> str:
        labourer.report(labourer.function.events[-1]) if labourer.function.events else None
        labourer.pass_time(seconds)
        orchestration.turn()
        return order(labourer)[-1]

    assert turn(0) == "1"
    places.move(LABOURER, THIRD, "front")
    places.move(LABOURER, SECOND, "front")
    assert [turn(1), turn(16), turn(1)] == ["1", "3", "3"]
    places.move(LABOURER, THIRD, "planned")
    assert [turn(16), turn(1)] == ["2", "2"]


def test_the_limit_of_a_job_at_the_front(labourer: Labourer, places: JobPlaces) -> None:
    """Others get the rest of the places."""
    put_job(labourer, THIRD, 6, base=12_000, limit=2)
    places.move(LABOURER, THIRD, "front")
    labourer.orchestration(max_simultaneous_invocations=5).turn()
    assert running(labourer) == {THIRD: 2, FIRST: 3}


def test_a_paused_labourer_with_a_job_at_the_front(labourer: Labourer, places: JobPlaces) -> None:
    """Nothing is claimed; after the pause the job is still first. Neither order disturbs the other."""
    table = labourer.aws.dynamodb
    places.move(LABOURER, SECOND, "front")
    pause_labourer(table, "sosw_jobs", LABOURER, LabourerPause("alice", 1))
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    orchestration.turn()
    assert order(labourer) == ""
    resume_labourer(table, "sosw_jobs", LABOURER)
    labourer.pass_time(16)
    orchestration.turn()
    assert (order(labourer), places.read(LABOURER).front) == ("2", [SECOND])


def test_the_next_holder_knows_the_places(labourer: Labourer, places: JobPlaces) -> None:
    """They are in the lease's item, which it takes over."""
    places.move(LABOURER, THIRD, "front")
    here, there = (labourer.orchestration(name, max_simultaneous_invocations=1) for name in ("here", "there"))
    here.turn()
    there.turn()
    here.release()
    labourer.report(labourer.function.events[0])
    there.turn()
    assert order(labourer) == "33"


def test_a_failed_task_of_a_job_at_the_back(labourer: Labourer, places: JobPlaces) -> None:
    """It is queued again at the head, and waits there for the others."""
    places.move(LABOURER, THIRD, "back")
    for job_id in (FIRST, SECOND):
        for index in range(6):
            key = {"task_id": {"S": task_id(job_id, index)}}
            labourer.aws.dynamodb.delete_item(TableName="sosw_tasks", Key=key)
    orchestration = labourer.orchestration(max_simultaneous_invocations=1, retry_delay=1)
    orchestration.turn()
    labourer.report(labourer.function.events[0], ok=False)
    labourer.pass_time(1)
    orchestration.turn()
    labourer.report(labourer.function.events[-1])
    put_job(labourer, FIRST, 1, base=50_000)
    labourer.pass_time(40)
    report = orchestration.turn()
    assert (report.requeued, order(labourer)) == (1, "331")


def test_jobs_that_are_over_are_forgotten(labourer: Labourer, places: JobPlaces) -> None:
    """One after the other, half a minute after their last task; those that are not over keep their places."""
    places.move(LABOURER, FIRST, "back")
    places.move(LABOURER, SECOND, "front")
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    done: set[str] = set()
    for _ in range(60):
        orchestration.turn()
        for event in labourer.function.events:
            if event["task_id"] not in done and job_of(event["task_id"]) == SECOND:
                labourer.report(event)
                done.add(event["task_id"])
        labourer.pass_time(5)
    assert (len(done), dict(places.read(LABOURER).places)) == (6, {FIRST: "back"})


def test_an_empty_queue_has_no_moved_jobs(labourer: Labourer, places: JobPlaces) -> None:
    """They are forgotten at once, but for one that is still written or planned."""
    done: set[str] = set()
    orchestration = labourer.orchestration(max_simultaneous_invocations=18)
    for place, job_id in (("front", FIRST), ("back", SECOND), ("back", "4d" * 10)):
        places.move(LABOURER, job_id, place)  # type: ignore[arg-type]
    states = {THIRD: "writing", SECOND: "written"}
    for job_id, state in states.items():
        labourer.aws.dynamodb.update_item(
            TableName="sosw_jobs",
            Key=header_key(job_id),
            UpdateExpression="SET #state = :state",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":state": {"S": state}},
        )
    places.move(LABOURER, THIRD, "front")
    list(drain(labourer, orchestration, done))
    assert (len(done), dict(places.read(LABOURER).places)) == (18, {"4d" * 10: "back", THIRD: "front"})


def test_what_it_costs(labourer: Labourer, places: JobPlaces) -> None:
    """One page of rows for the job at the front, and its header every ten seconds; nothing without a moved job."""
    orchestration = labourer.orchestration(max_simultaneous_invocations=1)
    orchestration.turn()
    labourer.report(labourer.function.events[-1])
    labourer.pass_time(1)
    with counted(labourer.clients.dynamodb) as without:
        orchestration.turn()
    places.move(LABOURER, THIRD, "front")
    labourer.report(labourer.function.events[-1])
    labourer.pass_time(16)
    orchestration.turn()
    labourer.report(labourer.function.events[-1])
    labourer.pass_time(1)
    with counted(labourer.clients.dynamodb) as moved:
        orchestration.turn()
    assert order(labourer) == "1133"
    assert moved - without == {"Query": 1}


def test_a_cancelled_job_at_the_front(aws: Aws, installation: Installation) -> None:
    """It is not moved any more; an unknown one neither."""
    job_id = installation.scheduler().schedule(request_for()).header.job_id
    cancel_job(installation.deployment, job_id)
    with pytest.raises(JobCancelled):
        change_job(aws.dynamodb, "sosw_jobs", job_id, place="front", now=0)
    with pytest.raises(UnknownJob):
        change_job(aws.dynamodb, "sosw_jobs", FIRST, place="front", now=0)
    assert JobPlaces(aws.dynamodb, "sosw_jobs").read(LABOURER) == MovedJobs({})
