"""The states of a job and every change of its state: who makes it, from which states, and what holds afterwards.

A change is one conditional request, which also returns the state before it (see `sosw_airflow.stores.job_record`). No
process decides by a state that it read earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "CANCEL",
    "DELIVER",
    "END_CANCEL",
    "FINISH",
    "HAND_BACK",
    "HAND_OVER",
    "HELD",
    "INVOKE",
    "IN_DELIVERY",
    "NEEDING_PLAN",
    "NEXT_NUMBER",
    "NOT_INVOKED",
    "SAME_NUMBER",
    "TAKE_OVER",
    "TRANSITIONS",
    "UNWRITTEN",
    "WRITE",
    "JobState",
    "Transition",
]


#: Conditions on the number of the delivery's attempt. Two attempts can have one number, if the second finds the copy of
#: the first. The last one to have changed the state holds the delivery.
SAME_NUMBER, NEXT_NUMBER, HELD = "has the number", "takes the next number", "has the number, holds the delivery"


class JobState(str, Enum):
    """How far a job is. The values are stored."""

    PLANNED = "planned"  # the plan is complete, to be delivered; nothing else has happened
    WRITING = "writing"  # the plan is complete, pages are committed; a job that is written begins here
    WRITTEN = "written"  # every page is committed
    DELIVERING = "delivering"  # the queue file is being given to sosw's own Scheduler
    INVOKING = "invoking"  # the copy waits; sosw's Scheduler is being invoked with it
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Transition:
    """A change of state.

    :ivar sources: states in which it is allowed. A target among them makes it repeatable.
    :ivar made_by: entry points that make it.
    :ivar holds: what is true once it is made.
    :ivar fenced: its condition on the number of the delivery's attempt, empty for none.
    """

    name: str
    sources: tuple[JobState, ...]
    target: JobState
    made_by: str
    holds: str
    fenced: str = ""


WRITE = Transition(
    "write",
    (JobState.PLANNED, JobState.WRITING),
    JobState.WRITING,
    "schedule, drain, repair, when they resume a job",
    "the job is not delivered any more",
)
FINISH = Transition(
    "finish",
    (JobState.WRITING, JobState.WRITTEN),
    JobState.WRITTEN,
    "schedule, drain, repair, after the last page",
    "every task is or was in the queue",
)
DELIVER = Transition(
    "deliver",
    (JobState.PLANNED,),
    JobState.DELIVERING,
    "deliver, before its copy",
    "no page is committed; this attempt may copy the plan, under a name with its number",
    fenced=NEXT_NUMBER,
)
TAKE_OVER = Transition(
    "take over",
    (JobState.DELIVERING,),
    JobState.DELIVERING,
    "deliver with a function, when the former attempt's copy is missing",
    "the former attempt cannot invoke the function",
    fenced=NEXT_NUMBER,
)
HAND_BACK = Transition(
    "hand back",
    (JobState.DELIVERING,),
    JobState.PLANNED,
    "deliver, when S3 has refused its copy",
    "no copy of this attempt exists",
    fenced=HELD,
)
INVOKE = Transition(
    "invoke",
    (JobState.DELIVERING,),
    JobState.INVOKING,
    "deliver with a function, before the invocation",
    "no other attempt invokes the function",
    fenced=SAME_NUMBER,
)
NOT_INVOKED = Transition(
    "not invoked",
    (JobState.INVOKING,),
    JobState.DELIVERING,
    "deliver, when Lambda has refused the invocation",
    "the file waits, and the function was not invoked with it",
    fenced=HELD,
)
HAND_OVER = Transition(
    "hand over",
    (JobState.DELIVERING, JobState.INVOKING, JobState.DELIVERED),
    JobState.DELIVERED,
    "deliver, after the copy or the invocation",
    "sosw's Scheduler has or had the file",
    fenced=SAME_NUMBER,
)
CANCEL = Transition(
    "cancel",
    tuple(JobState),
    JobState.CANCELLED,
    "cancel, a kill with cancel_on_kill",
    "no other change is made; the record keeps the state before it",
)

END_CANCEL = Transition(
    "end cancel",
    (JobState.CANCELLED,),
    JobState.CANCELLED,
    "cancel, after the last row or file",
    "no task of the job waits that a worker could get; the record keeps when that was",
)

#: States in which rows may be missing that an attempt still writes.
UNWRITTEN = frozenset({JobState.PLANNED, JobState.WRITING})

#: States in which a living attempt may need the plan: to write its pages, or to copy it.
NEEDING_PLAN = UNWRITTEN | {JobState.DELIVERING, JobState.INVOKING}

#: States in which sosw's Scheduler may have the job's queue file, or may get it.
IN_DELIVERY = frozenset({JobState.DELIVERING, JobState.INVOKING, JobState.DELIVERED})

TRANSITIONS = (WRITE, FINISH, DELIVER, TAKE_OVER, HAND_BACK, INVOKE, NOT_INVOKED, HAND_OVER, CANCEL, END_CANCEL)
