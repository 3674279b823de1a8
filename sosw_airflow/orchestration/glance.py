"""A labourer at a glance: who processes its queue, how much waits and runs, what was closed lately.

Bounded reads, eventually consistent: 3 read units for a labourer without tasks, and never more than a few rows of
each index, however long the queue is. A number that reached its bound is "at least".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from sosw_airflow.jobs.identity import job_of
from sosw_airflow.orchestration.labourer_pause import LabourerPause
from sosw_airflow.orchestration.turn_note import SPANS, ClosedCounts, TurnNote
from sosw_airflow.stores.aws_errors import explain_faults
from sosw_airflow.stores.bounded_query import BoundedQueries
from sosw_airflow.stores.closed_tasks import End
from sosw_airflow.stores.lease_item import lease_key
from sosw_airflow.stores.tables import TableNames

__all__ = ["Bounded", "ClosedSpan", "Glance", "glance_at", "queue_size"]

#: Minutes of the past that make the pace; and its least seconds, so that one closing just now is no pace.
_RECENT, _SHORT = 10, 10


@dataclass(frozen=True)
class Bounded:
    """A number of rows. ``more``: the reading stopped there, so it is "at least"."""

    number: int
    more: bool = False


@dataclass(frozen=True)
class ClosedSpan:
    """What was closed in a part of the past.

    :ivar seconds: its length.
    :ivar series: completed and failed, step by step.
    :ivar more: more were closed than were counted.
    """

    seconds: int
    series: tuple[tuple[int, int], ...]
    more: bool = False

    @property
    def completed(self) -> int:
        """Of all steps."""
        return sum(completed for completed, _ in self.series)

    @property
    def failed(self) -> int:
        """Of all steps."""
        return sum(failed for _, failed in self.series)

    @property
    def per_second(self) -> float:
        """Tasks that were closed in a second, on average."""
        return (self.completed + self.failed) / self.seconds


@dataclass(frozen=True)
class Glance:
    """What was seen of one labourer.

    :ivar seen_at: seconds since 1970.
    :ivar queued: tasks that wait for an invocation.
    :ivar jobs: the jobs of the tasks that were read of the queue, in its order, each with the number of those tasks.
    :ivar about: an estimate of all that wait, from their places in the queue, if ``queued`` stopped early.
    :ivar waits: seconds since the head of the queue was written; None without a queue.
    :ivar running: invoked and not over.  :ivar retrying: in the retry table.
    :ivar limit: invocations at once that the last turn allowed; None if no orchestrator of Airflow has worked lately.
    :ivar holder: the orchestrator that holds the lease; empty for none.
    :ivar turned_at: seconds since 1970 of its last turn; None if none is known.
    :ivar pause: that a person has ordered; None for none.
    :ivar paused: why the labourer pauses, as Airflow's orchestrator has noted it; empty if it does not.
    :ivar closed: completed and failed in each of the last 60 minutes, the present one last.
    :ivar closed_more: more were closed in the hour than were counted.
    :ivar spans: what was closed in the last hour, day and week.
    :ivar units: read units that the reading has taken.
    """

    labourer_id: str
    seen_at: int
    queued: Bounded = Bounded(0)
    jobs: tuple[tuple[str, int], ...] = ()
    about: int | None = None
    waits: int | None = None
    running: Bounded = Bounded(0)
    retrying: Bounded = Bounded(0)
    limit: int | None = None
    holder: str = ""
    turned_at: int | None = None
    pause: LabourerPause | None = None
    paused: str = ""
    closed: tuple[tuple[int, int], ...] = ()
    closed_more: bool = False
    spans: tuple[ClosedSpan, ...] = ()
    units: float = 0.0

    @property
    def orchestrated(self) -> bool:
        """An orchestrator of Airflow works on the queue, or has ended its work in an orderly way."""
        return self.turned_at is not None

    @property
    def per_second(self) -> float:
        """Tasks that were closed in a second, in the last ten minutes or since the first of them."""
        recent = [sum(each) for each in self.closed[-_RECENT:]]
        minutes = next((len(recent) - place for place, number in enumerate(recent) if number), 0)
        # The last minute is not over.
        return sum(recent) / max(60 * (minutes - 1) + self.seen_at % 60, _SHORT)

    @property
    def seconds_left(self) -> float | None:
        """When the queue is empty at this pace; None without a pace."""
        left = (self.about or self.queued.number) + self.running.number + self.retrying.number
        return left / self.per_second if self.per_second else None


def glance_at(dynamodb: Any, tables: TableNames, labourer_id: str, *, now: int, rows: int = 25) -> Glance:
    """Read one labourer: four to seven requests.

    :param now: seconds since 1970.
    :param rows: of each index, at most.
    :raises SoswError: AWS refuses.
    """
    reader = _Reader(BoundedQueries(dynamodb, rows), tables, labourer_id)
    lease = reader.lease()
    note = TurnNote.of_lease(lease)
    fresh = note if note is not None and note.is_fresh(now) else None
    queued, more = reader.task_rows("greenfield <= :now", now)
    retrying, retrying_more = reader.retries()
    if fresh is not None:
        running, spans = Bounded(fresh.running), _spans_of(fresh.closed, now)
    else:
        invoked, invoked_more = reader.task_rows("greenfield > :now", now)
        active = sum("completed_at" not in row for row in invoked)
        running = Bounded(active, invoked_more)
        spans = reader.closed(now)
        if note is not None:
            # The orchestrator has ended. It has counted more than the index shows at once; others may have closed more.
            spans = tuple(map(_larger, spans, _spans_of(note.closed, now)))
    return Glance(
        labourer_id,
        now,
        queued=Bounded(len(queued), more),
        jobs=tuple(Counter(job_of(row["task_id"]["S"]) for row in queued).items()),
        about=reader.estimate(queued, now) if more else None,
        waits=_waits(queued, now),
        running=running,
        retrying=Bounded(len(retrying), retrying_more),
        limit=fresh.limit if fresh else None,
        holder=str(lease.get("owner", {}).get("S", "")),
        turned_at=note.at if note else None,
        pause=LabourerPause.of_lease(lease),
        paused=note.paused if note else "",
        closed=spans[0].series,
        closed_more=spans[0].more,
        spans=spans,
        units=reader.queries.units,
    )


def queue_size(dynamodb: Any, tables: TableNames, labourer_id: str, *, now: int, rows: int = 25) -> tuple[int, int]:
    """How many tasks wait, estimated if they are more than ``rows``, and for how long the first: two requests at most.

    :raises SoswError: AWS refuses.
    """
    reader = _Reader(BoundedQueries(dynamodb, rows), tables, labourer_id)
    queued, more = reader.task_rows("greenfield <= :now", now)
    about = reader.estimate(queued, now) if more else None
    return about or len(queued), _waits(queued, now) or 0


def _spans_of(counts: tuple[ClosedCounts, ...], now: int) -> tuple[ClosedSpan, ...]:
    return tuple(ClosedSpan(each.span.seconds, tuple(each.series(now))) for each in counts)


def _larger(one: ClosedSpan, other: ClosedSpan) -> ClosedSpan:
    """The one that has counted more; a count that is complete is not "at least" any more."""
    if one.completed + one.failed > other.completed + other.failed:
        return one
    return replace(other, more=False)


def _waits(queued: list[dict[str, Any]], now: int) -> int | None:
    """Seconds since the head was written. A retry stands before it with its first time."""
    return max(0, now - _number(queued[0], "created_at")) if queued else None


def _number(row: dict[str, Any], name: str) -> int:
    try:
        return int(float(row.get(name, {}).get("N", 0)))
    except (ValueError, OverflowError):
        return 0


@dataclass
class _Reader:
    queries: BoundedQueries
    tables: TableNames
    labourer_id: str

    def lease(self) -> dict[str, Any]:
        """The item of the labourer's lease; empty if there is none."""
        table = self.tables.jobs_table
        with explain_faults(action="dynamodb:GetItem", resource=table, setting="jobs_table"):
            reply = self.queries.dynamodb.get_item(
                TableName=table, Key=lease_key(self.labourer_id), ReturnConsumedCapacity="TOTAL"
            )
        self.queries.count(reply)
        return dict(reply.get("Item", {}))

    def task_rows(self, condition: str, now: int, **more: Any) -> tuple[list[dict[str, Any]], bool]:
        """Rows of the queue, or of what is invoked, and whether there are more."""
        return self.queries.read(
            self.tables.tasks_table,
            self.tables.index_greenfield,
            f"labourer_id = :labourer AND {condition}",
            {":labourer": self.labourer_id, ":now": now},
            ProjectionExpression="task_id, greenfield, created_at, completed_at",
            **more,
        )

    def retries(self) -> tuple[list[dict[str, Any]], bool]:
        """Rows that wait for their next attempt."""
        table, values = self.tables.retry_tasks_table, {":labourer": self.labourer_id}
        return self.queries.read(table, None, "labourer_id = :labourer", values, ProjectionExpression="task_id")

    def closed(self, now: int) -> tuple[ClosedSpan, ...]:
        """What the last hour, day and week have closed, from the newest rows."""
        counts = tuple(map(ClosedCounts, SPANS))
        known_since = now - max(span.seconds for span in SPANS)
        for end in End:
            found, bounded = self.queries.read(
                self.tables.closed_tasks_table,
                self.tables.closed_tasks_index,
                "labourer_id_task_status = :status AND closed_at > :from",
                {":status": f"{self.labourer_id}_{end.value}", ":from": now - max(span.seconds for span in SPANS)},
                ProjectionExpression="closed_at",
                ScanIndexForward=False,
            )
            if bounded and found:
                known_since = max(known_since, _number(found[-1], "closed_at"))
            for row in found:
                for each in counts:
                    step = _number(row, "closed_at") // each.span.step
                    completed, failed = each.counts.get(step, (0, 0))
                    is_completed = end is End.COMPLETED
                    each.counts[step] = (completed + is_completed, failed + (not is_completed))
        return tuple(replace(each, more=known_since > now - each.seconds) for each in _spans_of(counts, now))

    def estimate(self, head: list[dict[str, Any]], now: int) -> int | None:
        """All that wait, if the places behind the head are as far apart as those of the head (sosw rule 9)."""
        newest, _ = self.task_rows("greenfield <= :now", now, Limit=1, ScanIndexForward=False)
        places = [_number(row, "greenfield") for row in head]
        step = (places[-1] - places[0]) / (len(places) - 1) if len(places) > 1 else 0
        if not newest or step <= 0:
            return None
        return max(len(head), round((_number(newest[0], "greenfield") - places[0]) / step) + 1)
