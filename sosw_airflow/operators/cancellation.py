"""Cancels jobs for Airflow tasks: killed, over their tolerance, too late. Airflow confirms each first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sosw_airflow.exceptions import JobStopped, SoswError
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.page_writer import WriterStopped
from sosw_airflow.triggers.attempt import Verdict

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.triggers.attempt import Attempt

__all__ = ["CancelOnKill", "CancelOutcome", "cancel_if_held"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CancelOutcome:
    """What became of an attempt to cancel a job.

    :ivar text: what was removed; or why nothing was.
    """

    cancelled: bool
    text: str


def cancel_if_held(deployment: Deployment, job_id: str, attempt: Attempt | None) -> CancelOutcome:
    """Cancel a job if this attempt holds it. Another one may continue it since: then its tasks stay.

    :param attempt: asks Airflow. None outside of Airflow.
    """
    if attempt is not None and not attempt.holds():
        reason = "Airflow does not confirm that this attempt still runs, so its tasks stay in the queue"
    else:
        try:
            return CancelOutcome(True, str(cancel_job(deployment, job_id)))
        except SoswError as error:  # the error of the wait must not be lost
            reason = str(error)
    log.warning("The job %s is not cancelled: %s.", job_id, reason)
    return CancelOutcome(False, reason)


@dataclass
class CancelOnKill:
    """Stops the work between two requests. Cancels the job if `cancels` is set and Airflow confirms the kill.

    :ivar cancels: a killed job is cancelled.
    :ivar attempt: asks Airflow. None outside of Airflow: the call of `kill` alone counts as a kill then.
    :ivar stop: is set once Airflow has asked to stop.
    """

    cancels: bool
    attempt: Attempt | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def kill(self) -> None:
        """Stop. May be called from a signal's handler: `watch` does the rest."""
        self.stop.set()

    @contextmanager
    def watch(self, deployment: Deployment, job_id: str) -> Iterator[None]:
        """Guard the work on this job, which is done inside.

        :raises JobStopped: it was killed.
        """
        try:
            yield
        except BaseException as reason:
            # Airflow 2 raises from its signal's handler, wherever that strikes; Airflow 3 only calls `on_kill`.
            # A job that is not planned yet has nothing to be cancelled; a retry schedules it.
            cancelled = self._cancels(job_id) and cancel_job(deployment, job_id) is not None
            if isinstance(reason, WriterStopped):
                raise JobStopped(job_id, cancelled=cancelled) from None
            raise
        if self._cancels(job_id):
            # Airflow asked to stop after the last check: the job is done, but its task is killed all the same.
            cancel_job(deployment, job_id)
            raise JobStopped(job_id, cancelled=True)

    def _cancels(self, job_id: str) -> bool:
        return self.stop.is_set() and self.cancels and self._is_killed(job_id)

    def _is_killed(self, job_id: str) -> bool:
        if self.attempt is None:
            return True
        verdict = self.attempt.verdict()
        if verdict is not Verdict.KILLED:
            log.warning(
                "The job %s is not cancelled, although cancel_on_kill is set: no person and no time-out has ended this "
                "Airflow task. Its tasks stay in the queue.",
                job_id,
            )
        return verdict is Verdict.KILLED
