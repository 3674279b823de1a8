"""What all errors of this provider have in common."""

from __future__ import annotations

from collections.abc import Iterable

from sosw_airflow.exceptions.faults import Fault, lines_of

__all__ = ["FaultyDocument", "SoswError"]


class SoswError(Exception):
    """Base of all errors that this provider raises on purpose."""

    retryable = False

    def __init_subclass__(cls, *, retryable: bool | None = None) -> None:
        cls.retryable = cls.retryable if retryable is None else retryable

    def __init__(self, message: str = "") -> None:
        super().__init__(message.encode("utf-8", "backslashreplace").decode())  # so that a log can write any name

    def __reduce__(self) -> tuple[object, ...]:
        # A copy keeps the message; its parts are attributes, not arguments of `__init__`.
        return SoswError.__new__, (type(self), *self.args), self.__dict__


class FaultyDocument(SoswError):
    """A document with one or more faults, all of them reported together."""

    what = fix = ""

    def __init__(self, faults: Iterable[Fault], *, total: int | None = None) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        self.total = total or len(self.faults)
        lines = lines_of(self.faults, self.total)
        super().__init__(f"{self.what} is refused, nothing was written:{lines}\nFix: {self.fix}")
