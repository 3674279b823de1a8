"""When tasks of a job were closed, in at most 120 steps, which grow with the time that the job takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ClosedOverTime"]

#: Steps that are kept, and those that are shown at least.
_STEPS, _LEAST = 120, 30

#: Seconds of a step, each a multiple of the one before; then the double, again and again.
_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400)

#: Seconds of the past that make the pace; and the least, so that one closing just now is no pace.
_RECENT, _SHORT = 600, 10


@dataclass
class ClosedOverTime:
    """Completed and failed tasks, step by step. Used by one thread at a time.

    :ivar step: seconds of a step.
    :ivar counts: by the step since 1970.
    """

    step: int = _SECONDS[0]
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, closed_at: int, *, completed: bool) -> None:
        """Count one task, closed at this second since 1970."""
        place = closed_at // self.step
        before = self.counts.get(place, (0, 0))
        self.counts[place] = (before[0] + completed, before[1] + (not completed))
        while max(self.counts) - min(self.counts) >= _STEPS:
            self._widen()

    def _widen(self) -> None:
        former, counts = self.step, self.counts
        self.step = next((each for each in _SECONDS if each > former), 2 * former)
        self.counts = {}
        for place, (completed, failed) in counts.items():
            wider = place * former // self.step
            before = self.counts.get(wider, (0, 0))
            self.counts[wider] = (before[0] + completed, before[1] + failed)

    @property
    def _places(self) -> range:
        """The steps that are shown: at least so many, so that a short job is no block."""
        if not self.counts:
            return range(0)
        last = max(self.counts)
        return range(min(*self.counts, last - _LEAST + 1), last + 1)

    @property
    def begins_at(self) -> int:
        """Seconds since 1970 of the first step that is shown."""
        return self._places.start * self.step

    @property
    def ends_at(self) -> int:
        """Seconds since 1970 behind the last step."""
        return self._places.stop * self.step

    def series(self) -> list[tuple[int, int]]:
        """Up to the last step with a closed task: completed and failed of each.

        >>> times = ClosedOverTime()
        >>> for second in (6000, 6000, 6002):
        ...     times.add(second, completed=second == 6000)
        >>> times.series()[-4:]
        [(0, 0), (2, 0), (0, 0), (0, 1)]
        """
        return [self.counts.get(place, (0, 0)) for place in self._places]

    def per_second(self, now: float) -> float:
        """Tasks that were closed in a second, in the last ten minutes or since the first of them; 0 for none."""
        first = int(now - _RECENT) // self.step
        recent = {place: sum(counts) for place, counts in self.counts.items() if place >= first}
        return sum(recent.values()) / max(_SHORT, now - min(recent) * self.step) if recent else 0.0
