"""Errors of the sources whose values a job names instead of having them."""

from __future__ import annotations

from collections.abc import Iterable

from sosw_airflow.exceptions.base import SoswError
from sosw_airflow.exceptions.faults import Fault, counted, lines_of

__all__ = ["EmptySource", "InvalidSource", "MissingSource", "SourceChanged", "SourceNotAllowed", "SourceUnreadable"]


class MissingSource(SoswError, retryable=True):  # what writes it may be late
    """The object that a source names does not exist."""

    def __init__(self, name: str, *, place: str) -> None:
        self.name, self.place = name, place
        super().__init__(
            f"The source of {place} does not exist: {name}. Nothing was written. Fix: write the object, then retry the "
            f"Airflow task; or correct the source's url."
        )


class EmptySource(SoswError):
    """A source has no value, so there is nothing to schedule. ``on_empty`` says what the source wants then."""

    def __init__(self, name: str, *, place: str, on_empty: str = "fail", skipped: int = 0) -> None:
        self.name, self.place, self.on_empty = name, place, on_empty
        left_out = f" ({counted(skipped, 'line was', 'lines were')} left out)" if skipped else ""
        super().__init__(
            f"The source of {place} is empty: {name} gives no value{left_out}. Nothing was written. Fix: fill it, or "
            f"give the source on_empty='skip' or 'succeed'."
        )


class InvalidSource(SoswError):
    """A source cannot be used as it is: lines that are none, no such column, several columns, mixed types."""

    def __init__(self, name: str, *, place: str, faults: Iterable[Fault], lines: bool = False) -> None:
        self.name, self.place, self.faults = name, place, tuple(faults)
        skip = ", or give it on_bad_line='skip'" if lines else ""
        super().__init__(
            f"The source of {place} is refused, nothing was written. {name}:{lines_of(self.faults)}\n"
            f"Fix: correct what each line names, in the source or in what it reads{skip}."
        )


class SourceChanged(SoswError, retryable=True):  # the next attempt reads the new object
    """The object of a source was replaced or removed while it was read."""

    def __init__(self, name: str, *, place: str) -> None:
        self.name, self.place = name, place
        super().__init__(
            f"The source of {place} has changed while it was read: {name}. Nothing was written. Fix: retry the Airflow "
            f"task, which reads it from its beginning; or write the object under another key each time."
        )


class SourceUnreadable(SoswError, retryable=True):  # a database may be away for a moment
    """A database refuses the query of a source, or does not answer."""

    def __init__(self, name: str, *, place: str, detail: str) -> None:
        self.name, self.place = name, place
        super().__init__(
            f"The source of {place} cannot be read: {name} failed. Nothing was written. Fix: correct the query or the "
            f"Connection, then retry the Airflow task. The database says: {detail}"
        )


class SourceNotAllowed(SoswError):
    """A source names a Connection that the operator does not allow its jobs to use."""

    def __init__(self, conn_id: str, *, place: str) -> None:
        self.conn_id, self.place = conn_id, place
        super().__init__(
            f"The source of {place} names the Connection {conn_id!r}, which the operator does not allow. Nothing was "
            f"read. Fix: add it to the operator's source_conn_ids=[{conn_id!r}], if all who give it jobs may use it."
        )
