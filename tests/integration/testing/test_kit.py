"""`sosw_airflow.testing`: an installation of sosw in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from typing import Any

import boto3
import pytest

from sosw_airflow._compat import AirflowSkipException
from sosw_airflow.exceptions import JobFailed, UnknownLabourer
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.testing import Sosw, sosw_in_memory
from sosw_airflow.testing.fixtures import sosw  # noqa: F401 - a fixture
from sosw_airflow.testing.memory_aws import REGION
from tests.conftest import Aws
from tests.support.upstream.components import upstream

DAY = date(2026, 3, 2)
JOB = {"words": ["a", "b", "c"], "isolate_words": True}


@pytest.fixture
def installation() -> Iterator[Sosw]:
    """With a labourer and a schema."""
    with sosw_in_memory() as installation:
        installation.add_labourer("worker")
        installation.add_schema("word")
        yield installation


def operator(job: Any = JOB, **arguments: Any) -> SoswScheduleOperator:
    """One that has never run."""
    return SoswScheduleOperator(**{"task_id": "schedule", "labourer": "worker", "job": job, **arguments})


def words(tasks: list[dict[str, Any]]) -> list[str]:
    """The words of tasks that have one each."""
    return [word for task in tasks for word in task["words"]]


def test_everything_is_there(sosw: Sosw) -> None:  # noqa: F811 - the fixture of the name
    """The Connection that operators use by default leads to tables and bucket."""
    found, message = SoswHook().test_connection()
    assert found, message


def test_another_connection() -> None:
    """Has the id that is asked for."""
    with sosw_in_memory(conn_id="sosw_eu"):
        assert SoswHook("sosw_eu").settings.queue_bucket == "sosw-queue"


def test_nothing_is_left(installation: Sosw) -> None:
    """Neither Variables nor credentials, nor rows for the next test."""
    before = dict(os.environ)
    with sosw_in_memory() as other:
        other.add_labourer("other")
        assert other.tasks() == []
    assert dict(os.environ) == before


def test_no_real_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's profile is out of reach."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    with sosw_in_memory():
        assert boto3.client("sts", region_name="us-east-1").get_caller_identity()["Account"] == "123456789012"
        assert "AWS_PROFILE" not in os.environ
    assert os.environ["AWS_PROFILE"] == "production"


def test_tasks(installation: Sosw) -> None:
    """In the queue's order; each labourer has its own."""
    installation.add_labourer("other")
    installation.run(operator(), DAY)
    installation.run(operator(labourer="other", job={"words": ["z"]}, task_id="another"), DAY)
    assert words(installation.tasks("worker")) == ["a", "b", "c"]
    assert sorted(words(installation.tasks())) == ["a", "b", "c", "z"]


def test_an_unregistered_labourer(installation: Sosw) -> None:
    """Is refused, as in earnest."""
    with pytest.raises(UnknownLabourer):
        installation.run(operator(labourer="nobody"), DAY)


def test_several_pages_at_once(installation: Sosw) -> None:
    """The writer's threads do not disturb each other, though moto has no locks."""
    many = [f"w{number}" for number in range(150)]
    installation.run(operator({"words": many, "isolate_words": True}), DAY)
    assert words(installation.tasks()) == many


def test_templates_and_dates(installation: Sosw) -> None:
    """Are those of the run of that day; the operator can run again for another day."""
    task = operator({"words": ["{{ ds }}"], "period": "yesterday", "isolate_days": True})
    for day in (2, 3):
        installation.run(task, date(2026, 3, day))
    assert [(task["words"], task["date_list"]) for task in installation.tasks()] == [
        (["2026-03-01"], ["2026-03-01"]),
        (["2026-03-02"], ["2026-03-02"]),
    ]


def test_a_retry_and_a_clear(installation: Sosw) -> None:
    """A retry finds the job; a clear schedules it again."""
    first = installation.run(operator(), DAY)
    assert installation.run(operator(), DAY, try_number=2, max_tries=1)["job_id"] != first["job_id"]
    assert installation.run(operator(), DAY) == first
    assert len(installation.tasks()) == 6


def test_start(installation: Sosw) -> None:
    """Invoked tasks wait no more."""
    installation.run(operator(), DAY)
    assert installation.start(limit=2) == 2
    assert (words(installation.running()), words(installation.tasks())) == (["a", "b"], ["c"])


