"""Looking at a job again and again until it is over: the same for an operator, a sensor and a trigger."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any

from sosw_airflow.exceptions import SoswError
from sosw_airflow.stores.completion import JobWatch, Standing
from sosw_airflow.stores.job_record import JobState
from sosw_airflow.stores.progress import Progress

__all__ = ["Ending", "JobFollower", "Status"]

log = logging.getLogger(__name__)

#: Failed tasks that an error names.
SHOWN_FAILURES = 10

#: Looks in a row that may fail for a reason that can pass: throttling, a network that is away, a policy that is edited.
_FAILED_LOOKS = 10


class Status(str, Enum):
    """Why the looking ended."""

    OVER = "over"  # each task is closed, or the job was cancelled
    TIMED_OUT = "timed_out"


@dataclass(frozen=True)
class Ending:
    """How the looking ended.

    :ivar failed_tasks: ids of the first tasks that failed, ten at the most.
    """

    status: Status
    standing: Standing
    failed_tasks: tuple[str, ...] = ()

    def event(self) -> dict[str, Any]:
        """In JSON's types, for an event of a trigger."""
        standing = self.standing
        return {
            "status": self.status.value,
            "job_id": standing.job_id,
            "state": standing.state.value if standing.state else None,
            "total": standing.total,
            "completed": standing.completed,
            "failed": standing.failed,
            "failed_tasks": list(self.failed_tasks),
        }

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Ending:
        """From an event; what an older version did not have in it is left at its default."""
        standing = Standing(
            event["job_id"],
            JobState(event["state"]) if event.get("state") else None,
            total=event.get("total", 0),
            completed=event.get("completed", 0),
            failed=event.get("failed", 0),
        )
        return cls(Status(event["status"]), standing, tuple(event.get("failed_tasks", ())))


@dataclass
class JobFollower:
    """Looks at a job; the caller waits between two looks. Used by one thread at a time.

    :ivar deadline: seconds since 1970 after which it is not waited any longer, None for no limit.
    """

    watch: JobWatch
    deadline: float | None = None
    _errors: int = field(default=0, init=False)
    _progress: Progress | None = field(default=None, init=False)
    _standing: Standing | None = field(default=None, init=False)

    def look(self) -> Ending | None:
        """Look once. None: it is not over, so wait and look again.

        :raises SoswError: AWS refuses, and did so for a while where that might have passed.
        """
        try:
            standing = self.watch.poll()
        except SoswError as error:
            self._errors += 1
            if not error.retryable or self._errors >= _FAILED_LOOKS:
                raise
            log.warning("The job %s could not be looked at; trying again. %s", self.watch.job_id, error)
            standing = self._standing or Standing(self.watch.job_id)
        else:
            self._errors = 0
            self._tell(standing)
            self._standing = standing
        if standing.over:
            return self._ending(Status.OVER, standing)
        if self.deadline is not None and time.time() >= self.deadline:
            return self._ending(Status.TIMED_OUT, standing)
        return None

    def _ending(self, status: Status, standing: Standing) -> Ending:
        return Ending(status, standing, tuple(islice(self.watch.failed(), SHOWN_FAILURES)))

    def _tell(self, standing: Standing) -> None:
        if standing.state is None:
            log.info("There is no record of the job %s yet.", standing.job_id)
        elif self._progress is None:
            self._progress = Progress(f"Workers at job {standing.job_id}", standing.total, done=standing.closed)
            self._progress.tell(failed=standing.failed, at_once=True)
        else:
            self._progress.add(standing.closed - self._progress.done, failed=standing.failed)
