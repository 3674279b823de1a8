"""Where new tasks stand in a labourer's queue: sosw's greenfield numbers (sosw rule 9).

Rows with a greenfield below the present are queued, in ascending order; rows above it are invoked. New rows go behind
the newest queued one, 1000 apart, as upstream puts them. Upstream lets the numbers run past the present after about 1.7
million tasks, and its Scavenger then takes queued tasks for expired ones; here the step shrinks, so that all of a job
stays below the present.
"""

from __future__ import annotations

from dataclasses import dataclass

from sosw_airflow.exceptions import QueueFull

__all__ = ["INVOCATION_DELTA", "STEP", "Placement", "place_at_back", "place_at_front"]

#: Upstream's distance between two queued rows.
STEP = 1000

#: Seconds that an invocation adds to the present for the row's greenfield.
INVOCATION_DELTA = 31_557_600

#: Greenfield of the "row before the first one" in an empty queue, as upstream has it.
_EMPTY = 1000

#: Seconds below the present that stay free: for clocks that differ, and for tasks that upstream puts behind ours.
_MARGIN = 86_400


@dataclass(frozen=True)
class Placement:
    """The greenfields of a job: task ``i`` (from 0) has ``base + (i + 1) * step``."""

    base: int
    step: int

    def of(self, index: int) -> int:
        """The greenfield of the task with this index."""
        return self.base + (index + 1) * self.step

    def of_all(self, tasks: range) -> range:
        """The greenfields of consecutive tasks."""
        return range(self.of(tasks.start), self.of(tasks.stop), self.step)


def place_at_back(newest: int | None, tasks: int, *, now: int, labourer_id: str) -> Placement:
    """Behind everything that waits.

    :param newest: the largest queued greenfield of the labourer, None for an empty queue.
    :param tasks: the number of tasks, 1 or more.
    :param now: the present, in seconds since 1970.
    :raises QueueFull: not even a step of 1 keeps the job below the present.
    """
    base = _EMPTY if newest is None else newest
    room = max(now - _MARGIN - base, 0)
    step = min(STEP, room // tasks)
    if step < 1:
        raise QueueFull(labourer_id=labourer_id, tasks=tasks, room=room, base=base, now=now)
    return Placement(base, step)


def place_at_front(oldest: int | None, tasks: int, *, now: int, labourer_id: str) -> Placement:
    """Before everything that waits, the first task of the job first. Greenfields may become negative; sosw minds not.

    :param oldest: the smallest queued greenfield of the labourer, None for an empty queue.
    :raises QueueFull: see `place_at_back`; only an empty queue can be too full.
    """
    if oldest is None:
        return place_at_back(None, tasks, now=now, labourer_id=labourer_id)
    return Placement(oldest - (tasks + 1) * STEP, STEP)
