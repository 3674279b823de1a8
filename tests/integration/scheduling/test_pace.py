"""The pace of pages, against a model of DynamoDB's capacity and a clock that stands still until the code waits."""

from __future__ import annotations

import pytest

from sosw_airflow.jobs.pages import Page, PageLimits, cut_pages
from sosw_airflow.scheduling.pace import Pace, PagePace, page_limits_for
from sosw_airflow.stores.task_queue import Capacity
from tests.support.simulated_tables import Clock, Run, Simulation

LINE = "x" * 500  # one write unit


def pages_for(tasks: Capacity, rows: int, *, line: str = LINE) -> list[Page]:
    """Pages as they are planned for a table of this capacity."""
    return list(cut_pages([line] * rows, page_limits_for(tasks, most_rows=99)))


@pytest.fixture
def clock() -> Clock:
    """A clock of its own."""
    return Clock()


def simulate(
    clock: Clock, *, known: Capacity, rows: int, known_jobs: int | None = None, line: str = LINE, **model: float
) -> Run:
    """Commit so many rows where the pace knows this capacity; `model` is what the tables really have."""
    pace = PagePace(known, Capacity(known_jobs), rows_per_second=None, clock=clock)
    return Simulation(clock, **model).run(pace, pages_for(known, rows, line=line))  # type: ignore[arg-type]


# -- tables whose capacity is known ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "index", "line"),
    [
        (2, 2, LINE),  # upstream's template
        (5, 5, LINE),
        (5, 5, "x" * 2500),  # rows of several units
        (100, 20, LINE),  # the index is the narrow place
        (20, 100, LINE),  # the table is
        (1000, 1000, LINE),
        (4000, 4000, LINE),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, str) else None,
)
def test_a_provisioned_table_is_used(clock: Clock, table: int, index: int, line: str) -> None:
    """Nearly all of the capacity, at the narrowest place, with next to no throttled request."""
    units = -(-len(line) // 1024)
    rows = int(min(table / 2, index) * 60 / units)
    run = simulate(clock, known=Capacity(table, index), rows=rows, table=table, index=index, line=line)
    assert run.share >= 0.9
    assert run.throttled <= 2


@pytest.mark.parametrize("units", [2, 5, 50])
def test_a_provisioned_jobs_table_is_used(clock: Clock, units: int) -> None:
    """Each page has a marker, so that a narrow jobs table sets the pace."""
    run = simulate(clock, known=Capacity(), known_jobs=units, rows=units * 99 * 10, jobs=units)
    assert run.share >= 0.8
    assert run.throttled <= 2


@pytest.mark.parametrize("others", [1, 2, 3])
def test_a_provisioned_table_that_others_use_too(clock: Clock, others: int) -> None:
    """Upstream's Orchestrator writes there as well; what it leaves is used, with no more than two refusals a second."""
    run = simulate(clock, known=Capacity(5, 5), rows=150, table=5, index=5, others=others)
    assert 150 * 2 / ((5 - others) * run.seconds) >= 0.8
    assert run.throttled <= 2 * run.seconds


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (Capacity(), PageLimits(99, 0)),  # on demand: as many rows as a transaction takes
        (Capacity(4000, 4000), PageLimits(99, 1000)),
        (Capacity(40, 40), PageLimits(99, 10)),
        (Capacity(40, 4), PageLimits(99, 2)),
        (Capacity(None, 40), PageLimits(99, 20)),
        (Capacity(2, 2), PageLimits(99, 1)),
        (Capacity(1, 1), PageLimits(99, 1)),
    ],
)
def test_pages_for_a_capacity(capacity: Capacity, expected: PageLimits) -> None:
    """A page takes half a second of the capacity, so that it can succeed: a transaction costs the table the double."""
    assert page_limits_for(capacity, most_rows=99) == expected


# -- tables on demand --------------------------------------------------------------------------------------------------


def test_on_demand_nobody_waits(clock: Clock) -> None:
    """As long as nothing is throttled, pages go at the speed of the network."""
    run = simulate(clock, known=Capacity(), rows=99 * 80)
    assert run.seconds == pytest.approx(80 / 8 * 0.02)


@pytest.mark.parametrize("units", [200, 1000, 4000, 20_000])
def test_on_demand_the_rate_is_found(clock: Clock, units: int) -> None:
    """Where AWS throttles, the rate settles close to what it takes, and few requests are refused."""
    run = simulate(clock, known=Capacity(), rows=units * 60, index=units)
    assert run.share >= 0.8
    assert run.throttled <= 3 * run.seconds


