"""When an invoked task counts as lost: a rule of the function's own settings (ORCHESTRATION.md E19). Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FunctionFacts", "expiry_seconds"]

#: Lambda's defaults of an asynchronous invocation, where no event-invoke configuration says otherwise.
_EVENT_AGE = 21_600
_RETRIES = 2

#: Seconds that Lambda waits before its first and its second repeat of a failed asynchronous invocation.
_WAITS = (60, 120)

#: Seconds for what no setting says: a cold start, an index that lags, clocks that differ.
_MARGIN = 60


@dataclass(frozen=True)
class FunctionFacts:
    """What the orchestrator reads of a Lambda function.

    :ivar timeout: seconds.
    :ivar event_age: seconds that Lambda keeps an asynchronous event, None for its default of 6 hours.
    :ivar retries: Lambda's own repeats of a failed event, None for its default of 2.
    """

    timeout: int
    event_age: int | None = None
    retries: int | None = None


def expiry_seconds(facts: FunctionFacts, *, asynchronous: bool) -> float:
    """Seconds after its invocation at which no copy of the task can be at work any more.

    >>> expiry_seconds(FunctionFacts(timeout=30, event_age=60, retries=0), asynchronous=True)
    150
    >>> expiry_seconds(FunctionFacts(timeout=30), asynchronous=False)
    90
    """
    if not asynchronous:
        return facts.timeout + _MARGIN
    age = _EVENT_AGE if facts.event_age is None else facts.event_age
    retries = _RETRIES if facts.retries is None else facts.retries
    return age + (1 + retries) * facts.timeout + sum(_WAITS[:retries]) + _MARGIN
