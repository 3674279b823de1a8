"""A reading of closings: what it reads again, and that it misses nothing for good."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosw_airflow.jobs.closing_overlap import OVERLAP
from sosw_airflow.stores.closed_tasks import ClosedEntry, End
from sosw_airflow.waiting.closings import ClosingsReading

#: Seconds between two readings, and entries of a page of the index.
INTERVAL, PAGE = 60, 1000


class Index:
    """The index of a labourer's closings, in memory, and who counts what is read from it."""

    def __init__(self) -> None:
        self.entries: dict[End, list[tuple[int, str]]] = {end: [] for end in End}
        self.reading, self.counted, self.rows = ClosingsReading(0), set[str](), 0

    def close(self, *seconds: int, end: End = End.COMPLETED) -> None:
        """A closing that has each of these seconds."""
        for second in seconds:
            insort(self.entries[end], (second, f"task {sum(map(len, self.entries.values()))}"))

    def close_each(self, begin: int, rate: int, *, late: int = 0) -> None:
        """So many closings a second for an interval; of the second half of each second, by a clock that is late."""
        self.close(*(begin + second - late * (number % 2) for second in range(INTERVAL) for number in range(rate)))

    def since(self, end: End, closed_at: int, place: Any = None) -> Iterator[tuple[list[ClosedEntry], Any]]:
        """As `ClosedTasks.since`."""
        entries = self.entries[end]
        start = bisect_left(entries, (closed_at, "") if place is None else (*place[:1], place[1] + "\0"))
        while True:
            page = entries[start : start + PAGE]
            start += PAGE
            more = page[-1] if start < len(entries) else None
            self.rows += len(page)
            yield [ClosedEntry(task, second) for second, task in page], more
            if more is None:
                return

    def take(self, closing: ClosedEntry, _: End) -> bool:
        """Count it once."""
        new = closing.task_id not in self.counted
        self.counted.add(closing.task_id)
        return new

    def read(self) -> int:
        """The entries that the next reading reads."""
        before = self.rows
        assert self.reading.read(self, self.take)  # type: ignore[arg-type]
        return self.rows - before

    @property
    def missed(self) -> int:
        """Closings that are not counted."""
        return sum(map(len, self.entries.values())) - len(self.counted)


def after_readings(rate: int, *, late: int = 0, readings: int = 8) -> Index:
    """After so many readings, while so many tasks are closed a second."""
    index = Index()
    for number in range(readings):
        index.close_each(1000 + INTERVAL * number, rate, late=late)
        index.read()
    return index


@pytest.mark.parametrize(("rate", "again"), [(5, 181 * 5), (20, 46 * 20), (100, 10 * 100)])
def test_how_much_is_read_again(rate: int, again: int) -> None:
    """Three minutes, or about nine hundred closings if these are less."""
    index = after_readings(rate)
    index.close_each(1000 + 8 * INTERVAL, rate)

    assert index.read() == pytest.approx(again + INTERVAL * rate, rel=0.06)


def test_the_first_readings_are_not_hasty() -> None:
    """They show how late closings come."""
    index = Index()
    read = []
    for number in range(5):
        index.close_each(1000 + INTERVAL * number, 100)
        read.append(index.read() - INTERVAL * 100)

    assert read == [0, 6000, 12_000, 18_000, 18_100]


def test_clocks_that_differ_by_a_minute_keep_the_overlap_long() -> None:
    """Whatever it costs: half of all closings would be missed."""
    index = after_readings(100, late=60, readings=20)

    assert index.missed == 0


def test_a_labourer_that_rests() -> None:
    """The first reading without news is followed by one of three minutes, which is not repeated."""
    index = after_readings(100)

    assert [index.read() for _ in range(4)] == [900, 18_100, 900, 900]


def test_a_closing_that_is_late_by_minutes_is_found_when_the_labourer_rests() -> None:
    """In the second reading."""
    index = after_readings(100)
    index.close(1000 + 8 * INTERVAL - 150)
    index.read()
    assert index.missed == 1
    index.read()
    assert index.missed == 0


def test_what_was_missed_by_haste_can_be_read_again() -> None:
    """From where the haste began; before that nothing can be missing."""
    index = after_readings(100)
    index.close(1000 + 5 * INTERVAL)
    for number in range(8, 11):
        index.close_each(1000 + INTERVAL * number, 100)
        index.read()
    assert index.missed == 1

    assert index.reading.has_passed(1000 + 5 * INTERVAL, End.COMPLETED)
    index.reading.settle(index.reading, 1000 + 5 * INTERVAL)
    index.read()

    assert index.missed == 0
    assert not index.reading.hasty


def test_a_closing_that_was_missed_without_haste() -> None:
    """By a clock that is four minutes late: of both ends closings are read again from it, and none before it."""
    index = after_readings(4)
    index.close(1300 - 240)
    index.close(1300 - 200, end=End.FAILED)
    index.close(1300, end=End.FAILED)
    index.read()
    assert not index.reading.hasty
    assert index.missed == 1

    index.reading.settle(index.reading, 1300 - 240)

    assert index.read() == 4 * (8 * INTERVAL - 60) + 3
    assert index.missed == 0


def test_what_the_next_reading_reads_was_not_missed() -> None:
    """Nor is there anything to read again before the first reading began."""
    reading = after_readings(100).reading

    passed = [reading.has_passed(second, End.COMPLETED) for second in (-1, 0, 1400, 1479, 1480)]
    assert passed == [False, True, True, False, False]
    assert not reading.has_passed(1400, End.FAILED)


def test_another_reading_reads_again_only_what_was_hasty() -> None:
    """A member of a shared reading settles it alone, and not what it had read itself."""
    shared = after_readings(100, readings=7)
    alone, late = ClosingsReading(1000 + 6 * INTERVAL), ClosingsReading(1000)

    alone.settle(shared.reading, 9999)
    late.settle(shared.reading, 9999)
    read = []
    for reading in (alone, late):
        before = shared.rows
        reading.read(shared, shared.take)  # type: ignore[arg-type]
        read.append(shared.rows - before)

    assert read == [INTERVAL * 100, 2 * INTERVAL * 100 + 18_100]


@given(
    rates=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    late=st.lists(st.tuples(st.integers(0, 11), st.integers(0, OVERLAP - INTERVAL), st.sampled_from(End)), max_size=6),
)
@settings(max_examples=60)
def test_nothing_is_missed_for_good(rates: list[int], late: list[tuple[int, int, End]]) -> None:
    """Whatever the rates are and whatever comes late, it is counted by the reading that settles."""
    index = Index()
    for number, rate in enumerate(rates):
        begin = 1000 + INTERVAL * number
        index.close_each(begin, rate)
        for moment, seconds, end in late:
            if moment == number:
                index.close(begin - seconds, end=end)
        index.read()
    index.reading.settle(index.reading, 9999)
    index.read()

    assert index.missed == 0
