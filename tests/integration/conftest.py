"""An installation of sosw in moto, and jobs to put into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import TableNames
from tests.conftest import Aws

LABOURER = "worker"
NOW = 1_795_431_627.651599
TODAY = date(2026, 3, 2)
SCHEMA = {"chunkable_attrs": ["section", "store", "product"]}

#: Four tasks.
JOB: dict[str, Any] = {
    "sections": {"a": {"stores": ["x", "y"]}, "b": {"stores": ["z"]}, "c": None},
    "isolate_stores": True,
}


def request_for(
    job: dict[str, Any] | None = None,
    *,
    schema: dict[str, Any] | None = None,
    queue_position: Any = "back",
    reference_date: date = TODAY,
    **identity: Any,
) -> ScheduleRequest:
    """One generation of a job (default: `JOB`); `identity` replaces parts of who it is."""
    who = {
        "dag_id": "dag",
        "run_id": "scheduled__2026-03-02",
        "task_id": "schedule",
        "map_index": -1,
        "generation": 0,
        "labourer_id": LABOURER,
        **identity,
    }
    return ScheduleRequest(
        identity=JobIdentity(**who),
        expansion=Expansion(job or JOB, schema=schema or SCHEMA, reference_date=reference_date),
        reference_date=reference_date,
        queue_position=queue_position,
    )


@dataclass(frozen=True)
class Installation:
    """Where the tests of this folder schedule."""

    aws: Aws
    deployment: Deployment

    @property
    def clients(self) -> tuple[Any, Any]:
        """All clients that a `JobScheduler` uses. They do not repeat requests; the tests look through others."""
        return self.deployment.dynamodb, self.deployment.s3

    def scheduler(self, **settings: Any) -> JobScheduler:
        """A fresh one, as a new process would have it; one page at a time, so that the requests are in order."""
        return JobScheduler(self.deployment, **{"concurrency": 1, **settings})

    def other_copy(self) -> JobScheduler:
        """One that works at the same time, with clients of its own, so that what disturbs ours does not disturb it."""
        s3 = self.aws.s3
        clients = {"dynamodb": self.aws.dynamodb, "dynamodb_once": self.aws.dynamodb, "s3": s3, "s3_once": s3}
        return JobScheduler(replace(self.deployment, **clients), concurrency=1)

    def payloads(self) -> list[str]:
        """The payloads in the queue, in sosw's order."""
        return [row["payload"]["S"] for row in self.queue()]

    def queue(self) -> list[dict[str, Any]]:
        """The rows in the queue, in sosw's order."""
        return sorted(self.aws.rows(), key=lambda row: int(row["greenfield"]["N"]))

    def records(self) -> list[str]:
        """The sort keys of what is in the jobs table."""
        return sorted(item["record"]["S"] for item in self.aws.rows(self.aws.names.jobs_table))


MakeInstallation = Callable[..., Installation]


@pytest.fixture
def make_installation(aws: Aws) -> MakeInstallation:
    """An installation; arguments replace those of its `Deployment`."""
    once = Config(retries={"total_max_attempts": 1})
    dynamodb, s3 = boto3.client("dynamodb", config=once), boto3.client("s3", config=once)

    def make(**settings: Any) -> Installation:
        deployment = Deployment(
            **{
                "dynamodb": dynamodb,
                "dynamodb_once": dynamodb,
                "s3": s3,
                "tables": TableNames(),
                "queue_bucket": aws.bucket,
                "s3_prefix": "sosw/scheduler",
                "now": lambda: NOW,
                **settings,
            }
        )
        return Installation(aws, deployment)

    return make


@pytest.fixture
def installation(make_installation: MakeInstallation) -> Installation:
    """An installation without a meta table."""
    return make_installation()


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have two rows, so that few rows make several pages."""
    monkeypatch.setattr("sosw_airflow.scheduling.scheduler.MAX_PAGE_ROWS", 2)
