"""Two real processes at the same job or file at the same time: deliver, drain, cancel beside deliver, repair.

In CI a few pairs; `make test-pairs` (SOSW_TEST_PAIRS=50) is the large run.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from sosw_airflow.jobs.identity import JobIdentity, job_of
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
from sosw_airflow.scheduling.repair import repair
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.stores.job_record import JobRecords, JobState
from sosw_airflow.stores.tables import create_missing_tables
from tests.conftest import Aws
from tests.integration.crashes.worker import BUCKET, LABOURER, Attempt, Worker, deployment_at
from tests.support.closing import close
from tests.support.emulators.emulator import Emulator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PAIRS = int(os.environ.get("SOSW_TEST_PAIRS", "4"))
TASKS = 20
KEY = "sosw/scheduler/tasks_queue_left.txt"

#: What a process at the same job may end with: a retry, or a check of S3, settles it.
OVERTAKEN = ("DeliveryInProgress", "DeliveryUncertain", "QueueFileLocked", "MissingQueueFile", "JobConflict")


@dataclass(frozen=True)
class Deliver(Attempt):
    """Deliver the job. ``begins_at``: seconds since 1970, so that two begin together."""

    begins_at: float = 0.0

    def scheduler(self) -> JobScheduler:
        """A scheduler, once it is time."""
        scheduler = JobScheduler(deployment_at(self.endpoint_url))
        scheduler.deployment.s3.list_buckets()  # the connection is made
        time.sleep(max(self.begins_at - time.time(), 0.0))
        return scheduler

    def act(self) -> dict[str, Any]:
        """Do it, in this process."""
        return deliver(self.scheduler(), self.request).summary()


class Cancel(Deliver):
    """Cancel the job."""

    def act(self) -> dict[str, Any]:
        """Do it, in this process."""
        return {"cancelled": cancel_job(self.scheduler().deployment, self.job_id) is not None}


class Drain(Deliver):
    """Drain the file that was left, in a DAG run of its own."""

    def act(self) -> dict[str, Any]:
        """Do it, in this process."""
        scheduler = self.scheduler()
        file = LeftFile.of(scheduler.deployment, KEY)
        identity = JobIdentity("dag", self.run_id, "drain", -1, 0, LABOURER, queue_file=str(file))
        return drain(scheduler, DrainRequest(identity, file, date(2026, 3, 2))).summary()


class Repair(Deliver):
    """Schedule the failed tasks of the job again."""

    def act(self) -> dict[str, Any]:
        """Do it, in this process."""
        return repair(self.scheduler(), self.job_id, unfinished="leave").summary()


@pytest.fixture
def aws(ministack_emulator: Emulator) -> Aws:
    """ministack with sosw's tables and the bucket."""
    dynamodb = ministack_emulator.client("dynamodb", retries=True)
    create_missing_tables(dynamodb)
    ministack_emulator.create_bucket(BUCKET)
    return Aws(dynamodb=dynamodb, s3=ministack_emulator.client("s3", retries=True), bucket=BUCKET)


@pytest.fixture
def chance() -> random.Random:
    """Random, and the same in every run."""
    return random.Random(2026)


def together(first: Deliver, second: Deliver, chance: random.Random) -> list[Any]:
    """Run two processes that begin within some milliseconds of each other. Returns their outcomes."""
    begins_at = time.time() + 0.25
    later = begins_at + chance.choice([0.0, chance.uniform(0.0, 0.06)])
    workers = [Worker(replace(first, begins_at=begins_at)), Worker(replace(second, begins_at=later))]
    outcomes = [worker.outcome() for worker in workers]
    strange = [each for each in outcomes if not isinstance(each, dict) and not str(each).startswith(OVERTAKEN)]
    assert [each for each in strange if not str(each).startswith("JobCancelled")] == []
    return outcomes


def state(aws: Aws, job_id: str) -> JobState:
    """The state of a job in its record."""
    header = JobRecords(aws.dynamodb, aws.names.jobs_table).header(job_id)
    assert header is not None
    return header.state


def lines(text: str) -> Counter[str]:
    """The lines of a queue file."""
    return Counter(json.dumps(json.loads(line), sort_keys=True) for line in text.splitlines())


@pytest.mark.parametrize("number", range(PAIRS))
def test_deliver_beside_deliver(ministack_emulator: Emulator, aws: Aws, chance: random.Random, number: int) -> None:
    """One file with each task once, and an attempt after them reports it as delivered."""
    chance.seed(number)
    attempt = Deliver(ministack_emulator.endpoint_url, TASKS, run_id=f"run {number}")

    together(attempt, attempt, chance)

    assert isinstance(Worker(attempt).outcome(), dict)
    (text,) = aws.queue_files().values()
    assert (len(lines(text)), set(lines(text).values())) == (TASKS, {1})
    assert state(aws, attempt.job_id) is JobState.DELIVERED


@pytest.mark.parametrize("number", range(PAIRS))
def test_drain_beside_drain(ministack_emulator: Emulator, aws: Aws, chance: random.Random, number: int) -> None:
    """Each task of the file is in the queue once, by one of the two, and the file is gone."""
    chance.seed(number)
    content = "".join(json.dumps({"labourer_id": LABOURER, "n": each}) + "\n" for each in range(TASKS))
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=content.encode())
    first, second = (Drain(ministack_emulator.endpoint_url, TASKS, run_id=run) for run in ("one", "two"))

    outcomes = together(first, second, chance)

    assert sum(isinstance(each, dict) for each in outcomes) == 1
    rows = Counter(row["payload"]["S"] for row in aws.rows())
    assert (len(rows), set(rows.values()), aws.queue_files()) == (TASKS, {1}, {})


@pytest.mark.parametrize("number", range(PAIRS))
def test_cancel_beside_deliver(ministack_emulator: Emulator, aws: Aws, chance: random.Random, number: int) -> None:
    """Once a cancelling has said that it is done, and the other has ended, no file waits."""
    chance.seed(number)
    attempt = Deliver(ministack_emulator.endpoint_url, TASKS, run_id=f"run {number}")
    JobScheduler(deployment_at(ministack_emulator.endpoint_url)).plan(attempt.request)

    _, cancelled = together(attempt, Cancel(attempt.endpoint_url, TASKS, run_id=attempt.run_id), chance)

    assert cancelled == {"cancelled": True}
    assert (aws.queue_files(), state(aws, attempt.job_id)) == ({}, JobState.CANCELLED)


@pytest.mark.parametrize("number", range(PAIRS))
def test_repair_beside_repair(ministack_emulator: Emulator, aws: Aws, chance: random.Random, number: int) -> None:
    """Each failed task is in the queue again, once."""
    chance.seed(number)
    attempt = Repair(ministack_emulator.endpoint_url, TASKS, run_id=f"run {number}")
    JobScheduler(deployment_at(ministack_emulator.endpoint_url)).schedule(attempt.request)
    close(aws, attempt.job_id, range(TASKS), completed=False)

    outcomes = together(attempt, attempt, chance)

    assert [isinstance(each, dict) for each in outcomes] == [True, True]
    rows = Counter(row["payload"]["S"] for row in aws.rows())
    assert (len(rows), set(rows.values()), aws.queue_files()) == (TASKS, {1}, {})
    assert attempt.job_id not in {job_of(row["task_id"]["S"]) for row in aws.rows()}
