"""A job of 10⁸ tasks, by arithmetic and in a simulation: what docs/guides/performance.md says of it."""

from __future__ import annotations

from benchmarks.provider_scale import by_arithmetic, pages_of, simulate
from sosw_airflow.jobs.greenfield import Placement

TASKS = 10**8


def test_the_planner_cuts_as_many_pages_as_arithmetic_says() -> None:
    """It counts numbers only, so a hundred million are a matter of a second."""
    assert by_arithmetic(TASKS).pages == pages_of(TASKS) == 1_010_102


def test_it_fits_into_an_empty_queue() -> None:
    """All of it below the present, 17 apart instead of 1000."""
    step = by_arithmetic(TASKS).step
    assert 17 == step
    assert Placement(1000, step).of(TASKS - 1) < 1_795_000_000 - 86_400


def test_it_fits_into_a_queue_file() -> None:
    """S3 takes 10,000 parts."""
    scale = by_arithmetic(TASKS)
    assert 1000 < scale.parts < 2000
    assert 15 < scale.queue_file_gb < 16


def test_the_table_sets_the_time() -> None:
    """28 hours for one labourer."""
    assert 27 < by_arithmetic(TASKS).hours < 28


def test_resuming_reads_little() -> None:
    """A page of markers for each ten thousand pages."""
    assert 102 == by_arithmetic(TASKS).marker_queries


def test_the_writer_uses_what_the_partition_gives() -> None:
    """After the reserve is used up nine tenths of the possible at the least, and no more than possible."""
    simulated = simulate(600)
    assert 900 < simulated.rate <= 1001
    assert simulated.throttled < 0.1


def test_it_finds_the_capacity_that_there_is() -> None:
    """Of a partition that gives half or three times as much, too."""
    for units in (500, 3000):
        assert 0.85 * units < simulate(120, units=units).rate <= 1.002 * units


def test_the_simulation_repeats_itself() -> None:
    """The same seed, the same figures."""
    assert simulate(60) == simulate(60)
