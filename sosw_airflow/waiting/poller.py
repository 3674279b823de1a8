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
from sosw_airflow.stores.job_record import JobState
from sosw_airflow.waiting.progress import JobProgress, ProgressReader
from sosw_airflow.waiting.progress_log import ProgressLog

__all__ = ["JobPoller", "JobResult", "Status"]

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
class JobResult:
    """How the looking ended.

    :ivar failed_tasks: ids of the first tasks that failed, ten at the most.
    """

    status: Status
    progress: JobProgress
    failed_tasks: tuple[str, ...] = ()

    def event(self) -> dict[str, Any]:
        """In JSON's types, for an event of a trigger."""
        progress = self.progress
        return {
            "status": self.status.value,
            "job_id": progress.job_id,
            "state": progress.state.value if progress.state else None,
            "total": progress.total,
            "completed": progress.completed,
            "failed": progress.failed,
            "failed_tasks": list(self.failed_tasks),
        }

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> JobResult:
        """From an event; what an older version did not have in it is left at its default."""
        progress = JobProgress(
            event["job_id"],
            JobState(event["state"]) if event.get("state") else None,
            total=event.get("total", 0),
            completed=event.get("completed", 0),
            failed=event.get("failed", 0),
        )
        return cls(Status(event["status"]), progress, tuple(event.get("failed_tasks", ())))


@dataclass
class JobPoller:
    """Looks at a job; the caller waits between two looks. Used by one thread at a time.

    :ivar deadline: seconds since 1970 after which it is not waited any longer, None for no limit.
    """

    reader: ProgressReader
    deadline: float | None = None
    _errors: int = field(default=0, init=False)
    _progress: ProgressLog | None = field(default=None, init=False)
    _standing: JobProgress | None = field(default=None, init=False)

    def poll(self) -> JobResult | None:
        """Look once. None: it is not over, so wait and look again.

        :raises SoswError: AWS refuses, and did so for a while where that might have passed.
        """
        try:
            progress = self.reader.read()
        except SoswError as error:
            self._errors += 1
            if not error.retryable or self._errors >= _FAILED_LOOKS:
                raise
            log.warning("The job %s could not be looked at; trying again. %s", self.reader.job_id, error)
            progress = self._standing or JobProgress(self.reader.job_id)
        else:
            self._errors = 0
            self._tell(progress)
            self._standing = progress
        if progress.over:
            return self._ending(Status.OVER, progress)
        if self.deadline is not None and time.time() >= self.deadline:
            return self._ending(Status.TIMED_OUT, progress)
        return None

    def _ending(self, status: Status, progress: JobProgress) -> JobResult:
        return JobResult(status, progress, tuple(islice(self.reader.failed(), SHOWN_FAILURES)))

    def _tell(self, progress: JobProgress) -> None:
        if progress.state is None:
            log.info("There is no record of the job %s yet.", progress.job_id)
        elif self._progress is None:
            self._progress = ProgressLog(f"Workers at job {progress.job_id}", progress.total, done=progress.closed)
            self._progress.report(failed=progress.failed, at_once=True)
        else:
            self._progress.add(progress.closed - self._progress.done, failed=progress.failed)
