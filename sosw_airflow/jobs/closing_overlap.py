"""How far back a poll reads closings again that were read before."""

from __future__ import annotations

__all__ = ["OVERLAP", "overlap_at"]

#: Seconds that are read again each time: clocks of Scavengers that differ, and an index that lags behind its table.
OVERLAP = 180

#: Where many tasks are closed: seconds at least, and closings, which are about 15 read units.
_LEAST, _CLOSINGS = 8, 900


def overlap_at(closed_a_second: float, *, at_least: float = 0.0) -> int:
    """Seconds of the overlap where so many tasks of the labourer are closed a second.

    :param at_least: seconds that are needed, since closings come as late.

    >>> overlap_at(5), overlap_at(20), overlap_at(100), overlap_at(2_000), overlap_at(2_000, at_least=30)
    (180, 45, 9, 8, 30)
    """
    affordable = _CLOSINGS / closed_a_second if closed_a_second else OVERLAP
    return int(min(max(affordable, at_least, _LEAST), OVERLAP))
