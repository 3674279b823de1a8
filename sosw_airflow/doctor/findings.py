"""What an examination of a deployment finds: what is right, what is wrong, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from sosw_airflow.exceptions import AccessDenied, SoswError

__all__ = ["Finding", "Level", "error", "ok", "reported", "warning"]


class Level(str, Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # works, or works for now
    ERROR = "error"  # jobs cannot be scheduled, or not be worked on


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    :ivar check: a short name of the check, for programs.
    :ivar subject: the thing that was checked: a table, the bucket, a labourer, a job.
    :ivar text: what was found, without the subject.
    :ivar fix: what to do; empty if nothing is to be done.
    :ivar command: a shell command that does it, if one command does.
    """

    level: Level
    check: str
    subject: str
    text: str
    fix: str = ""
    command: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}{f' {self.fix}' if self.fix else ''}"

    def as_dict(self) -> dict[str, Any]:
        """The finding for JSON."""
        return {**asdict(self), "level": self.level.value}


def ok(check: str, subject: str, text: str) -> Finding:
    """Something is right."""
    return Finding(Level.OK, check, subject, text)


def warning(check: str, subject: str, text: str, fix: str, command: str = "") -> Finding:
    """Something works, but should be fixed."""
    return Finding(Level.WARNING, check, subject, text, fix, command)


def error(check: str, subject: str, text: str, fix: str, command: str = "") -> Finding:
    """Something is broken."""
    return Finding(Level.ERROR, check, subject, text, fix, command)


def reported(check: str, subject: str, examine: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check that scheduling does not depend on; what stops it becomes one of them."""
    try:
        yield from examine()
    except AccessDenied as denied:
        fix = f"Allow {denied.action} to have this checked; scheduling does without."
        yield warning(check, subject, f"could not be checked: AWS denies {denied.action}.", fix)
    except SoswError as stopped:
        yield error(check, subject, str(stopped), "")
