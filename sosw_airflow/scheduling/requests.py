"""What is to be scheduled: one generation of a job, or the repair of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, Protocol

from sosw_airflow.jobs.blocks import Block, blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity, fingerprint, outline
from sosw_airflow.jobs.periods import DataInterval
from sosw_airflow.jobs.rows import LineCodec

__all__ = ["QueuePosition", "Request", "ScheduleRequest"]

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
    def fingerprint(self) -> str:
        """A digest of all that the tasks follow from."""

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
