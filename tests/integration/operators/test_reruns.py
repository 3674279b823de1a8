"""A DAG run that was deleted and created again under the same id, and two Airflow deployments on the same tables."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sosw_airflow.exceptions import QueueFull
from sosw_airflow.operators.sosw import SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.scheduling.first_reads import FirstReads
from sosw_airflow.stores.job_places import JobPlaces
from sosw_airflow.stores.job_record import JobRecords
from tests.conftest import Aws
from tests.integration.operators.conftest import MakeContext
from tests.support.closing import close

Schedule = Callable[..., SoswScheduleOperator]

#: When Airflow started the DAG run, and when it started the one that was created again.
FIRST, AGAIN = "2026-03-02T00:00:01", "2026-03-05T12:00:00"
#: Airflow starts a finished run again when one of its Airflow tasks is cleared.
FIRST_CLEARED, AGAIN_CLEARED = "2026-03-02T01:00:00", "2026-03-05T13:00:00"


@pytest.fixture
def full_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the next plan fail with an error that a retry may fix."""
    place = FirstReads.place

    def once() -> None:
        def refuse(*_: Any) -> None:
            monkeypatch.setattr(FirstReads, "place", place)
            raise QueueFull(labourer_id="worker", tasks=1, room=0, base=0, now=0)

        monkeypatch.setattr(FirstReads, "place", refuse)

    return once


