"""Jobs in flight while version 0.1 is replaced: its records, rows and files in each state, as it stored them.

``records_0_1.json`` and ``drains_and_repairs_0_1.json`` hold what version 0.1 left in DynamoDB and S3 after crashes at
chosen requests. They are never made again from later code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.exceptions import DeliveryUncertain, JobCancelled, JobDelivered, JobRecordDamaged
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.repair import repair
from sosw_airflow.scheduling.scheduler import Outcome
from sosw_airflow.stores.job_record import JobState
from tests.integration.conftest import Installation, request_for
from tests.integration.scheduling.test_deliver import COPY, JOB_ID, SECOND_COPY
from tests.integration.scheduling.test_drain import drained
from tests.integration.scheduling.test_repair import by
from tests.integration.scheduling.test_scheduler import PAYLOADS

STORED: dict[str, Any] = json.loads(Path(__file__).with_name("records_0_1.json").read_text())
OTHERS: dict[str, Any] = json.loads(Path(__file__).with_name("drains_and_repairs_0_1.json").read_text())
DRAINS = [name for name in OTHERS if name.startswith("drain")]
REPAIRS = [name for name in OTHERS if name.startswith("repair")]

#: Tasks that are removed, that a worker may have, and that never came into the queue, by the state. None: unknown.
COUNTS = {
    "planned": (0, 0, 4),
    "planned, one page of two": (2, 0, 2),
    "planned, both pages, no plan": (4, 0, 0),
    "written": (4, 0, 0),
    "delivering, no copy": (0, None, None),
    "delivering, copy": (4, 0, 0),
    "delivering, copy, no plan": (4, 0, 0),
    "delivered": (4, 0, 0),
    "cancelled, nothing else": (2, None, None),
    "cancelled after one page": (0, None, None),
    "cancelled after delivery": (0, None, None),
    "cancelled after delivery, file left": (4, 0, 0),
}
UNFINISHED = ("planned", "planned, one page of two", "planned, both pages, no plan")
DELIVERIES = tuple(name for name in STORED if name.startswith("deliver"))
CANCELLED = tuple(name for name in STORED if name.startswith("cancelled"))


def upgrade(installation: Installation, name: str) -> None:
    """Put there what version 0.1 has left."""
    aws, left = installation.aws, {**STORED, **OTHERS}[name]
    for item in left["records"]:
        aws.dynamodb.put_item(TableName=aws.names.jobs_table, Item=item)
    for item in left["rows"]:
        aws.dynamodb.put_item(TableName=aws.names.tasks_table, Item=item)
    for item in left.get("closed", ()):
        aws.dynamodb.put_item(TableName=aws.names.closed_tasks_table, Item=item)
    for key, stored in left["objects"].items():
        aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=stored["text"].encode(), Metadata=stored["metadata"])


class _Lambda:
    """Counts the invocations."""

    invoked = 0

    def invoke(self, **_: Any) -> None:
        """Take one."""
        self.invoked += 1


def test_each_state_is_there() -> None:
    """All states that version 0.1 knew."""
    headers = [left["records"][0] for left in STORED.values()]

    assert {header["state"]["S"] for header in headers} == {
        "planned", "written", "delivering", "delivered", "cancelled",
    }  # fmt: skip


@pytest.mark.parametrize("name", UNFINISHED)
def test_a_job_that_was_being_written_is_finished(installation: Installation, name: str) -> None:
    """Each task is in the queue once, and no file stays."""
    upgrade(installation, name)

    scheduled = installation.scheduler().schedule(request_for())

    assert (scheduled.outcome, scheduled.header.state) == (Outcome.RESUMED, JobState.WRITTEN)
    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


def test_a_plan_that_is_gone_is_written_again(installation: Installation) -> None:
    """Under the key of version 0.1, which the record has; its record has no digest to compare with."""
    upgrade(installation, "planned, one page of two")
    (key,) = installation.aws.queue_files()
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=key)

    installation.scheduler().schedule(request_for())

    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


def test_a_written_job_is_found(installation: Installation) -> None:
    """Nothing is written again."""
    upgrade(installation, "written")

    assert installation.scheduler().schedule(request_for()).outcome is Outcome.FOUND
    assert installation.payloads() == PAYLOADS


def test_a_planned_job_is_delivered(installation: Installation) -> None:
    """One file for sosw's Scheduler remains."""
    upgrade(installation, "planned")

    delivered = deliver(installation.scheduler(), request_for())

    assert (delivered.header.state, list(installation.aws.queue_files())) == (JobState.DELIVERED, [COPY])


