"""The closings of a job over time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.waiting.closed_over_time import ClosedOverTime

CLOSINGS = st.lists(st.tuples(st.integers(0, 10**8), st.booleans()), max_size=300)


@given(CLOSINGS)
def test_every_closing_is_counted_once(closings: list[tuple[int, bool]]) -> None:
    """In whatever order, over whatever time; and the steps are bounded."""
    times = ClosedOverTime()
    for at, completed in closings:
        times.add(at, completed=completed)
    series = times.series()
    completed = sum(each for _, each in closings)
    assert (sum(each for each, _ in series), sum(each for _, each in series)) == (completed, len(closings) - completed)
    assert len(series) <= 120
    assert all(times.begins_at <= at < times.ends_at for at, _ in closings)


def test_the_pace_is_that_of_the_last_ten_minutes() -> None:
    """What was closed before does not count."""
    times = ClosedOverTime()
    for at in (0, *range(6000, 6600)):
        times.add(at, completed=True)
    assert times.per_second(6600) == 1.0
    assert times.per_second(60_000) == 0.0


def test_a_job_that_has_just_begun_has_its_pace() -> None:
    """Since its first closing, and not as if it had done nothing for ten minutes; but one closing says little."""
    times = ClosedOverTime()
    times.add(6000, completed=True)
    assert times.per_second(6001) == 0.1
    for at in range(6001, 6020):
        times.add(at, completed=True)
    assert (times.per_second(6020), times.step) == (1.0, 1)
