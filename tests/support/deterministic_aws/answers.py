"""What AWS is asked and what it answers, apart from how both are transported."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from typing import Any


def fingerprint(value: Any) -> bytes:
    """A value of plain types as bytes, the same for equal values whose members have one order. The fastest way."""
    return marshal.dumps(value, 2)


def apart(value: Any) -> Any:
    """A copy of a value of plain types."""
    return marshal.loads(marshal.dumps(value))  # noqa: S302 - written a moment ago


class AwsError(Exception):
    """An error that AWS answers.

    :ivar status: HTTP status.  :ivar members: of the error's document, beside code and message.
    """

    def __init__(self, code: str, message: str = "", *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message or code, status, members


@dataclass(slots=True)
class Request:
    """One request of one client.

    :ivar arguments: a dictionary as boto3 takes it; for S3 an `S3Request`.
    :ivar attempt_of: the same for the repeats that the client itself makes of a request.
    """

    service: str
    operation: str
    arguments: Any
    attempt_of: str


@dataclass(slots=True)
class Reply:
    """One answer: the members of a result as boto3 returns them, bodies as bytes; or an error."""

    members: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    error: AwsError | None = None

    @property
    def content(self) -> str:
        """All of it, as text that is the same in every run."""
        if self.error is None:
            return repr((self.status, self.members))
        return repr((self.error.status, self.error.code, self.error.message, self.error.members))

    def __str__(self) -> str:
        return "ok" if self.error is None else self.error.code
