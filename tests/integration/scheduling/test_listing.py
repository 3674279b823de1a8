"""A plan that is gone, for an identity that may not list the bucket: S3 denies what is missing."""

from __future__ import annotations

import pytest

from sosw_airflow.exceptions import AccessDenied
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.stores.job_record import JobState
from tests.integration.conftest import Installation, request_for
from tests.integration.scheduling.test_deliver import LISTING, NO_LISTING, PLAN
from tests.integration.scheduling.test_scheduler import PAYLOADS, REQUESTS
from tests.support.iam import Policy, enforced
from tests.support.network_edge import Crash, crash_at

JOB_ID = request_for().identity.job_id
EACH_POLICY = pytest.mark.parametrize("policy", [LISTING, NO_LISTING], ids=["listing", "no listing"])
pytestmark = pytest.mark.usefixtures("pages_of_two")


def half_written(installation: Installation) -> None:
    """Leave a job with one of its two pages in the queue, and without its plan."""
    first_page = REQUESTS.index("TransactWriteItems")
    with pytest.raises(Crash), crash_at(first_page, *installation.clients, applied=True):
        installation.scheduler().schedule(request_for())
    assert len(installation.queue()) == 2
    installation.aws.s3.delete_object(Bucket=installation.aws.bucket, Key=PLAN)


@EACH_POLICY
def test_a_lost_plan_is_written_again(installation: Installation, policy: Policy) -> None:
    """And each task is in the queue once."""
    half_written(installation)

    with enforced(policy, *installation.clients):
        scheduled = installation.scheduler().schedule(request_for())

    assert (scheduled.header.state, installation.payloads()) == (JobState.WRITTEN, PAYLOADS)


@EACH_POLICY
def test_a_job_without_its_plan_is_cancelled(installation: Installation, policy: Policy) -> None:
    """All rows that are in the queue go."""
    half_written(installation)

    with enforced(policy, *installation.clients):
        cancelled = cancel_job(installation.deployment, JOB_ID)

    assert cancelled is not None
    assert (cancelled.removed, installation.queue()) == (2, [])


def test_a_plan_that_may_not_be_read_is_a_refusal(installation: Installation) -> None:
    """It is written again, which shows that it is not missing; then the denial is reported, naming the action."""
    half_written(installation)
    no_reading = NO_LISTING.without(("s3:GetObject", "arn:aws:s3:::sosw-queue/*"))

    with (
        enforced(no_reading, *installation.clients),
        pytest.raises(AccessDenied, match=f"AWS refuses s3:GetObject on s3://sosw-queue/{PLAN}") as refused,
    ):
        installation.scheduler().schedule(request_for())

    assert refused.value.retryable
    installation.scheduler().schedule(request_for())
    assert installation.payloads() == PAYLOADS
