"""How fast a labourer is invoked: fewer at once after refusals and failures, more again after successes. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

__all__ = ["InvocationPace"]

#: The smallest share of the limit, reached after repeated refusals.
_LEAST = 1 / 64

#: Share of the limit that each turn without a refusal gives back.
_GROWTH = 0.1

#: Failed tasks in a row that count as a refusal.
_FAILURES = 10


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
