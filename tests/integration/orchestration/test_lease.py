"""The lease of a labourer: one holder, taken over after a crash, released in an orderly end."""

from __future__ import annotations

import pytest

from sosw_airflow.orchestration.lease import Lease, read_lease
from tests.conftest import Aws


class Clock:
    """A monotonic clock of one process. Each process has its own, and no two agree."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        """The seconds of this clock."""
        return self.now


@pytest.fixture
def clocks() -> tuple[Clock, Clock]:
    """Two processes."""
    return Clock(1000.0), Clock(5.0)


@pytest.fixture
def leases(aws: Aws, clocks: tuple[Clock, Clock]) -> tuple[Lease, Lease]:
    """Two orchestrators that want one labourer."""
    here, there = (
        Lease(aws.dynamodb, "sosw_jobs", "worker", owner, seconds=60, clock=clock)
        for owner, clock in zip(("here", "there"), clocks, strict=True)
    )
    return here, there


def pass_time(clocks: tuple[Clock, Clock], seconds: float) -> None:
    """Let time go by in both processes."""
    for clock in clocks:
        clock.now += seconds


def test_one_of_two_gets_it(leases: tuple[Lease, Lease]) -> None:
    """The other one knows the holder's name."""
    here, there = leases
    assert (True, False, "here") == (here.acquire(), there.acquire(), there.holder)


def test_a_holder_that_beats_keeps_it(leases: tuple[Lease, Lease], clocks: tuple[Clock, Clock]) -> None:
    """However long the other waits."""
    here, there = leases
    here.acquire()
    for _ in range(10):
        pass_time(clocks, 20)
        assert (True, True, False) == (here.acquire(), here.may_claim, there.acquire())


def test_a_holder_that_crashed_is_replaced_after_the_lease(
    leases: tuple[Lease, Lease], clocks: tuple[Clock, Clock]
) -> None:
    """Measured by the other's own clock from the moment at which it first saw the last beat."""
    here, there = leases
    here.acquire()
    pass_time(clocks, 1000)
    assert not there.acquire()
    pass_time(clocks, 59)
    assert not there.acquire()
    pass_time(clocks, 1)
    assert there.acquire()


def test_a_paused_holder_stops_claiming_before_it_can_be_replaced(
    leases: tuple[Lease, Lease], clocks: tuple[Clock, Clock]
) -> None:
    """And finds that it was replaced at its next beat."""
    here, there = leases
    here.acquire()
    there.acquire()
    pass_time(clocks, 45)
    assert not here.may_claim
    pass_time(clocks, 15)
    assert there.acquire()
    assert (False, False) == (here.acquire(), here.held)


def test_an_orderly_end_releases_it(leases: tuple[Lease, Lease]) -> None:
    """The next one need not wait."""
    here, there = leases
    here.acquire()
    here.release()
    assert (True, False) == (there.acquire(), here.acquire())


def test_a_release_after_the_loss_takes_nothing_from_the_new_holder(
    leases: tuple[Lease, Lease], clocks: tuple[Clock, Clock]
) -> None:
    """Its fence has passed."""
    here, there = leases
    here.acquire()
    there.acquire()
    pass_time(clocks, 60)
    assert there.acquire()
    here.release()
    pass_time(clocks, 20)
    assert there.acquire()


def test_a_lease_whose_answer_was_lost_is_taken_again_at_once(
    leases: tuple[Lease, Lease], aws: Aws, clocks: tuple[Clock, Clock]
) -> None:
    """Its record has the own name; another orchestrator still waits for the lease's length."""
    here, there = leases
    lost = Lease(aws.dynamodb, "sosw_jobs", "worker", "here", seconds=60, clock=clocks[0])
    assert lost.acquire()  # as the request whose answer `here` did not get
    assert (False, True, True) == (there.acquire(), here.acquire(), here.held)


def test_beats_are_rare(leases: tuple[Lease, Lease], aws: Aws, clocks: tuple[Clock, Clock]) -> None:
    """A turn a second costs a write each quarter of a lease, not each second."""
    here, _ = leases
    here.acquire()
    for _ in range(60):
        pass_time(clocks, 1)
        here.acquire()
    key = {"job_id": {"S": "orchestrator#worker"}, "record": {"S": "lease"}}
    item = aws.dynamodb.get_item(TableName="sosw_jobs", Key=key)["Item"]
    assert 5 == int(item["beat"]["N"])


def test_each_holder_has_a_higher_fence(leases: tuple[Lease, Lease], aws: Aws, clocks: tuple[Clock, Clock]) -> None:
    """After a release too: what a former holder still sends must fit no later lease."""
    fences = []
    for lease in (*leases, *leases):
        assert lease.acquire()
        fences.append(int(read_lease(aws.dynamodb, "sosw_jobs", "worker")["fence"]["N"]))
        lease.release()
    assert [1, 2, 3, 4] == fences
