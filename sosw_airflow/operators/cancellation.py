"""What happens to a job when Airflow kills the Airflow task that works on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sosw_airflow.exceptions import JobStopped
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.page_writer import Stopped

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["CancelOnKill"]


@dataclass
class CancelOnKill:
    """Stops the work between two requests, and cancels the job if that is wanted.

    :ivar cancels: a killed job is cancelled.
    :ivar stop: is set once Airflow has asked to stop.
    """

    cancels: bool
    stop: threading.Event = field(default_factory=threading.Event)

    def kill(self) -> None:
        """Stop. May be called from a signal's handler: whoever is inside of `watch` does the rest."""
        self.stop.set()

    @contextmanager
    def watch(self, deployment: Deployment, job_id: str) -> Iterator[None]:
        """Inside, the work on this job is done.

        :raises JobStopped: it was killed.
        """
        try:
            yield
        except BaseException as reason:
            # Airflow 2 raises from its signal's handler, wherever that strikes; Airflow 3 only calls `on_kill`.
            cancels = self.stop.is_set() and self.cancels
            if cancels:
                cancel_job(deployment, job_id)
            if isinstance(reason, Stopped):
                raise JobStopped(job_id, cancelled=cancels) from None
            raise
