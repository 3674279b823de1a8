"""When tasks of a job were closed, in at most 120 steps, which grow with the time that the job takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ClosedOverTime"]

#: Steps that are kept.
_STEPS = 120

#: Seconds of the past that make the pace.
_RECENT = 600


@dataclass
class ClosedOverTime:
    """Completed and failed tasks, step by step. Used by one thread at a time.

    :ivar step: seconds of a step.
    :ivar counts: by the step since 1970.
    """

    step: int = 60
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, closed_at: int, *, completed: bool) -> None:
        """Count one task, closed at this second since 1970."""
        place = closed_at // self.step
        before = self.counts.get(place, (0, 0))
        self.counts[place] = (before[0] + completed, before[1] + (not completed))
        while max(self.counts) - min(self.counts) >= _STEPS:
            self._widen()

    def _widen(self) -> None:
        self.step *= 2
        former, self.counts = self.counts, {}
        for place, (completed, failed) in former.items():
            before = self.counts.get(place // 2, (0, 0))
            self.counts[place // 2] = (before[0] + completed, before[1] + failed)

    @property
    def begins_at(self) -> int:
        """Seconds since 1970 of the first step."""
        return min(self.counts, default=0) * self.step

    @property
    def ends_at(self) -> int:
        """Seconds since 1970 behind the last step."""
        return (max(self.counts, default=-1) + 1) * self.step

    def series(self) -> list[tuple[int, int]]:
        """From the first step with a closed task to the last one: completed and failed of each.

        >>> times = ClosedOverTime()
        >>> for second in (0, 59, 125):
        ...     times.add(second, completed=second != 59)
        >>> times.series()
        [(1, 1), (0, 0), (1, 0)]
        """
        if not self.counts:
            return []
        return [self.counts.get(place, (0, 0)) for place in range(min(self.counts), max(self.counts) + 1)]

    def per_second(self, now: float) -> float:
        """Tasks that were closed in a second, lately; 0 for none."""
        first = int(now - _RECENT) // self.step
        recent = sum(sum(counts) for place, counts in self.counts.items() if place >= first)
        return recent / max(1.0, now - first * self.step)
