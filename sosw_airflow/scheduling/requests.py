"""What is to be scheduled: one generation of a job, or the repair of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Literal, Protocol

from sosw_airflow.jobs.blocks import Block, blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity, fingerprint, outline
from sosw_airflow.jobs.periods import DataInterval
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.schema import JobSchema

__all__ = ["QueuePosition", "ReadSources", "Request", "ScheduleRequest", "SourcedRequest"]

QueuePosition = Literal["back", "front"]


class Request(Protocol):
    """A stream of tasks with a name, which can be read again from its beginning."""

    @property
    def identity(self) -> JobIdentity:
        """Who the job is."""

    @property
    def reference_date(self) -> date:
        """The day that the tasks were resolved against."""

    @property
    def queue_position(self) -> QueuePosition:
        """At which end of the labourer's queue the tasks go."""

    @property
    def max_running(self) -> int:
        """Tasks of the job that are invoked at once at most, 0 for no limit."""

    @property
    def place(self) -> str:
        """``front`` or ``back`` for a job that is moved within the queue at once, as the one that it follows was."""

    @property
    def fingerprint(self) -> str:
        """A digest of all that the tasks follow from."""

    @property
    def sources(self) -> str:
        """JSON text: what the sources of the job were when their values were read; empty if it has none."""

    @property
    def varies(self) -> bool:
        """Whether another reading may give other tasks under the same fingerprint."""

    def outline(self) -> dict[str, str]:
        """A short text for each part of what the tasks follow from, to say later what has changed."""

    def blocks(self, codec: LineCodec) -> Iterator[Block]:
        """The tasks as lines of the queue file."""


@dataclass(frozen=True)
class ScheduleRequest:
    """One generation of a job.

    :ivar reference_date: the day that the expansion was resolved against.
    """

    identity: JobIdentity
    expansion: Expansion
    reference_date: date
    data_interval: DataInterval | None = None
    queue_position: QueuePosition = "back"
    max_running: int = 0
    place: str = ""
    sources = ""

    @property
    def varies(self) -> bool:
        """Whether another reading may give other tasks: a custom period may read the clock."""
        return bool(self.expansion.schema.custom_period_patterns and self.expansion.job.get("period"))

    @cached_property  # it goes through the whole job
    def fingerprint(self) -> str:
        """A digest of all that the tasks follow from."""
        return fingerprint(self.expansion.job, self.expansion.schema, self.reference_date, self.data_interval)

    def outline(self) -> dict[str, str]:
        """A short text for each part of the job."""
        return outline(self.expansion.job, self.expansion.schema, self.reference_date)

    def blocks(self, codec: LineCodec) -> Iterator[Block]:
        """The tasks as lines of the queue file."""
        return blocks_of(self.expansion, codec)


#: Reads the sources of a job. Inside, the expansion can be walked through; with it comes what the sources were.
ReadSources = Callable[[], AbstractContextManager[tuple[Expansion, str]]]


@dataclass
class SourcedRequest:
    """One generation of a job whose values are in sources. They are read only if the job has no plan yet.

    :ivar job: with the documents of its sources: they identify it, whatever the sources give.
    :ivar read: reads the sources.
    :ivar sources: what they were when they were read, JSON text; empty before.
    """

    identity: JobIdentity
    job: dict[str, Any]
    schema: JobSchema
    read: ReadSources
    reference_date: date
    data_interval: DataInterval | None = None
    queue_position: QueuePosition = "back"
    max_running: int = 0
    place: str = ""
    sources: str = field(default="", init=False)
    varies = True

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the job with the documents of its sources."""
        return fingerprint(self.job, self.schema, self.reference_date, self.data_interval)

    def outline(self) -> dict[str, str]:
        """A short text for each part of the job."""
        return outline(self.job, self.schema, self.reference_date)

    def blocks(self, codec: LineCodec) -> Iterator[Block]:
        """The tasks as lines of the queue file.

        :raises SoswError: a source cannot be read, or its values are refused.
        """
        with self.read() as (expansion, self.sources):
            yield from blocks_of(expansion, codec)