def test_a_half_written_job_is_not_delivered(installation: Installation) -> None:
    """Version 0.1 leaves its state at `planned`, but its marker shows that a page is in the queue."""
    upgrade(installation, "planned, one page of two")

    with pytest.raises(JobRecordDamaged, match="is written as rows already"):
        deliver(installation.scheduler(), request_for())


@pytest.mark.parametrize("name", ["delivering, copy", "delivering, copy, no plan", "delivered"])
def test_a_delivery_with_a_copy_is_finished(installation: Installation, name: str) -> None:
    """The copy of version 0.1 stays the only file."""
    upgrade(installation, name)

    delivered = deliver(installation.scheduler(), request_for())

    assert (delivered.header.state, list(installation.aws.queue_files())) == (JobState.DELIVERED, [COPY])


def test_a_delivery_without_a_copy_is_uncertain(installation: Installation) -> None:
    """It was never made, or is drained."""
    upgrade(installation, "delivering, no copy")

    with pytest.raises(DeliveryUncertain):
        deliver(installation.scheduler(), request_for())


@pytest.mark.parametrize(
    ("name", "file"), [("delivering, no copy", SECOND_COPY), ("delivering, copy", COPY), ("delivered", COPY)]
)
def test_a_delivery_with_a_function_is_finished(installation: Installation, name: str, file: str) -> None:
    """A missing copy is made under another name than that of the attempt of version 0.1, which may still come."""
    upgrade(installation, name)
    function = _Lambda()

    delivered = deliver(installation.scheduler(), request_for(), function="f", aws_lambda=function)

    assert (delivered.header.state, list(installation.aws.queue_files())) == (JobState.DELIVERED, [file])
    assert function.invoked == (name != "delivered")


@pytest.mark.parametrize("name", DELIVERIES)
def test_a_delivery_is_not_written_as_rows(installation: Installation, name: str) -> None:
    """Not even with the other delivery."""
    upgrade(installation, name)

    with pytest.raises(JobDelivered):
        installation.scheduler().schedule(request_for())
    assert installation.queue() == []


@pytest.mark.parametrize("name", CANCELLED)
def test_a_cancelled_job_stays_cancelled(installation: Installation, name: str) -> None:
    """For both ways to schedule it."""
    upgrade(installation, name)

    with pytest.raises(JobCancelled):
        installation.scheduler().schedule(request_for())
    with pytest.raises(JobCancelled):
        deliver(installation.scheduler(), request_for())


@pytest.mark.parametrize("name", STORED)
def test_it_is_cancelled(installation: Installation, name: str) -> None:
    """Nothing of it stays, and the counts are true or unknown."""
    upgrade(installation, name)

    cancelled = cancel_job(installation.deployment, JOB_ID)

    assert cancelled is not None
    assert (cancelled.removed, cancelled.kept, cancelled.never_written) == COUNTS[name]
    assert (installation.queue(), installation.aws.queue_files()) == ([], {})


@pytest.mark.parametrize("name", DRAINS)
def test_a_drain_is_finished(installation: Installation, name: str) -> None:
    """Version 0.1 claimed the file by its metadata alone. Each task is in the queue once, and no file stays."""
    upgrade(installation, name)

    drained(installation)

    assert [json.loads(payload)["q"] for payload in installation.payloads()] == [0, 1, 2, 3]
    assert installation.aws.queue_files() == {}


@pytest.mark.parametrize("asked_by", [by(0, "repair"), by(0, "another"), None])
@pytest.mark.parametrize("name", REPAIRS)
def test_a_repair_is_finished(installation: Installation, name: str, asked_by: JobIdentity | None) -> None:
    """Each of the four failed tasks is in the queue once, also if another Airflow task or a person asks now."""
    upgrade(installation, name)

    repair(installation.scheduler(), JOB_ID, asked_by=asked_by)

    assert [json.loads(payload)["sections"] for payload in installation.payloads()] == [["s2"], ["s3"], ["s7"], ["s8"]]
    assert installation.aws.queue_files() == {}


@pytest.mark.parametrize("name", REPAIRS)
def test_a_repair_is_cancelled(installation: Installation, name: str) -> None:
    """Nothing of it stays."""
    upgrade(installation, name)
    job_id = next(item["job_id"]["S"] for item in OTHERS[name]["records"] if "repairs" in item)

    cancelled = cancel_job(installation.deployment, job_id)

    assert cancelled is not None
    assert (cancelled.removed, cancelled.kept, cancelled.never_written) in [(0, 0, 4), (2, 0, 2)]
    assert (installation.queue(), installation.aws.queue_files()) == ([], {})
