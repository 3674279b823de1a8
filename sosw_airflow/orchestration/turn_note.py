"""What the holder of a lease did last, as the lease's item keeps it for pages and commands: under 2 KB of text. Pure.

It has the last turn's figures, the reason of a pause, and what was closed in the last hour, day and week.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.jobs.json_documents import parse_json
from sosw_airflow.orchestration.turn_report import TurnReport

__all__ = ["DAY", "HOUR", "SPANS", "WEEK", "ClosedCounts", "Span", "TurnNote", "note_turn"]

#: Characters of the reason of a pause: the item stays below 2 KB, so a beat costs two write units at most.
_REASON = 300

#: Seconds after which the note of an orchestrator that has ended without a word says nothing about the present.
_FRESH = 90


@dataclass(frozen=True)
class Span:
    """A part of the past.

    :ivar step: seconds for which one number of closed tasks is kept.
    :ivar steps: how many of them.
    """

    step: int
    steps: int

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.step * self.steps


#: Minute by minute, hour by hour, and by a quarter of a day.
HOUR, DAY, WEEK = SPANS = (Span(60, 60), Span(3600, 24), Span(21_600, 28))


@dataclass
class ClosedCounts:
    """How many tasks were closed as completed and as failed, step by step of one span.

    :ivar counts: by the step since 1970; a step without an end has none.
    """

    span: Span = HOUR
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, now: float, *, completed: int, failed: int) -> None:
        """Count what a turn has closed, and forget what is older than the span."""
        present = int(now) // self.span.step
        if completed or failed:
            before = self.counts.get(present, (0, 0))
            self.counts[present] = (before[0] + completed, before[1] + failed)
        for old in [each for each in self.counts if not present - self.span.steps < each <= present]:
            del self.counts[old]

    def series(self, now: float) -> list[tuple[int, int]]:
        """The steps up to the present one: completed and failed of each."""
        last = int(now) // self.span.step
        return [self.counts.get(each, (0, 0)) for each in range(last - self.span.steps + 1, last + 1)]

    def flat(self) -> list[int]:
        """As it is stored: the first step, then of each its distance and both counts."""
        first = min(self.counts, default=0)
        return [first, *(number for each in sorted(self.counts) for number in (each - first, *self.counts[each]))]

    @classmethod
    def of(cls, span: Span, flat: list[int]) -> ClosedCounts:
        """From what `flat` has made.

        :raises ValueError: it is something else.
        """
        first, *numbers = flat
        if not all(type(number) is int for number in flat):
            raise ValueError
        groups = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        return cls(span, {first + each: (completed, failed) for each, completed, failed in groups})


@dataclass(frozen=True)
class TurnNote:
    """One note.

    :ivar at: seconds since 1970 of the turn, by its orchestrator's clock.
    :ivar paused: why the labourer pauses; empty if it does not. It may hold what Airflow masks.
    :ivar closed: one of each of `SPANS`.
    """

    at: int
    running: int
    limit: int
    paused: str
    closed: tuple[ClosedCounts, ...]

    def is_fresh(self, now: float) -> bool:
        """Whether it says something about the present: an orchestrator that runs writes one every 15 seconds."""
        return now - self.at < _FRESH

    def text(self) -> str:
        """The note as it is stored."""
        numbers = [self.at, self.running, self.limit]
        return json.dumps([numbers, *(each.flat() for each in self.closed), self.paused], separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> TurnNote | None:
        """The note that a text holds; None if it holds none, as of another version."""
        try:
            (at, running, limit), *closed, paused = parse_json(text)
            if not all(type(number) is int for number in (at, running, limit)) or not isinstance(paused, str):
                return None
            counts = tuple(ClosedCounts.of(span, flat) for span, flat in zip(SPANS, closed, strict=True))
        except (TypeError, ValueError):
            return None
        return cls(at, running, limit, paused, counts)

    @classmethod
    def of_lease(cls, item: Mapping[str, Mapping[str, Any]]) -> TurnNote | None:
        """The note in the item of a lease."""
        return cls.of(str(item.get("last_turn", {}).get("S", "")))


def note_turn(former: str, report: TurnReport, *, now: float) -> str:
    """The text of the note after a turn, from that of the turn before it, by any orchestrator."""
    note = TurnNote.of(former)
    closed = note.closed if note else tuple(map(ClosedCounts, SPANS))
    for each in closed:
        each.add(now, completed=report.completed, failed=report.failed)
    return TurnNote(int(now), report.running, report.limit, report.paused[:_REASON], closed).text()
