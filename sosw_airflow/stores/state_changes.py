"""The request that changes a job's state as the table of transitions wants it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sosw_airflow.jobs.transitions import CANCEL, END_CANCEL, HELD, NEXT_NUMBER, Transition

if TYPE_CHECKING:
    from sosw_airflow.stores.job_record import Header

__all__ = ["StateChange"]


@dataclass(frozen=True)
class StateChange:
    """One change of a job's header.

    :ivar attempt: number of the delivery's attempt, for a transition that is fenced by it; 0 for none yet.
    :ivar holder: name of the process that makes it.
    :ivar now: seconds since 1970.
    """

    transition: Transition
    attempt: int
    holder: str
    now: int

    @property
    def next_attempt(self) -> int:
        """The number afterwards."""
        if self.transition.fenced != NEXT_NUMBER:
            return self.attempt
        # A record of version 0.1 has no number, though its first attempt may have made a copy.
        return max(self.attempt + 1, 1 if self.transition.target not in self.transition.sources else 2)

    def arguments(self) -> dict[str, Any]:
        """Those of ``UpdateItem`` that depend on the transition."""
        transition = self.transition
        sets = ["#state = :to", "updated_at = :now"]
        sources = {f":from{number}": {"S": state.value} for number, state in enumerate(transition.sources)}
        conditions = [f"#state IN ({', '.join(sources)})"]
        values = {":to": {"S": transition.target.value}, ":now": {"N": str(self.now)}, **sources}
        if transition is CANCEL:
            # A job that is cancelled again keeps the state from which it was cancelled first.
            sets.insert(0, "cancelled_from = if_not_exists(cancelled_from, #state)")
        if transition is END_CANCEL:
            sets.append("cancel_ended = :now")
        if transition.fenced:
            conditions.append("attempt = :attempt" if self.attempt else "attribute_not_exists(attempt)")
            values |= {":attempt": {"N": str(self.attempt)}} if self.attempt else {}
            sets.append("holder = :holder")
            values[":holder"] = {"S": self.holder}
        if transition.fenced == HELD:
            conditions.append("holder = :holder")
        if transition.fenced == NEXT_NUMBER:
            sets.append("attempt = :next")
            values[":next"] = {"N": str(self.next_attempt)}
        return {
            "UpdateExpression": f"SET {', '.join(sets)}",
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": values,
        }

    def of(self, before: Header) -> Header:
        """The header afterwards."""
        transition = self.transition
        after = replace(before, state=transition.target, updated_at=self.now)
        if transition.fenced:
            after = replace(after, attempt=self.next_attempt, holder=self.holder)
        if transition is CANCEL:
            after = replace(after, cancelled_from=before.cancelled_from or before.state.value)
        if transition is END_CANCEL:
            after = replace(after, cancel_ended=self.now)
        return after

    def is_made(self, header: Header) -> bool:
        """A refused change was made before: its answer was lost, and the client has repeated it."""
        made = (self.transition.target, self.next_attempt, self.holder)
        return bool(self.transition.fenced) and (header.state, header.attempt, header.holder) == made
