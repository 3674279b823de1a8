"""A labourer at a glance, beside Airflow's orchestrator and beside sosw's."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.orchestration.glance import Bounded, Glance, glance_at
from sosw_airflow.orchestration.lease import Lease
from sosw_airflow.orchestration.turn_note import note_turn
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.stores.tables import TableNames
from tests.conftest import Aws

NOW = 1_795_431_620


@pytest.fixture
def put(aws: Aws) -> Any:
    """Put rows of a labourer's tasks into one of the tables."""

    def rows(count: int, table: str = "sosw_tasks", *, apart: int = 0, **attributes: Any) -> None:
        for index in range(count):
            item: dict[str, Any] = {
                "task_id": {"S": f"{'a' * 20}{len(table):04x}{attributes.get('greenfield', 0) % 65536:04x}{index:04x}"},
                "labourer_id": {"S": "worker"},
            }
            for name, value in attributes.items():
                number = value + index * apart if name == "greenfield" else value
                item[name] = {"S": value} if isinstance(value, str) else {"N": str(number)}
            aws.dynamodb.put_item(TableName=table, Item=item)

    return rows


def glance(aws: Aws) -> Glance:
    """Of the labourer."""
    return glance_at(aws.dynamodb, TableNames(), "worker", now=NOW, rows=10)


def closed(put: Any, count: int, end: int, seconds_ago: int) -> None:
    """Tasks that were closed at the same moment."""
    put(
        count,
        "sosw_closed_tasks",
        greenfield=seconds_ago * 2 + end,
        labourer_id_task_status=f"worker_{end}",
        closed_at=NOW - seconds_ago,
    )


def test_a_labourer_that_nobody_used(aws: Aws) -> None:
    """Nothing waits, nothing runs, and no orchestrator is known. Six requests: 3 read units of AWS, 6 of moto."""
    seen = glance(aws)
    assert (seen.queued, seen.running, seen.retrying) == (Bounded(0), Bounded(0), Bounded(0))
    assert (seen.waits, seen.limit, seen.holder, seen.orchestrated, seen.paused) == (None, None, "", False, "")
    assert sum(map(sum, seen.closed)) == 0
    assert seen.units <= 6


def test_a_queue_that_sosws_own_programs_process(aws: Aws, put: Any) -> None:
    """Everything is counted in the tables: what waits, runs, waits for its retry, and was closed by the minute."""
    put(3, greenfield=1000, apart=1000, created_at=NOW - 50)
    put(2, greenfield=NOW + INVOCATION_DELTA - 30, created_at=NOW)
    put(1, greenfield=NOW + INVOCATION_DELTA - 31, created_at=NOW, completed_at=NOW)
    put(4, "sosw_retry_tasks", desired_launch_time=NOW)
    closed(put, 5, 1, 30)
    closed(put, 1, 0, 90)
    seen = glance(aws)
    assert (seen.queued, seen.waits) == (Bounded(3), 50)
    assert (seen.running, seen.retrying) == (Bounded(2), Bounded(4))
    assert seen.limit is None
    assert (sum(each[0] for each in seen.closed), sum(each[1] for each in seen.closed)) == (5, 1)
    # The first of six was closed in the last minute but two, which are 140 s; nine tasks are left.
    assert seen.seconds_left == pytest.approx(9 / (6 / 140))


def test_a_long_queue_is_estimated_from_its_places(aws: Aws, put: Any) -> None:
    """Ten rows are read of its head, and one of its end."""
    put(40, greenfield=1000, apart=500, created_at=NOW - 7)
    seen = glance(aws)
    assert (seen.queued, seen.about, seen.waits) == (Bounded(10, more=True), 40, 7)


def test_an_orchestrator_of_airflow_says_what_runs(aws: Aws) -> None:
    """Its last turn is in the lease: nothing else is read for running tasks, the pace, or the reason of a pause."""
    lease = Lease(aws.dynamodb, "sosw_jobs", "worker", "host/1/abcd")
    lease.acquire()
    report = TurnReport("worker", running=7, limit=12, completed=60, paused="Lambda refuses")
    lease.last_turn = note_turn("", report, now=NOW - 10)
    lease._beaten_at = float("-inf")
    lease.acquire()
    seen = glance(aws)
    assert (seen.holder, seen.turned_at, seen.running, seen.limit) == ("host/1/abcd", NOW - 10, Bounded(7), 12)
    assert (seen.paused, seen.per_second) == ("Lambda refuses", 60 / 20)
    lease.release()
    assert glance(aws).holder == ""


def test_an_orchestrator_that_is_gone_says_nothing_about_the_present(aws: Aws, put: Any) -> None:
    """Its note is old, so the tables are read; when its last turn was is still known."""
    lease = Lease(aws.dynamodb, "sosw_jobs", "worker", "host/1/abcd")
    lease.acquire()
    lease.last_turn = note_turn("", TurnReport("worker", running=7, limit=12), now=NOW - 3600)
    lease.release()
    put(1, greenfield=NOW + INVOCATION_DELTA - 30, created_at=NOW)
    seen = glance(aws)
    assert (seen.running, seen.limit, seen.turned_at) == (Bounded(1), None, NOW - 3600)


def test_the_last_orchestrators_counts_are_continued_by_the_next(aws: Aws) -> None:
    """The hour's minutes outlive their orchestrator."""
    first, second = (Lease(aws.dynamodb, "sosw_jobs", "worker", name) for name in ("one", "two"))
    first.acquire()
    first.last_turn = note_turn("", TurnReport("worker", completed=5), now=NOW - 120)
    first.release()
    second.acquire()
    second.last_turn = note_turn(second.last_turn, TurnReport("worker", completed=1), now=NOW)
    second.release()
    assert [each for each in glance(aws).closed if each != (0, 0)] == [(5, 0), (1, 0)]


def test_rows_that_were_changed(aws: Aws, put: Any) -> None:
    """Numbers that are none count as zero; nothing is raised."""
    put(1, greenfield=1000, created_at="yesterday")
    seen = glance(aws)
    assert (seen.queued, seen.waits) == (Bounded(1), NOW)
