"""Groups the failures of a job by their cause: the error's type, and its message without what differs. Pure.

Numbers, ids, times and quoted values differ between failures of one cause, so they are taken out. The memory is
bounded: a thousand groups at the most, and messages of a few hundred characters.
"""

from __future__ import annotations

import hashlib
import re
import time
from calendar import timegm
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.waiting.task_results import TaskResult

__all__ = ["SHOWN_CAUSES", "Cause", "Causes", "CausesSummary", "cause_of", "message_pattern"]

#: Groups that are shown; the failures of all others are counted.
SHOWN_CAUSES = 20

#: Groups that are kept while failures are counted.
_KEPT_GROUPS = 1000

#: Characters of a message that are read, and that a group shows.
_READ, _SHOWN = 2000, 200

_UNKNOWN = "no error is stored"

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_TIME = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d:\d\d(?:\.\d{1,9})?"
_QUOTED = r"\"[^\"]{0,2000}\"|`[^`]{0,2000}`|(?<!\w)'[^']{0,2000}'(?!\w)"

#: What differs, and what stands in its place. One pass, from left to right: each alternative is linear.
_DIFFERS = re.compile(
    rf"(?P<value>{_QUOTED})"
    rf"|(?P<time>(?<!\d)(?:{_TIME}))"
    rf"|(?P<id>(?<!\w)(?:{_UUID}|(?=[0-9a-fA-F]{{0,64}}\d)[0-9a-fA-F]{{8,64}})(?!\w))"
    r"|(?P<n>(?<![^\W\d])[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d{1,4})?)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def message_pattern(message: str) -> str:
    """The message without secrets, with a word such as ``<n>`` for each number, id, time and quoted value."""
    # Masked as a whole: half a secret is no longer known as one.
    text = str(redacted({"error": message})["error"])[:_READ]
    text = _DIFFERS.sub(lambda found: f"<{found.lastgroup}>", _CONTROL.sub(" ", text))
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def cause_of(error: str) -> str:
    """The cause of a failure: the pattern of its error."""
    return message_pattern(error) or _UNKNOWN


@dataclass
class Cause:
    """Failures with one cause.

    :ivar message: the type and the pattern of the message.
    :ivar first: and ``last``: when the first and the last of them were closed, in seconds since 1970; None if unknown.
    :ivar example: id of the first failed task.
    :ivar log: address of what it has logged; empty if it is not known.
    """

    message: str
    count: int
    first: int | None
    last: int | None
    example: str
    log: str = ""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Cause:
        """From what `as_dict` has made."""
        times = {name: None if document[name] is None else _seconds(document[name]) for name in ("first", "last")}
        return cls(**{**document, **times})

    @property
    def key(self) -> str:
        """What an address can name it by."""
        return hashlib.sha256(self.message.encode()).hexdigest()[:12]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with times as text."""
        return {
            "message": self.message,
            "count": self.count,
            "first": None if self.first is None else _moment(self.first),
            "last": None if self.last is None else _moment(self.last),
            "example": self.example,
            "log": self.log,
        }

    def __str__(self) -> str:
        """One line, for a message or a log."""
        times = "" if self.first is None else f", {_moment(self.first)}"
        if self.last is not None and self.last != self.first:
            times += f" to {_moment(self.last)}"
        log = f", log: {self.log}" if self.log else ""
        return f"{self.count:,} x {self.message} (such as {self.example}{times}{log})"


_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def _seconds(moment: str) -> int:
    return timegm(time.strptime(moment, _TIME_FORMAT)) if "T" in moment else int(moment)


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime(_TIME_FORMAT)
    except (ValueError, OverflowError, OSError):
        return str(seconds)


@dataclass(frozen=True)
class CausesSummary:
    """The causes of a job's failures.

    :ivar causes: the most frequent first, 20 at the most.
    :ivar others: failures with other causes.
    :ivar read: failed tasks whose errors were read.
    :ivar failed: failed tasks of the job.
    """

    causes: tuple[Cause, ...] = ()
    others: int = 0
    read: int = 0
    failed: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> CausesSummary:
        """From what `as_dict` has made."""
        groups = tuple(Cause.of(each) for each in document["groups"])
        return cls(groups, document["others"], document["read"], document["failed"])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "failed": self.failed,
            "read": self.read,
            "groups": [each.as_dict() for each in self.causes],
            "others": self.others,
        }

    def lines(self) -> list[str]:
        """One line for each cause, and one for what is only counted."""
        lines = [str(each) for each in self.causes]
        if self.others:
            lines.append(f"{counted(self.others, 'failed task')} with other causes")
        if self.read < self.failed:
            lines.append(f"({self.read:,} of {self.failed:,} failed tasks were read, evenly spread over the job)")
        return lines


class Causes:
    """Counts failures by their cause.

    :param log_of: gives the address of a task's log.
    """

    def __init__(self, log_of: Callable[[TaskResult], str] = lambda _: "") -> None:
        self._log_of = log_of
        self._groups: dict[str, Cause] = {}
        self._others = self.read = 0

    def add_all(self, results: Iterable[TaskResult]) -> Causes:
        """Count these; returns itself."""
        for result in results:
            self.add(result)
        return self

    def add(self, result: TaskResult) -> None:
        """Count one failed task."""
        self.read += 1
        message = cause_of(result.error)
        group, at = self._groups.get(message), result.closed_at
        if group is None:
            if len(self._groups) >= _KEPT_GROUPS:
                self._others += 1
            else:
                self._groups[message] = Cause(message, 1, at, at, result.task_id, self._log_of(result))
            return
        group.count += 1
        if at is not None:
            group.first = at if group.first is None else min(group.first, at)
            group.last = at if group.last is None else max(group.last, at)

    def summary(self, failed: int | None = None) -> CausesSummary:
        """The most frequent causes.

        :param failed: failed tasks of the job, if not all of them were added.
        """
        # Sorted by what is equal on each reading, so that a manifest is the same when it is made again.
        groups = sorted(self._groups.values(), key=lambda each: (-each.count, each.example))
        shown = groups[:SHOWN_CAUSES]
        others = self._others + sum(each.count for each in groups[SHOWN_CAUSES:])
        return CausesSummary(tuple(shown), others, self.read, max(failed or 0, self.read))