def test_on_demand_the_rate_recovers(clock: Clock) -> None:
    """Once AWS takes more (it doubles its partitions), the rate grows to it, and in the end there is no limit."""
    pace = PagePace(Capacity(), Capacity(), rows_per_second=None, clock=clock)
    pages = pages_for(Capacity(), 99 * 2000)
    Simulation(clock, index=500).run(pace, pages[:200])
    slow = Simulation(clock, index=500).run(pace, pages[:100])
    Simulation(clock).run(pace, pages)
    fast = Simulation(clock).run(pace, pages)
    assert slow.seconds > 100 * 99 / 500 * 0.8
    assert (fast.throttled, fast.seconds) == (0, pytest.approx(2000 / 8 * 0.02, rel=0.05))


def test_a_storm_of_throttling_does_not_stop_the_work(clock: Clock) -> None:
    """However many requests are unlucky, pages keep going, and not minutes apart."""
    pace = PagePace(Capacity(), Capacity(), rows_per_second=None, clock=clock)
    page = pages_for(Capacity(), 99)[0]
    for _ in range(1000):
        pace.slow_down()
        clock.now += 0.5
    waited = 0.0
    while wait := pace.claim(page):
        clock.now += wait
        waited += wait
    assert waited <= 1.0


# -- the user's own limit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [10, 1000])
def test_rows_per_second(clock: Clock, limit: int) -> None:
    """The limit of the Connection holds on a table that would take more."""
    pace = PagePace(Capacity(), Capacity(), rows_per_second=limit, clock=clock)
    run = Simulation(clock).run(pace, pages_for(Capacity(), limit * 60))
    assert 59 <= run.seconds <= 61


def test_the_narrowest_place_decides(clock: Clock) -> None:
    """The table's capacity holds where the user's limit is higher."""
    known = Capacity(20, 20)
    pace = PagePace(known, Capacity(1000), rows_per_second=1000, clock=clock)
    run = Simulation(clock, table=20, index=20).run(pace, pages_for(known, 600))
    assert 59 <= run.seconds <= 61


def test_throttled_requests_are_counted(clock: Clock) -> None:
    """For the log: every one, though the rate falls once a second at the most."""
    pace = PagePace(Capacity(), Capacity(), rows_per_second=None, clock=clock)
    for _ in range(3):
        pace.slow_down()
    assert pace.throttled == 3


# -- a single rate -----------------------------------------------------------------------------------------------------


def sent(pace: Pace, clock: Clock, *, seconds: float) -> float:
    """How many of one unit each get through in so many seconds, to a sender that waits as the pace says."""
    until, number = clock.now + seconds, 0
    while clock.now < until:
        wait = pace.wait()
        clock.now += wait
        if not wait:
            pace.claim(1)
            number += 1
    return number


def test_a_limit_holds(clock: Clock) -> None:
    """Over any span: a short rest does not allow for more than a quarter of a second to catch up."""
    pace = Pace(100.0, clock=clock)
    clock.now += 3600
    assert 100 <= sent(pace, clock, seconds=1.0) <= 127


def test_no_limit(clock: Clock) -> None:
    """No sender waits, whatever is sent."""
    pace = Pace(None, clock=clock)
    pace.claim(1_000_000)
    assert (pace.wait(), pace.rate) == (0.0, None)


def test_a_limit_falls_once_a_second(clock: Clock) -> None:
    """Several senders report the same shortage; it is one."""
    pace = Pace(100.0, clock=clock)
    for _ in range(8):
        pace.slow_down()
    fallen = pace.rate
    clock.now += 1.01
    pace.slow_down()
    assert fallen is not None
    assert pace.rate is not None
    assert 50 <= pace.rate < fallen < 100


def test_a_limit_recovers_and_is_not_exceeded(clock: Clock) -> None:
    """It comes back to what the table was given, and no further."""
    pace = Pace(100.0, clock=clock)
    pace.slow_down()
    clock.now += 60
    pace.wait()
    assert pace.rate == 100.0


def test_a_process_that_slept_for_hours(clock: Clock) -> None:
    """A suspended machine, or SIGSTOP, after a throttled request: the rate recovers, and no number overflows."""
    pace = Pace(None, clock=clock)
    pace.slow_down()
    clock.now += 10 * 3600
    assert pace.wait() == 0
