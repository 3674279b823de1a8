"""The links are pushed before the first row is written, so that they lead to a job that is being written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow._compat.server import pages_of_this_airflow
from sosw_airflow.links.pages import JOB_KEY
from sosw_airflow.links.sosw import LINKS, JobPageLink, QueueFileLink
from sosw_airflow.operators.sosw import SoswDrainQueueOperator, SoswRepairOperator, SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.operators.conftest import MakeContext
from tests.integration.operators.test_drain import NAME, left
from tests.support.closing import close

Schedule = Callable[..., SoswScheduleOperator]


class Pushes:
    """The addresses that an Airflow task pushes, and how many rows were in the queue at that moment."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self.rows: list[int] = []
        self.addresses: dict[str, str] = {}

    def push(self, key: str, value: Any) -> None:
        """As `ti.xcom_push`."""
        self.rows.append(len(self._aws.rows()))
        self.addresses[key] = value

    def into(self, context: dict[str, Any]) -> dict[str, Any]:
        """The context with this as its Airflow task instance's XComs."""
        context["ti"].xcom_push = self.push
        return context

    def check(self, job_id: str, *, rows: int = 0) -> None:
        """All links were pushed, at the latest for this job, while so many rows were in the queue."""
        page = JobPageLink().xcom_key
        without_pages = set() if pages_of_this_airflow() else {page}
        assert {JOB_KEY, *(link.xcom_key for link in LINKS)} - without_pages == set(self.addresses)
        assert self.addresses[JOB_KEY] == {"job_id": job_id, "conn_id": "sosw_default"}
        if not without_pages:
            assert self.addresses[page] == f"/sosw/c/sosw_default/dags/hashtags/jobs/{job_id}"
        assert {rows} == set(self.rows)
        assert job_id in self.addresses[QueueFileLink().xcom_key]


@pytest.fixture
def pushes(installation: Aws) -> Pushes:
    """What is pushed."""
    return Pushes(installation)


@pytest.fixture
def failed_job(installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any) -> str:
    """The id of a job of which two tasks have failed."""
    job_id: str = schedule(tutorial_job).execute(context())["job_id"]
    close(installation, job_id, [0, 2, 3, 4, 5, 7])
    close(installation, job_id, [1, 6], completed=False)
    return job_id


def test_the_links_of_a_job(pushes: Pushes, schedule: Schedule, context: MakeContext, tutorial_job: Any) -> None:
    """Those of the operator that schedules."""
    summary = schedule(tutorial_job).execute(pushes.into(context()))
    pushes.check(summary["job_id"])


def test_the_links_of_a_repair(pushes: Pushes, context: MakeContext, failed_job: str) -> None:
    """They lead to the repair, not to the job that is repaired."""
    summary = SoswRepairOperator(task_id="repair", job_id=failed_job).execute(pushes.into(context()))
    assert failed_job != summary["job_id"]
    pushes.check(summary["job_id"])


def test_the_links_of_a_repair_of_nothing(
    pushes: Pushes, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """They lead to the job itself, as the summary does."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    close(pushes._aws, job_id, range(8))
    summary = SoswRepairOperator(task_id="repair", job_id=job_id).execute(pushes.into(context()))
    pushes.check(summary["job_id"])


def test_the_links_of_a_clear_that_repairs(
    pushes: Pushes, schedule: Schedule, context: MakeContext, tutorial_job: Any, failed_job: str
) -> None:
    """With `on_clear="failed"`."""
    cleared = pushes.into(context(try_number=2, max_tries=1))
    summary = schedule(tutorial_job, on_clear="failed").execute(cleared)
    assert failed_job != summary["job_id"]
    pushes.check(summary["job_id"])


def test_the_links_of_a_drained_file(installation: Aws, pushes: Pushes, context: MakeContext) -> None:
    """The file names the labourer."""
    left(installation)
    summary = SoswDrainQueueOperator(task_id="drain", queue_file=NAME).execute(pushes.into(context()))
    pushes.check(summary["job_id"])