def test_a_run_that_was_created_again_schedules_its_job_again(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """Once: its retries find its job, and not that of the deleted run."""
    deleted = schedule(tutorial_job).execute(context(started=FIRST, max_tries=2))
    ids = {
        schedule(tutorial_job).execute(context(started=AGAIN, try_number=number, max_tries=2))["job_id"]
        for number in (1, 2, 3)
    }
    assert len(ids) == 1
    assert deleted["job_id"] not in ids
    assert len(installation.rows()) == 16


def test_a_run_that_was_created_a_third_time(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """Each run has a job of its own."""
    starts = (FIRST, AGAIN, "2026-03-06T00:00:00")
    ids = [schedule(tutorial_job).execute(context(started=start))["job_id"] for start in starts]
    assert len({*ids}) == 3
    assert len(installation.rows()) == 24


def test_a_retry_finds_its_job_though_the_start_of_its_run_has_changed(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """As after a run is set to queued by the API. A retry never decides anew."""
    first = schedule(tutorial_job).execute(context(started=FIRST, max_tries=1))
    retry = schedule(tutorial_job).execute(context(started=AGAIN, try_number=2, max_tries=1))
    assert retry == first
    assert len(installation.rows()) == 8


def test_a_retry_whose_first_attempt_planned_nothing(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    full_once: Callable[[], None],
) -> None:
    """The first attempt has noted that the run is another one, so the retry schedules the run's own job."""
    deleted = schedule(tutorial_job).execute(context(started=FIRST, max_tries=1))
    full_once()
    with pytest.raises(QueueFull):
        schedule(tutorial_job).execute(context(started=AGAIN, max_tries=1))
    retry = schedule(tutorial_job).execute(context(started=AGAIN, try_number=2, max_tries=1))
    assert retry["job_id"] != deleted["job_id"]
    assert len(installation.rows()) == 16


def test_a_clear_in_a_run_that_was_created_again(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """Schedules again, though the deleted run had been cleared as often."""
    clear = {"try_number": 2, "max_tries": 1, "retries": 0}
    ids = [
        schedule(tutorial_job).execute(context(started=started, **attempt))["job_id"]
        for started, attempt in ((FIRST, {}), (FIRST_CLEARED, clear), (AGAIN, {}), (AGAIN_CLEARED, clear))
    ]
    assert len({*ids}) == 4
    assert len(installation.rows()) == 32


@pytest.mark.parametrize("on_clear", ["resume", "failed"])
def test_a_clear_that_continues(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, on_clear: str
) -> None:
    """Continues the job of the run that was created again, and not a later generation of the deleted run."""

    def run(started: str, **attempt: Any) -> Any:
        return schedule(tutorial_job, on_clear=on_clear).execute(context(started=started, **attempt))["job_id"]

    run(FIRST)
    schedule(tutorial_job).execute(context(started=FIRST_CLEARED, try_number=2, max_tries=1, retries=0))
    _age(installation)
    again = run(AGAIN)
    assert run(AGAIN_CLEARED, try_number=2, max_tries=1, retries=0) == again
    assert run(AGAIN_CLEARED, try_number=3, max_tries=1, retries=0) == again
    assert len(installation.rows()) == 24


@pytest.mark.parametrize(("over", "place"), [(False, "front"), (True, "")])
def test_a_clear_keeps_the_place_of_a_job_that_was_moved(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, over: bool, place: str
) -> None:
    """Until the orchestrator has forgotten it: the job is over. A first run and a retry read no place."""
    places = JobPlaces(installation.dynamodb, "sosw_jobs")
    first = schedule(tutorial_job).execute(context())
    places.move(first["labourer"], first["job_id"], "planned" if over else "front")
    second = schedule(tutorial_job).execute(context(try_number=2, max_tries=1, retries=0))
    found = JobRecords(installation.dynamodb, "sosw_jobs").header(second["job_id"])
    assert found is not None
    assert (found.position, places.read(first["labourer"]).place(second["job_id"])) == (place, place or "planned")


def _age(installation: Aws) -> None:
    """Let the records be an hour old."""
    for record in installation.rows(installation.names.jobs_table):
        if record["record"]["S"] == "header":
            created_at = {"N": str(int(record["created_at"]["N"]) - 3600)}
            installation.dynamodb.put_item(
                TableName=installation.names.jobs_table, Item={**record, "created_at": created_at}
            )


@pytest.mark.parametrize("starts", [(None, None), (FIRST, None), (None, AGAIN)], ids=["never", "then", "now"])
def test_a_run_whose_start_is_unknown(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    starts: tuple[str | None, str | None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is scheduled, and the log says whose job it is and how to schedule again."""
    schedule(tutorial_job).execute(context(started=starts[0]))
    with caplog.at_level(logging.WARNING, logger="sosw_airflow"):
        schedule(tutorial_job).execute(context(started=starts[1]))
    assert len(installation.rows()) == 8
    (line,) = [each.getMessage() for each in caplog.records if "earlier run" in each.getMessage()]
    assert "was written by an earlier run of this id at 20" in line
    assert "Fix: to schedule it again, clear the Airflow task" in line


def test_a_copy_of_the_first_attempt(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Is of the same run, which nothing need be said of."""
    with caplog.at_level(logging.WARNING, logger="sosw_airflow"):
        for _ in range(2):
            schedule(tutorial_job).execute(context(started=FIRST))
    assert len(installation.rows()) == 8
    assert not [each for each in caplog.records if "earlier run" in each.getMessage()]


# -- repairs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def repaired(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> Callable[..., dict[str, Any]]:
    """Repairs a job of 8 tasks in a DAG run of this start; whatever is in the queue then fails."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]

    def repair(**run: Any) -> dict[str, Any]:
        queued = {row["task_id"]["S"][:20]: row for row in installation.rows()}
        for each in queued:
            tasks = [
                int(row["task_id"]["S"][20:], 16) for row in installation.rows() if row["task_id"]["S"][:20] == each
            ]
            close(installation, each, tasks, completed=False)
        operator = SoswRepairOperator(task_id="repair", job_id=job_id)
        summary: dict[str, Any] = operator.execute(context(run_id="manual__fixed", **run))
        return summary

    return repair


def test_a_repair_in_a_run_that_was_created_again(repaired: Any, installation: Aws) -> None:
    """Repairs what has failed of the deleted run's repair; its retries find their own."""
    deleted = repaired(started=FIRST, max_tries=1)
    again = repaired(started=AGAIN, max_tries=1)
    assert (again["repairs"], len(installation.rows())) == (deleted["job_id"], 8)
    assert repaired(started=AGAIN, try_number=2, max_tries=1)["job_id"] == again["job_id"]
    assert installation.rows() == []


@pytest.mark.parametrize(("start", "number"), [(None, 1), (AGAIN, 2)], ids=["unknown start", "a retry"])
def test_a_repair_that_another_run_may_have_asked_for(
    repaired: Any, start: str | None, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is scheduled, and the log says whose repair it is."""
    deleted = repaired(started=FIRST, max_tries=1)
    with caplog.at_level(logging.WARNING, logger="sosw_airflow"):
        assert repaired(started=start, try_number=number, max_tries=1)["job_id"] == deleted["job_id"]
    assert "was written by an earlier run of this id at 20" in caplog.text


def test_a_retry_of_a_repair_is_reported_as_no_other_run(repaired: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is of the same run."""
    first = repaired(started=FIRST, max_tries=1)
    with caplog.at_level(logging.WARNING, logger="sosw_airflow"):
        assert repaired(started=FIRST, try_number=2, max_tries=1)["job_id"] == first["job_id"]
    assert "earlier run" not in caplog.text


# -- two deployments on the same tables --------------------------------------------------------------------------------


@pytest.fixture
def in_namespace(installation: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the namespace of the Connection."""

    def use(namespace: str) -> None:
        extra = {
            "queue_bucket": installation.bucket,
            "region_name": installation.region,
            "aws_conn_id": "",
            "namespace": namespace,
        }
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))

    return use


def test_the_same_run_of_two_deployments(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    in_namespace: Callable[[str], None],
) -> None:
    """Each has a job of its own, whose record has the namespace; an empty one changes no id."""
    ids = {}
    default = schedule(tutorial_job).execute(context(started=FIRST))["job_id"]
    for namespace in ("", "blue", "green"):
        in_namespace(namespace)
        ids[namespace] = schedule(tutorial_job).execute(context(started=FIRST))["job_id"]
    assert ids[""] == default
    assert len({*ids.values()}) == 3
    records = installation.rows(installation.names.jobs_table)
    kept = {each["job_id"]["S"]: each.get("namespace") for each in records if each["record"]["S"] == "header"}
    assert kept == {ids[""]: None, ids["blue"]: {"S": "blue"}, ids["green"]: {"S": "green"}}
