"""How fast a labourer is invoked, and when the next turn is worth its requests. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sosw_airflow.exceptions import AccessDenied, MissingCredentials, SoswError

__all__ = ["FaultPause", "InvocationPace", "TaskDurations", "passes_by_itself"]

#: The smallest share of the limit, reached after repeated refusals.
_LEAST = 1 / 64

#: Share of the limit that each turn without a refusal gives back.
_GROWTH = 0.1

#: Failed tasks in a row that count as a refusal.
_FAILURES = 10

#: Seconds that a labourer with a fault pauses: the first time, and at most after doubling.
_PAUSE, _LONGEST_PAUSE = 5.0, 300.0

#: Turns in a row with a fault that does not pass by itself, after which it counts as lasting.
_LASTING_AFTER = 3


@dataclass
class InvocationPace:
    """Additive increase, multiplicative decrease. Used by one thread.

    :ivar share: of the limit, 1.0 when nothing was refused for a while.
    """

    share: float = 1.0
    _failures: int = 0
    _invoked: deque[float] = field(default_factory=deque)

    def allowed(self, limit: int) -> int:
        """Invocations at once, at least 1 of a limit that is not 0."""
        return min(limit, max(1, int(limit * self.share))) if limit else 0

    def free_this_minute(self, per_minute: int | None, now: float) -> int | None:
        """Invocations that the minute has left, None for no limit."""
        if per_minute is None:
            return None
        while self._invoked and self._invoked[0] <= now - 60:
            self._invoked.popleft()
        return max(0, per_minute - len(self._invoked))

    def invoked(self, now: float) -> None:
        """An invocation was sent."""
        self._invoked.append(now)

    def after_turn(self, *, refused: int, completed: int, failed: int) -> None:
        """Adapt to what a turn met: refusals of Lambda (429), completed and failed tasks."""
        self._failures = 0 if completed else self._failures + failed
        if refused or self._failures >= _FAILURES:
            self.share = max(_LEAST, self.share / 2)
            self._failures = 0
        else:
            self.share = min(1.0, self.share + _GROWTH)


@dataclass
class FaultPause:
    """The pause of a labourer that has a fault; each one in a row is twice as long. Used by one thread.

    :ivar reason: of the last pause.
    """

    reason: str = ""
    _until: float = float("-inf")
    _pauses: int = 0
    _in_a_row: int = 0

    def holds(self, now: float) -> bool:
        """Whether the labourer pauses, at this time of the monotonic clock."""
        return now < self._until

    @property
    def lasting(self) -> bool:
        """The last turns have all met a fault that does not pass by itself, such as a missing permission."""
        return self._in_a_row >= _LASTING_AFTER

    def begin(self, reason: str, now: float, *, passes: bool) -> float:
        """Pause, and return for how many seconds.

        :param passes: the fault may pass by itself, such as a table that is throttled.
        """
        seconds: float = min(_PAUSE * 2**self._pauses, _LONGEST_PAUSE)
        self.reason, self._until, self._pauses = reason, now + seconds, min(self._pauses + 1, 20)
        self._in_a_row = 0 if passes else self._in_a_row + 1
        return seconds

    def end(self) -> None:
        """A turn has met no fault."""
        self._until, self._pauses, self._in_a_row = float("-inf"), 0, 0


@dataclass
class TaskDurations:
    """How long the labourer's tasks take, for the moment at which the next one will most likely be over.

    Tasks that were invoked together end together: a turn at that moment serves them all, and turns before it only cost.
    """

    _average: float | None = None

    def add(self, seconds: float) -> None:
        """A task has completed after so many seconds."""
        self._average = seconds if self._average is None else 0.8 * self._average + 0.2 * seconds

    def next_end(self, ages: Iterable[float], *, least: float, most: float) -> float:
        """Seconds until the next completion, within these bounds.

        :param ages: seconds since the invocation of each running task.
        """
        if self._average is None:
            return least
        left = min((self._average - age for age in ages if age < self._average), default=least)
        return min(max(left, least), most)


def passes_by_itself(error: Exception | None) -> bool:
    """Whether the fault may pass without an act of yours: a table that is throttled, a service that is away."""
    retryable = isinstance(error, SoswError) and error.retryable
    return retryable and not isinstance(error, (AccessDenied, MissingCredentials))
