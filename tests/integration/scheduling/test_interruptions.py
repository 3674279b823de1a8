"""A job that is interrupted at any of its requests, and begun again: each task exists once, and nothing is left over.

The interruption is at the network's edge: the process is dead from then on, and the request was applied or was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sosw_airflow.exceptions import AwsFault
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.stores.job_record import JobState
from tests.integration.conftest import Installation, request_for
from tests.integration.scheduling.test_scheduler import PAYLOADS, REQUESTS
from tests.support.network_edge import Crash, answering, crash_at, dynamodb_error, s3_error, watching

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

JOB_ID = request_for().identity.job_id

#: The job has two pages here.
STEPS = [step for name in REQUESTS for step in ([name, name] if name == "TransactWriteItems" else [name])]
EACH_STEP = pytest.mark.parametrize("number", range(len(STEPS)), ids=[f"{n}-{step}" for n, step in enumerate(STEPS)])
pytestmark = pytest.mark.usefixtures("pages_of_two")


def assert_all_is_done(installation: Installation) -> None:
    """Each task once, in order, the record complete, no queue file."""
    assert installation.payloads() == PAYLOADS
    assert [row["task_id"]["S"] for row in installation.queue()] == [task_id(JOB_ID, index) for index in range(4)]
    assert installation.records() == ["header", "page#00000000", "page#00000001"]
    assert installation.aws.queue_files() == {}


def test_the_steps(installation: Installation) -> None:
    """The interruptions of this file cover every request of the job."""
    with watching(*installation.clients) as sent:
        installation.scheduler().schedule(request_for())

    assert sent == STEPS


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@EACH_STEP
def test_a_crash(installation: Installation, number: int, applied: bool) -> None:
    """Before a request or after it, a fresh scheduler completes the job."""
    with pytest.raises(Crash), crash_at(number, *installation.clients, applied=applied):
        installation.scheduler().schedule(request_for())

    scheduled = installation.scheduler().schedule(request_for())

    assert scheduled.header.state is JobState.WRITTEN
    assert_all_is_done(installation)


@EACH_STEP
def test_two_crashes(installation: Installation, number: int) -> None:
    """The second attempt dies after its first write to AWS; the third completes the job."""
    with pytest.raises(Crash), crash_at(number, *installation.clients, applied=True):
        installation.scheduler().schedule(request_for())
    with watching(*installation.clients) as sent:
        try:
            with crash_at(5, *installation.clients, applied=True):
                installation.scheduler().schedule(request_for())
        except Crash:
            assert len(sent) in (6, 7)  # what was to be sent at once with it is turned away

    installation.scheduler().schedule(request_for())

    assert_all_is_done(installation)


@EACH_STEP
def test_a_refusal_by_aws(installation: Installation, number: int) -> None:
    """A permission that is missing gives an error that names the action, and a later attempt completes the job."""
    operation, left = STEPS[number], number

    def refuse(name: str) -> AWSResponse | None:
        nonlocal left
        left -= 1
        if left >= 0 or name != operation:
            return None
        return s3_error("AccessDenied", 403) if "Object" in name else dynamodb_error("AccessDeniedException")

    if operation != "DescribeTable":  # without this permission the capacity is unknown, and that is all
        with answering(*installation.clients, handler=refuse), pytest.raises(AwsFault) as refused:
            installation.scheduler().schedule(request_for())
        assert f":{operation} on " in str(refused.value)
        assert refused.value.retryable

    installation.scheduler().schedule(request_for())

    assert_all_is_done(installation)
