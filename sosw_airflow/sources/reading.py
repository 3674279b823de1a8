"""One source while it is read: its bad lines, and the version of what it reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sosw_airflow.exceptions import SHOWN, Fault, InvalidConfiguration, InvalidSource
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_values import is_utf8
from sosw_airflow.jobs.rows import DYNAMODB_ITEM_LIMIT
from sosw_airflow.jobs.sources import Source

__all__ = ["Access", "Items", "Reading", "missing_package"]

#: What a reader gives: the number of a line, an element or a row, and its value.
Items = Iterator[tuple[int, Any]]

#: The least integer that has more digits than Python reads.
_TOO_LONG = 10**4300


class Access(Protocol):
    """What the shell gives to the readers: clients of the Connections."""

    def s3(self, aws_conn_id: str | None) -> Any:
        """A boto3 S3 client of an AWS Connection; None: of the sosw Connection."""

    def sql(self, conn_id: str) -> Any:
        """A hook of a SQL Connection, with ``get_conn``.

        :raises InvalidConfiguration: the Connection does not exist, or is none of a SQL database.
        """


class Reading:
    """The reading of one source.

    :ivar place: path of the attribute in the job.
    :ivar access: to the Connections.
    :ivar version: what identifies the content that is read, for the job's record.
    :ivar check: called now and then; may raise to end the reading.
    :ivar unit: what the reader numbers.
    :ivar skipped: lines that were left out.
    """

    def __init__(self, source: Source, place: str, access: Access, *, check: Callable[[], None]) -> None:
        self.source, self.place, self.access, self.check = source, place, access, check
        self.version: dict[str, Any] = {}
        self.unit = "line"
        self.skipped = 0
        self._faults: list[Fault] = []
        self._kind: tuple[str, int, Any] | None = None

    def refuse(self, *problems: str, lines: bool = False) -> InvalidSource:
        """The error that says what is wrong with the whole source."""
        faults = [Fault("", problem) for problem in problems]
        return InvalidSource(self.source.name, place=self.place, faults=faults, lines=lines)

    def bad(self, number: int, problem: str, *, lines: int = 1, last: int | None = None) -> None:
        """Note a line that cannot be used: counted if the source skips such lines, a fault otherwise.

        :param lines: how many there are, up to the line ``last``.
        :raises InvalidSource: there are too many to show.
        """
        if self.source.skips_bad_lines:
            self.skipped += lines
            return
        numbers = f"{self.unit} {number:,}" if last in (None, number) else f"{self.unit}s {number:,} to {last:,}"
        self._faults.append(Fault(numbers, problem))
        if len(self._faults) >= SHOWN:
            self.finish()

    def finish(self) -> None:
        """Refuse the source if it had bad lines.

        :raises InvalidSource: names them, with their numbers and their texts.
        """
        if self._faults:
            raise InvalidSource(self.source.name, place=self.place, faults=self._faults, lines=True)

    def size_of(self, number: int, value: Any) -> int:
        """Characters of a value, about; 0 if it cannot be one, which is noted.

        :raises InvalidSource: it is a number among text, or text among numbers.
        """
        problem, size = None, 24
        if isinstance(value, str):
            kind, size = "text", len(value) + 4
            if size > DYNAMODB_ITEM_LIMIT:
                problem = f"has a value of {len(value):,} characters, which no task has room for: {excerpt(value)}"
            elif not is_utf8(value):
                problem = f"is not UTF-8 text: {excerpt(value.encode('utf-8', 'backslashreplace').decode())}"
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            problem, kind = f"has {excerpt(value)}, which is neither text nor a number", ""
        else:
            kind = "a number"
            fits = math.isfinite(value) if isinstance(value, float) else -_TOO_LONG < value < _TOO_LONG
            problem = None if fits else f"has {excerpt(value)}, which JSON does not know"
        if problem:
            self.bad(number, problem)
            return 0
        if self._kind is None:
            self._kind = (kind, number, value)
        elif kind != self._kind[0]:
            before = f"{self._kind[0]} in {self.unit} {self._kind[1]:,} ({excerpt(self._kind[2])})"
            raise self.refuse(
                f"mixes text and numbers: it has {before}, and {kind} in {self.unit} {number:,} ({excerpt(value)}); a "
                f"source gives one of both"
            )
        return size


@contextmanager
def missing_package(extra: str, package: str, place: str) -> Iterator[None]:
    """Explain the import of a package that only an extra of this provider brings.

    :raises InvalidConfiguration: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        problem = f"needs the package {package} ({error}): pip install 'airflow-provider-sosw[{extra}]'"
        raise InvalidConfiguration([Fault(place, problem)]) from None
