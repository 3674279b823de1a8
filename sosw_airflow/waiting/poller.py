"""Polls a job until it is over: the same for an operator, a sensor and a trigger."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any

from sosw_airflow.exceptions import InvalidConfiguration, SoswError
from sosw_airflow.jobs.identity import parse_job_id
from sosw_airflow.stores.job_record import JobState
from sosw_airflow.waiting.progress import JobProgress, ProgressReader
from sosw_airflow.waiting.progress_log import ProgressFactory, ProgressLog
from sosw_airflow.waiting.tolerance import Tolerance

__all__ = ["JobPoller", "JobResult", "Status"]

log = logging.getLogger(__name__)

#: Failed tasks that an error names.
SHOWN_FAILURES = 10

#: Polls in a row that may fail without reading anything new, for a reason that can pass: throttling, a network that is
#: away, a policy that is edited.
_FAILED_POLLS = 10

#: A task's id has twelve hexadecimal digits for its index.
_MOST_TASKS = 16**12


class Status(str, Enum):
    """Why the polling ended."""

    OVER = "over"  # every task is closed, or the job was cancelled
    TIMED_OUT = "timed_out"
    EXCEEDED = "exceeded"  # more tasks failed than are tolerated, and the job is not over
    LOST = "lost"  # tasks are in none of sosw's tables, so it will never be over


@dataclass(frozen=True)
class JobResult:
    """How the polling ended.

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
            **({"lost_tasks": list(progress.lost)} if progress.lost else {}),
        }

    @classmethod
    def of(cls, event: object) -> JobResult | None:
        """From an event; what an older version did not put into it has its default. None: it is no result of a job."""
        if not isinstance(event, Mapping):
            return None
        counts = total, completed, failed = [event.get(name, 0) for name in ("total", "completed", "failed")]
        lists = [event.get(name, []) for name in ("lost_tasks", "failed_tasks")]
        if not (all(map(_is_count, counts)) and all(map(_is_ids, lists))):
            return None
        try:
            status, state = Status(event["status"]), JobState(event["state"]) if event.get("state") else None
            progress = JobProgress(parse_job_id(event["job_id"]), state, total, completed, failed, tuple(lists[0]))
        except (KeyError, ValueError, TypeError, InvalidConfiguration):
            return None
        return cls(status, progress, tuple(lists[1]))


def _is_count(value: object) -> bool:
    """Whether a value of an event is a number of tasks."""
    return type(value) is int and 0 <= value <= _MOST_TASKS


def _is_ids(value: object) -> bool:
    """Whether a value of an event is a list of ids of tasks."""
    return isinstance(value, (list, tuple)) and all(isinstance(each, str) and each.isascii() for each in value)


@dataclass
class JobPoller:
    """Polls a job; the caller waits between two polls. Used by one thread at a time.

    :ivar deadline: seconds since 1970 after which the waiting ends, None for no limit.
    :ivar tolerance: ends the waiting as soon as it is exceeded; None: it ends when the job is over.
    :ivar progress: begins to count the tasks that are closed.
    """

    reader: ProgressReader
    deadline: float | None = None
    tolerance: Tolerance | None = None
    progress: ProgressFactory = ProgressLog
    _errors: int = field(default=0, init=False)
    _position: object = field(default=None, init=False)
    _progress: ProgressLog | None = field(default=None, init=False)
    _latest: JobProgress | None = field(default=None, init=False)

    @property
    def has_polled(self) -> bool:
        """Whether a poll has succeeded."""
        return self._latest is not None

    def poll(self) -> JobResult | None:
        """Poll once. None: it is not over, so wait and poll again.

        :raises SoswError: AWS refuses, or has refused ten polls in a row for a reason that could have passed.
        """
        before = self._position
        try:
            progress = self.reader.read()
        except SoswError as error:
            # A table with little capacity lets a large job be read in several polls.
            self._position = self.reader.position
            self._errors = 0 if before not in (None, self._position) else self._errors + 1
            if not error.retryable or self._errors >= _FAILED_POLLS:
                raise
            log.warning("The job %s could not be read; the next poll tries again. %s", self.reader.job_id, error)
            progress = self._latest or JobProgress(self.reader.job_id)
        else:
            self._errors, self._position = 0, self.reader.position
            self._log(progress)
            self._latest = progress
        status = self._status(progress)
        if status is None and self.deadline is not None and time.time() >= self.deadline:
            status = Status.TIMED_OUT
        return None if status is None else self._result(status, progress)

    def would_end(self) -> bool:
        """Whether what is counted by now ends the polling. It may be asked in any thread."""
        return self._status(self.reader.counted()) is not None

    def _status(self, progress: JobProgress) -> Status | None:
        if progress.over:
            return Status.OVER
        if self.tolerance is not None and not self.tolerance.allows(progress.failed, progress.total):
            return Status.EXCEEDED
        return Status.LOST if progress.lost else None

    def _result(self, status: Status, progress: JobProgress) -> JobResult:
        return JobResult(status, progress, tuple(islice(self.reader.failed(), SHOWN_FAILURES)))

    def _log(self, progress: JobProgress) -> None:
        if progress.state is None:
            log.info("The job %s has no record yet.", progress.job_id)
        elif self._progress is None:
            self._progress = self.progress(f"Workers at job {progress.job_id}", progress.total, done=progress.closed)
            self._progress.report(failed=progress.failed, at_once=True)
        else:
            self._progress.add(progress.closed - self._progress.done, failed=progress.failed)