def test_finish_and_fail(installation: Sosw) -> None:
    """They are closed, whether they had been started or not."""
    installation.run(operator(), DAY)
    installation.start(limit=1)
    assert installation.finish(only=lambda task: task["words"] != ["c"]) == 2
    assert installation.fail() == 1
    assert installation.closed() == {"completed": 2, "failed": 1}
    assert (installation.tasks(), installation.running()) == ([], [])


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting(installation: Sosw, deferrable: bool) -> None:
    """Comes back at once, and goes on when the workers are done."""
    deferred = installation.run(operator(wait_for_completion=True, deferrable=deferrable), DAY)
    assert len(installation.tasks()) == 3
    installation.finish()
    summary = deferred.resume()
    assert (summary["completed"], summary["failed"], summary["tasks"]) == (3, 0, 3)


def test_waiting_for_failures(installation: Sosw) -> None:
    """The operator's own error."""
    deferred = installation.run(operator(wait_for_completion=True), DAY)
    installation.fail(limit=1)
    installation.finish()
    with pytest.raises(JobFailed, match="1 of 3 tasks"):
        deferred.resume()


@pytest.mark.parametrize(("flags", "expected"), [({}, JobFailed), ({"soft_fail": True}, AirflowSkipException)])
def test_a_sensor(installation: Sosw, flags: dict[str, Any], expected: type[Exception]) -> None:
    """Is deferred, and ends as Airflow ends it: a soft failure skips it."""
    job_id = installation.run(operator({"words": ["a"]}), DAY)["job_id"]
    sensor = SoswJobSensor(task_id="wait", job_id=job_id, mode="reschedule", allow_nested_operators=False, **flags)
    deferred = installation.run(sensor, DAY)
    installation.fail()
    with pytest.raises(expected):
        deferred.resume()


def test_waiting_for_nobody(installation: Sosw, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what is missing."""
    monkeypatch.setattr("sosw_airflow.testing.runs._PATIENCE", 0.2)
    deferred = installation.run(operator(wait_for_completion=True), DAY)
    with pytest.raises(AssertionError, match="finish or fail its tasks"):
        deferred.resume()


# -- as sosw itself does it --------------------------------------------------------------------------------------------


def shape(row: dict[str, Any]) -> dict[str, str]:
    """Names and types."""
    return {name: next(iter(value)) for name, value in row.items()}


def test_results_and_errors(installation: Sosw) -> None:
    """`SoswHook.results` finds what the workers return, a value or one for each payload, and why they fail."""
    summary = installation.run(operator({**JOB, "words": ["a", "b", "c", "d"]}), DAY)
    installation.finish(limit=1, result=[1, {"x": None}])
    installation.finish(limit=1, result=lambda payload: payload["words"])
    installation.fail(limit=1, error="KeyError: 'a'")
    installation.finish(limit=1)
    found = list(SoswHook().results(summary))
    assert [each.result for each in found] == [[1, {"x": None}], ["b"], None, None]
    assert [each.error for each in found] == ["", "", "KeyError: 'a'", ""]


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_closed_rows_are_those_of_sosw(installation: Sosw, outcome: str) -> None:
    """The same attributes, types, status, payload and attempts as sosw's own components leave."""
    installation.run(operator({"words": ["a"]}), DAY)
    aws = Aws(installation.dynamodb, installation.s3, installation.tables, installation.queue_bucket, REGION)
    with upstream(aws, labourers={"worker": {"max_simultaneous_invocations": 10}}, chunkable_attrs=("word",)) as theirs:
        for attempt in range(3 if outcome == "failed" else 1):
            theirs.orchestrator({})
            task_id = theirs.invocations[-1][1]["task_id"]
            if outcome == "completed":
                theirs.complete(task_id)
            else:
                theirs.expire(task_id)
            theirs.scavenger({})
            if outcome == "failed" and attempt < 2:
                theirs.end_delay("worker", task_id)
                theirs.scavenger({})
    installation.run(operator({"words": ["a"]}, task_id="another"), DAY)
    (installation.finish if outcome == "completed" else installation.fail)()

    expected, found = sorted(aws.rows(aws.names.closed_tasks_table), key=lambda row: row["task_id"]["S"] != task_id)
    assert shape(found) == shape(expected)
    same = ("labourer_id_task_status", "payload", "attempts")
    assert [found[name] for name in same] == [expected[name] for name in same]
