"""Two hundred Airflow tasks are deferred in one triggerer."""

from __future__ import annotations

import re
import time
from datetime import date

import pytest

from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.requests import ScheduleRequest
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import SOSW_NAMES
from tests.support.emulators.emulator import Emulator
from tests.support.faults.proxy import FaultProxy
from tests.system.airflow_runs.conftest import BUCKET
from tests.system.airflow_runs.waiting.dags import BY_HAND
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

pytestmark = pytest.mark.slow

TRIGGERS = 200
POLL_SECONDS = 10.0
_DAY = date(2026, 3, 2)
_BLOCKED = re.compile(r"async thread was blocked for ([\d.]+) seconds")


@pytest.fixture
def jobs(embedded_aws: Emulator) -> list[str]:
    """The ids of two hundred jobs of two tasks each."""
    dynamodb = embedded_aws.client("dynamodb")
    place = Deployment(dynamodb, dynamodb, embedded_aws.client("s3"), SOSW_NAMES, BUCKET, "sosw/scheduler", time.time)
    job = {"words": ["a", "b"], "isolate_words": True}
    expansion = Expansion(job, schema={"chunkable_attrs": ["word"]}, reference_date=_DAY)
    identities = [JobIdentity("load", str(number), "schedule", -1, 0, BY_HAND) for number in range(TRIGGERS)]
    scheduler = JobScheduler(place)
    return [scheduler.schedule(ScheduleRequest(each, expansion, _DAY)).header.job_id for each in identities]


def test_two_hundred_deferred_airflow_tasks(airflow: AirflowThatWaits, jobs: list[str], counted: FaultProxy) -> None:
    """The event loop is never blocked for more than 100 ms (Airflow's warning comes at 200, 100 of which it sleeps)."""
    airflow.in_state("loaded", "deferred")
    airflow.wait_until(lambda: "0 of 8 tasks" in airflow.task_log("loaded"), "the first trigger looks")
    airflow.multiply("loaded", [{"job_id": job, "poll_interval": POLL_SECONDS} for job in jobs])

    def looks() -> int:
        return sum(entry.operation == "GetItem" for entry in counted.journal.entries)

    airflow.wait_until(lambda: looks() >= TRIGGERS, "each has looked once", looks)
    # A trigger that blocks does so at each look; a machine that is busy with something else does not do so always.
    windows = []
    for _ in range(3):
        before, log = looks(), len(airflow.triggerer_log())
        begun, requests = time.monotonic(), len(counted.journal.entries)
        airflow.wait_until(lambda: looks() >= before + 2 * TRIGGERS, "each has looked twice more", looks)  # noqa: B023
        polls, requests = looks() - before, len(counted.journal.entries) - requests
        windows.append([float(found) for found in _BLOCKED.findall(airflow.triggerer_log()[log:])])
        seconds = time.monotonic() - begun
        print(f"{polls} looks in {seconds:.0f} s, {requests / polls:.2f} requests each, blocked: {windows[-1]}")
        if not windows[-1]:
            break
    airflow.reduce("loaded")
    assert [] == windows[-1], windows
    assert 2.9 < requests / polls < 3.1
