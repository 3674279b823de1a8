"""The metrics of this provider, and the type of what takes them. Pure: the shell passes in what reports them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = ["METRICS", "Kind", "Metric", "Report", "unreported"]


class Kind(str, Enum):
    """How the values of a metric add up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMER = "timer"


@dataclass(frozen=True)
class Metric:
    """One metric.

    :ivar unit: of a value.
    :ivar meaning: for the reference.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str


SCHEDULED = Metric("sosw.tasks.scheduled", Kind.COUNTER, "tasks", "Tasks that were written into the queue.")
INVOKED = Metric("sosw.tasks.invoked", Kind.COUNTER, "tasks", "Invocations that Lambda has accepted or answered.")
COMPLETED = Metric("sosw.tasks.completed", Kind.COUNTER, "tasks", "Tasks that an orchestrator has closed as completed.")
FAILED = Metric("sosw.tasks.failed", Kind.COUNTER, "tasks", "Tasks that it has closed as failed, for good.")
RETRIED = Metric("sosw.tasks.retried", Kind.COUNTER, "tasks", "Attempts that failed or expired and are made again.")
DEPTH = Metric(
    "sosw.queue.depth",
    Kind.GAUGE,
    "tasks",
    "Tasks that wait for an invocation: counted up to 25, then estimated from their places in the queue.",
)
OLDEST = Metric("sosw.queue.oldest_seconds", Kind.GAUGE, "seconds", "Since the head of the queue was written.")
LATENCY = Metric(
    "sosw.invoke.latency",
    Kind.TIMER,
    "milliseconds",
    'One Invoke of Lambda, from the request to the answer; with `"invocation": "request"` the function\'s run.',
)
REFUSED = Metric("sosw.invoke.throttled", Kind.COUNTER, "requests", "Invocations that Lambda has refused: 429 or 5xx.")
PAGES = Metric("sosw.write.pages", Kind.COUNTER, "pages", "Transactions that have committed a page of a job.")
SLOWED = Metric("sosw.write.throttled", Kind.COUNTER, "requests", "Transactions that DynamoDB has throttled.")

METRICS = (SCHEDULED, INVOKED, COMPLETED, FAILED, RETRIED, DEPTH, OLDEST, LATENCY, REFUSED, PAGES, SLOWED)

#: Takes a metric, its value, and the labourer. It is safe for threads and never raises.
Report = Callable[[Metric, float, str], None]


def unreported(metric: Metric, value: float, labourer_id: str) -> None:
    """Take a value and forget it."""
