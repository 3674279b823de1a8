"""Which attempt at an Airflow task instance holds its job: asked in Airflow before anything irreversible.

Airflow calls `on_kill` also when no person acted: in a triggerer that stalled while another one took its triggers over,
in a worker that is shut down, in a worker whose heartbeats timed out. So each holder of a job pushes a mark as an XCom
of its Airflow task instance: an attempt when it begins, a deferral, an attempt that resumes. Airflow's state and the
mark together show whether a person or a time-out ended this holder.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

__all__ = ["KEY", "Attempt", "Mark", "Verdict", "judge"]

log = logging.getLogger(__name__)

#: Name of the XCom. It is read by other versions of this provider.
KEY = "sosw_attempt"

#: States that end an Airflow task instance: set by a person, by a time-out, or by a holder that came later.
_FINAL = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

#: States of an instance that was cleared; Airflow 3 calls that of a running one "restarting".
_CLEARED = frozenset({None, "restarting"})


class Verdict(Enum):
    """What Airflow says about a holder that was asked to stop."""

    KILLED = "a person or a time-out ended it"
    REPLACED = "another process holds the job, or will"
    UNDECIDED = "its next attempt has to show"


@dataclass(frozen=True)
class Mark:
    """Who holds a job.

    :ivar generation: of the Airflow task instance; it grows with each clear.
    :ivar holder: a random name.
    """

    generation: int
    holder: str

    @classmethod
    def new(cls, generation: int) -> Mark:
        """The mark of a new holder."""
        return cls(generation, uuid.uuid4().hex)

    @classmethod
    def of(cls, value: object) -> Mark | None:
        """From the value of an XCom or of a trigger's argument; None if it is no mark."""
        if not isinstance(value, Mapping):
            return None
        generation, holder = value.get("generation"), value.get("holder")
        return cls(generation, holder) if isinstance(generation, int) and isinstance(holder, str) else None

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return asdict(self)


def judge(*, exists: bool, state: str | None, found: Mark | None, mine: Mark | None, clear_kills: bool) -> Verdict:
    """Decide whether a holder was killed. `state` must have been read before `found`: a mark that went never returns.

    :param exists: the Airflow task instance is still there.
    :param found: the mark that Airflow has now.
    :param mine: the holder's own; None for a deferral of an older version of this provider.
    :param clear_kills: a clear abandons the job. False if the next attempt continues the same job.
    """
    if not exists:
        return Verdict.KILLED
    cleared = Verdict.KILLED if clear_kills else Verdict.REPLACED
    if mine is None or found == mine:
        if state in _FINAL:
            return Verdict.KILLED
        if state in _CLEARED:
            return cleared
        # A deferral that is still one has moved to another triggerer.
        return Verdict.REPLACED if state == "deferred" or mine is None else Verdict.UNDECIDED
    if found is None:
        # Airflow removes the XComs when the next attempt begins.
        return Verdict.REPLACED if state in _FINAL else Verdict.UNDECIDED
    return cleared if found.generation > mine.generation else Verdict.REPLACED


@dataclass(frozen=True)
class Attempt:
    """A holder of a job: the process that asks, or a deferral.

    :ivar instance: the Airflow task instance, as Airflow gives it to tasks and triggers.
    """

    instance: Any
    mark: Mark | None
    clear_kills: bool = True

    @classmethod
    def begin(cls, instance: Any, generation: int, *, clear_kills: bool) -> Attempt | None:
        """Become the holder. None outside of Airflow, as in a test of a user: nothing can be asked there."""
        from sosw_airflow._compat import is_run_by_airflow

        if not is_run_by_airflow(instance):
            return None
        mark = Mark.new(generation)
        instance.xcom_push(key=KEY, value=mark.as_dict())
        return cls(instance, mark, clear_kills)

    def verdict(self) -> Verdict:
        """Ask Airflow. An Airflow that cannot be asked decides nothing."""
        answer = self._ask()
        if answer is None:
            return Verdict.UNDECIDED
        exists, state, found = answer
        verdict = judge(exists=exists, state=state, found=found, mine=self.mark, clear_kills=self.clear_kills)
        log.info("Airflow has this Airflow task as %s: %s.", state if exists else "deleted", verdict.value)
        return verdict

    def holds(self) -> bool:
        """Ask Airflow whether this attempt runs and was not replaced. Without an answer it does not hold the job."""
        answer = self._ask()
        if answer is None:
            return False
        exists, state, found = answer
        log.info("Airflow has this Airflow task as %s.", state if exists else "deleted")
        return exists and state == "running" and found == self.mark

    def _ask(self) -> tuple[bool, str | None, Mark | None] | None:
        """Whether the instance exists, its state, and the mark that Airflow has; None if Airflow does not answer."""
        from sosw_airflow._compat import pushed_xcom, stored_state

        try:
            exists, state = stored_state(self.instance)
            found = Mark.of(pushed_xcom(self.instance, KEY)) if exists and self.mark is not None else None
        except Exception as error:  # noqa: BLE001 - each version and each executor has errors of its own
            log.warning("Airflow cannot be asked for the state of this Airflow task: %r", error)
            return None
        return exists, state, found
