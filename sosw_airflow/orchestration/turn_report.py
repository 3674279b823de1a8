"""What one turn of a labourer met and did: for the log, the command line and the totals."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TurnReport"]

#: What a turn counts, in the order of a task's life.
_COUNTS = ("started", "invoked", "refused", "requeued", "completed", "retried", "failed")


@dataclass
class TurnReport:
    """What one turn met and did.

    :ivar limit: invocations at once that were allowed.  :ivar running: tasks at work after the turn.
    :ivar started: synchronous invocations that this turn has sent; a later turn counts them as invoked, or refused.
    :ivar idle: the labourer has no row at all: queued, invoked, waiting for a retry.
    :ivar holder: another orchestrator that holds the lease; empty if this one does, or no row exists.
    :ivar paused: why the labourer pauses; empty if it does not.
    :ivar lasting: it pauses because of a fault that some turns in a row have met, such as a missing permission.
    :ivar next_in: seconds after which the next turn is worth its requests.
    """

    labourer_id: str
    limit: int = 0
    running: int = 0
    started: int = 0
    invoked: int = 0
    refused: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    requeued: int = 0
    idle: bool = False
    holder: str = ""
    paused: str = ""
    lasting: bool = False
    next_in: float = 5.0

    @property
    def moved(self) -> int:
        """Transitions that the turn carried out or started."""
        return self.started + self.invoked + self.completed + self.failed + self.retried + self.requeued

    @property
    def news(self) -> str:
        """What the turn did, in words; empty if it did nothing."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        done = [f"{count:,} {name}" for name, count in counts.items() if count]
        return ", ".join([*done, f"{self.running:,} of {self.limit:,} running"]) if done else ""
