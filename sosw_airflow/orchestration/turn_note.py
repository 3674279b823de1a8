"""What the holder of a lease did last, as the lease's item keeps it for pages and commands: under 1 KB of text. Pure.

It has the last turn's figures, the reason of a pause, and what was closed in each minute of the last hour.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.jobs.json_documents import parse_json
from sosw_airflow.orchestration.turn_report import TurnReport

__all__ = ["MINUTES", "ClosedMinutes", "TurnNote", "note_turn"]

#: Minutes that are remembered.
MINUTES = 60

#: Characters of the reason of a pause: the item stays below 1 KB, so a beat costs one write unit.
_REASON = 300


@dataclass
class ClosedMinutes:
    """How many tasks were closed as completed and as failed, minute by minute.

    :ivar counts: by the minute since 1970; a minute without an end has none.
    """

    counts: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, now: float, *, completed: int, failed: int) -> None:
        """Count what a turn has closed, and forget what is older than an hour."""
        minute = int(now) // 60
        if completed or failed:
            before = self.counts.get(minute, (0, 0))
            self.counts[minute] = (before[0] + completed, before[1] + failed)
        for old in [each for each in self.counts if not minute - MINUTES < each <= minute]:
            del self.counts[old]

    def series(self, now: float) -> list[tuple[int, int]]:
        """The last 60 minutes, the present one last: completed and failed of each."""
        last = int(now) // 60
        return [self.counts.get(minute, (0, 0)) for minute in range(last - MINUTES + 1, last + 1)]


@dataclass(frozen=True)
class TurnNote:
    """One note.

    :ivar at: seconds since 1970 of the turn, by its orchestrator's clock.
    :ivar paused: why the labourer pauses; empty if it does not. It may hold what Airflow masks.
    """

    at: int
    running: int
    limit: int
    paused: str
    closed: ClosedMinutes

    def text(self) -> str:
        """The note as it is stored."""
        counts = self.closed.counts
        first = min(counts, default=0)
        flat = [number for minute in sorted(counts) for number in (minute - first, *counts[minute])]
        numbers = [self.at, self.running, self.limit, first, *flat]
        return json.dumps([numbers, self.paused], separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> TurnNote | None:
        """The note that a text holds; None if it holds none, as of another version."""
        try:
            numbers, paused = parse_json(text)
            at, running, limit, first, *flat = numbers
            if not all(type(number) is int for number in numbers) or len(flat) % 3 or not isinstance(paused, str):
                return None
            groups = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
            counts = {first + minute: (completed, failed) for minute, completed, failed in groups}
        except (TypeError, ValueError):
            return None
        return cls(at, running, limit, paused, ClosedMinutes(counts))

    @classmethod
    def of_lease(cls, item: Mapping[str, Mapping[str, Any]]) -> TurnNote | None:
        """The note in the item of a lease."""
        return cls.of(str(item.get("last_turn", {}).get("S", "")))


def note_turn(former: str, report: TurnReport, *, now: float) -> str:
    """The text of the note after a turn, from that of the turn before it, by any orchestrator."""
    note = TurnNote.of(former)
    closed = note.closed if note else ClosedMinutes()
    closed.add(now, completed=report.completed, failed=report.failed)
    return TurnNote(int(now), report.running, report.limit, report.paused[:_REASON], closed).text()
