"""Reads the closings of a labourer from its index, each time from the place that was reached, less an overlap.

Clocks: the index is ordered by ``closed_at``, by the clock of sosw's Scavenger. A reading follows what was read, not
our clock, and the overlap covers Scavengers whose clocks differ. What comes twice must be counted once.

Where many tasks are closed a second, three minutes of them would cost far more than what is new. There a reading is
hasty: its overlap has some hundred closings, and is some times as long as closings were late so far. A closing that
is later still is found once the labourer rests, or by `ClosingsReading.settle` once one is known to be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count

from sosw_airflow.jobs.closing_overlap import OVERLAP, overlap_at
from sosw_airflow.stores.closed_tasks import ClosedEntry, ClosedTasks, End, Place

__all__ = ["ClosingsReading"]

#: Readings at first that are not hasty: they show how late closings come.
_TRIAL = 5

#: The overlap of a hasty reading, as a multiple of the seconds by which closings were late; and what is left of these
#: seconds after a reading in which none was.
_MARGIN, _FADING = 4, 0.9

#: Takes a closing, and says whether it is new.
Take = Callable[[ClosedEntry, End], bool]


@dataclass
class ClosingsReading:
    """Where a reading has come to. Used by one thread at a time; the next reading continues one that broke off.

    :ivar since: second since 1970 from which the first reading reads.
    :ivar hasty: for each end the second up to which nothing was missed by haste; empty if no reading was hasty.
    """

    since: int
    hasty: dict[End, int] = field(default_factory=dict, init=False)
    _cursors: dict[End, int] = field(default_factory=dict, init=False)
    _places: dict[End, Place | None] = field(default_factory=dict, init=False)
    _unread: list[End] = field(default_factory=list, init=False)
    _newest: dict[End, int] = field(default_factory=dict, init=False)
    _rates: dict[End, float] = field(default_factory=dict, init=False)
    _reached: int = field(default=0, init=False)
    _readings: int = field(default=0, init=False)
    _rested: bool = field(default=False, init=False)
    _late: float = field(default=0.0, init=False)

    def copy(self) -> ClosingsReading:
        """Another reading that continues from here."""
        return deepcopy(self)

    @property
    def position(self) -> tuple[object, ...]:
        """Another one after a reading that has read something new."""
        return (len(self._unread), *self._cursors.values(), *map(str, self._places.values()))

    def read(self, closed_tasks: ClosedTasks, take: Take, *, most_pages: int | None = None) -> bool:
        """Give what is new to ``take``, and some of what was read before. False: the bound was reached before the end.

        :raises SoswError: AWS refuses.
        """
        # A reading that broke off is continued with the end at which it did.
        self._unread = self._unread or list(End)
        pages = count() if most_pages is None else iter(range(most_pages - 1))
        while self._unread and self._read(closed_tasks, self._unread[0], take, pages):
            del self._unread[0]
        if self._unread:
            return False
        self._place_cursors()
        return True

    def has_passed(self, closed_at: int, end: End) -> bool:
        """Whether the next reading begins behind a closing of this second, which a former one may have read."""
        return self.since <= closed_at < self._cursors.get(end, self.since)

    def settle(self, other: ClosingsReading, missed: int) -> None:
        """Let the next reading read again what this one and ``other`` have read in haste.

        :param missed: second since 1970 of a closing that was missed, from which it is read again at the least.
        """
        starts = dict(self.hasty)
        for end, second in other.hasty.items():
            unread = max(second, self._cursors.get(end, self.since))
            starts[end] = min(starts.get(end, unread), unread)
        for end in End:
            self._cursors[end] = min(starts.get(end, missed), missed, other._cursors.get(end, other.since))
        self.hasty = {}
        self._readings = 0

    def _read(self, closed_tasks: ClosedTasks, end: End, take: Take, pages: Iterator[int]) -> bool:
        start = self._cursors.setdefault(end, self.since)
        rows = 0
        for closings, place in closed_tasks.since(end, start, self._places.get(end)):
            for closing in closings:
                if take(closing, end) and self._readings:
                    self._late = max(self._late, self._reached - closing.closed_at)
            if closings:
                self._newest[end] = max(closings[-1].closed_at, self._newest.get(end, self.since))
            # After each page, so that a reading which breaks off is continued behind it, also within the overlap.
            self._places[end] = place
            rows += len(closings)
            if place is not None and next(pages, None) is None:
                return False
        self._rates[end] = rows / max(1, self._newest.get(end, start) - start)
        return True

    def _place_cursors(self) -> None:
        """Where the next reading begins."""
        reached, before = max(self._newest.values(), default=self.since), self._reached
        rests, rested = reached == before, self._rested
        self._reached, self._rested = reached, rests
        self._readings += 1
        if self._readings < _TRIAL or (rests and not rested):
            overlap = OVERLAP
        else:
            overlap = overlap_at(sum(self._rates.values()), at_least=_MARGIN * self._late)
        self._late *= _FADING
        for end, newest in self._newest.items():
            self._cursors[end] = max(self.since, newest - overlap)
            if overlap < OVERLAP:
                self.hasty.setdefault(end, max(self.since, newest - OVERLAP))
