"""Reads the closings of a labourer from its index, each time from the place that was reached, less an overlap.

Clocks: the index is ordered by ``closed_at``, by the clock of sosw's Scavenger. A reading follows what was read, not
our clock, and the overlap covers Scavengers whose clocks differ. What comes twice must be counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count

from sosw_airflow.stores.closed_tasks import ClosedEntry, ClosedTasks, End, Place

__all__ = ["OVERLAP", "ClosingsReading"]

#: Seconds that are read again each time: clocks of Scavengers that differ, and an index that lags behind its table.
OVERLAP = 180

Take = Callable[[ClosedEntry, End], None]


@dataclass
class ClosingsReading:
    """Where a reading has come to. Used by one thread at a time; the next reading continues one that broke off.

    :ivar since: second since 1970 from which the first reading reads.
    """

    since: int
    _cursors: dict[End, int] = field(default_factory=dict, init=False)
    _places: dict[End, Place | None] = field(default_factory=dict, init=False)
    _unread: list[End] = field(default_factory=list, init=False)

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
        return not self._unread

    def _read(self, closed_tasks: ClosedTasks, end: End, take: Take, pages: Iterator[int]) -> bool:
        start = self._cursors.setdefault(end, self.since)
        for closings, place in closed_tasks.since(end, start, self._places.get(end)):
            for closing in closings:
                self._cursors[end] = max(start, closing.closed_at - OVERLAP)
                take(closing, end)
            # After each page, so that a reading which breaks off is continued behind it, also within the overlap.
            self._places[end] = place
            if place is not None and next(pages, None) is None:
                return False
        return True
