"""What a job would become, without writing it: the figures of `sosw-airflow plan`.

One pass over the expansion, with the very lines and pages that the writer would make. Memory does not grow with the
number of tasks: it counts at most `MOST_VALUES` different values of an attribute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timezone
from itertools import islice
from json.encoder import JSONEncoder, encode_basestring_ascii
from typing import Any

from sosw_airflow.exceptions import QueueFull
from sosw_airflow.jobs.cost import JobShape
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.greenfield import STEP, place_at_back
from sosw_airflow.jobs.lint import advice_on
from sosw_airflow.jobs.pages import PageCutter, PageLimits, write_units
from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.jobs.rows import DYNAMODB_ITEM_LIMIT, LAMBDA_PAYLOAD_LIMIT, LineCodec, row_size_of_line

__all__ = ["MOST_VALUES", "AttributePlan", "DayPlan", "JobPlan", "WriteUnits", "WritingTerms", "plan_job"]

#: Different values of one attribute that are counted.
MOST_VALUES = 10_000

#: A transaction takes two write units for what another write takes one for.
_TRANSACTION = 2

#: Write units a second of one partition, and a labourer's queue is one partition of the index.
_PARTITION = 1000.0

#: Rows whose sizes differ by less than so many bytes count as equal.
_SIZES = 16

_quoted = encode_basestring_ascii
_encode = JSONEncoder().encode


@dataclass(frozen=True)
class WritingTerms:
    """How the job would be written.

    :ivar pages: the limits of a page.
    :ivar units_per_second: plain write units of rows that the tables take, None for tables on demand.
    :ivar pages_per_second: that the table of job records takes, None if it is on demand.
    :ivar rows_per_second: the user's own limit, if any.
    :ivar with_meta: each task has a row in the meta table too.
    """

    pages: PageLimits = field(default_factory=PageLimits)
    units_per_second: float | None = None
    pages_per_second: float | None = None
    rows_per_second: float | None = None
    with_meta: bool = False
    lambda_payload_limit: int = LAMBDA_PAYLOAD_LIMIT


@dataclass(frozen=True)
class DayPlan:
    """:ivar dates: one date, or several as ``first .. last (n)``.  :ivar tasks: that have exactly these dates."""

    dates: str
    tasks: int


@dataclass(frozen=True)
class AttributePlan:
    """A chunkable attribute.

    :ivar name: its plural name, as in the tasks.
    :ivar tasks: those that have it.
    :ivar values: how many different values; None for more than `MOST_VALUES`.
    :ivar most_in_a_task: the largest number of values in one task.
    :ivar frequent: the values with the most tasks, and their numbers of tasks.
    """

    name: str
    tasks: int
    values: int | None
    most_in_a_task: int
    frequent: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class WriteUnits:
    """DynamoDB's write units for the whole job."""

    tasks_table: int
    index: int
    jobs_table: int
    meta_table: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.tasks_table + self.index + self.jobs_table + self.meta_table


@dataclass(frozen=True)
class JobPlan:
    """What a job would become.

    :ivar days: in the order of the tasks; empty if the tasks have no dates.
    :ivar first: payloads of the first tasks; ``last`` of the last ones that are not among them.
    :ivar row_bytes: smallest, mean and largest row, as DynamoDB counts.
    :ivar largest_task: the number, from 1, of the task with the largest row.
    :ivar largest_payload: bytes of its payload.
    :ivar queue_file_bytes: size of the plan in S3.
    :ivar seconds: that the writing takes, estimated.
    :ivar greenfield_step: distance of two tasks in an empty queue; None if they do not fit.
    :ivar shape: the sizes, for the costs.
    """

    labourer_id: str
    reference_date: str
    chunkable_attrs: tuple[str, ...]
    tasks: int
    days: tuple[DayPlan, ...]
    attributes: tuple[AttributePlan, ...]
    first: tuple[dict[str, Any], ...]
    last: tuple[dict[str, Any], ...]
    row_bytes: tuple[int, float, int]
    row_limit: int
    largest_task: int
    largest_payload: int
    payload_limit: int
    pages: int
    write_units: WriteUnits
    queue_file_bytes: int
    seconds: float
    greenfield_step: int | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    shape: JobShape

    def as_dict(self) -> dict[str, Any]:
        """The plan for JSON."""
        document = asdict(self)
        del document["shape"]
        smallest, mean, largest = self.row_bytes
        document["row_bytes"] = {"smallest": smallest, "mean": round(mean, 1), "largest": largest}
        document["write_units"]["total"] = self.write_units.total
        document["seconds"] = round(self.seconds, 1)
        for each in document["attributes"]:
            each["frequent"] = dict(each["frequent"])
        return document


def plan_job(
    expansion: Expansion,
    *,
    labourer_id: str,
    reference_date: date,
    terms: WritingTerms | None = None,
    samples: int = 3,
) -> JobPlan:
    """Go through all tasks of a job and count.

    :param samples: how many of the first and of the last tasks the plan has.
    :raises TaskTooLarge: a task does not fit; the same error as the writer's.
    """
    terms = terms or WritingTerms()
    codec = LineCodec(labourer_id, lambda_payload_limit=terms.lambda_payload_limit)
    sizes = _Sizes(codec)
    cutter = PageCutter(terms.pages)
    days = _Days()
    attributes = [_Values(f"{name}s") for name in expansion.schema.chunkable_attrs]
    first: list[dict[str, Any]] = []
    last: deque[dict[str, Any]] = deque(maxlen=samples)
    tasks = units = line_bytes = largest_task = 0
    largest_line, smallest = "", None
    rows: dict[int, int] = {}
    for task in expansion:
        size = sizes.of(task, tasks)
        if size > len(largest_line):  # also refuses a task that is too large
            largest_line, largest_task = codec.line(task, tasks), tasks
        cutter.begins_page(size)
        units += write_units(size)
        line_bytes += size
        rows[size // _SIZES] = rows.get(size // _SIZES, 0) + 1
        if smallest is None or size < smallest:
            smallest = size
        days.see(task.get("date_list"))
        for each in attributes:
            each.see(task)
        if tasks < samples:
            first.append(task)
        else:
            last.append(task)
        tasks += 1
    write = WriteUnits(
        tasks_table=_TRANSACTION * units,
        index=units,
        jobs_table=_TRANSACTION * cutter.pages,
        meta_table=_TRANSACTION * tasks if terms.with_meta else 0,
    )
    step = _step(tasks, labourer_id, reference_date)
    advice = advice_on(expansion, reference_date)
    return JobPlan(
        labourer_id=labourer_id,
        reference_date=reference_date.isoformat(),
        chunkable_attrs=expansion.schema.chunkable_attrs,
        tasks=tasks,
        days=tuple(days.found()),
        attributes=tuple(each.found() for each in attributes),
        first=tuple(map(redacted, first)),
        last=tuple(map(redacted, last)),
        row_bytes=(
            row_size_of_line(smallest or 0),
            row_size_of_line(0) + line_bytes / max(tasks, 1),
            row_size_of_line(len(largest_line)),
        ),
        row_limit=DYNAMODB_ITEM_LIMIT,
        largest_task=largest_task + 1,
        largest_payload=len(codec.payload(largest_line)) if largest_line else 0,
        payload_limit=terms.lambda_payload_limit,
        pages=cutter.pages,
        write_units=write,
        queue_file_bytes=line_bytes + tasks,
        seconds=_seconds(terms, tasks=tasks, units=units, pages=cutter.pages),
        greenfield_step=step,
        warnings=(*advice.warnings, *_room_warning(step)),
        notes=advice.notes,
        shape=JobShape(
            {row_size_of_line(_SIZES * size + _SIZES // 2): number for size, number in rows.items()},
            cutter.pages,
            line_bytes + tasks,
            terms.with_meta,
        ),
    )


class _Sizes:
    """Lengths of lines, without making them: what a task shares with the one before it is measured once."""

    def __init__(self, codec: LineCodec) -> None:
        self._codec = codec
        self._beside = len(codec.line({"a": 1}, 0)) - len('{"a": 1}')
        self._known: dict[str, tuple[Any, int]] = {}

    def of(self, task: dict[str, Any], index: int) -> int:
        """The length of the task's line, as `LineCodec.line` makes it."""
        if not task or "payload" in task:  # a payload may be refused when it is merged
            return len(self._codec.line(task, index))
        size, known = self._beside, self._known
        for name, value in task.items():
            measured = known.get(name)
            if measured is None or measured[0] is not value:
                known[name] = measured = (value, len(_quoted(name)) + _length(value) + len(": , "))
            size += measured[1]
        return size


def _length(value: Any) -> int:
    """The length of the value's JSON text."""
    if type(value) is list and len(value) == 1 and type(value[0]) is str:  # most tasks differ in such a one
        return len(_quoted(value[0])) + 2
    return len(_encode(value))


class _Days:
    """Counts tasks by their dates. Consecutive tasks share their list of dates, so a list is read once."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Any, ...], int] = {}
        self._list: Any = None
        self._run = 0

    def see(self, dates: Any) -> None:
        if dates is not self._list:
            self._close()
            self._list = dates
        self._run += 1

    def found(self) -> Iterator[DayPlan]:
        self._close()
        for dates, tasks in self._counts.items():
            yield DayPlan(f"{dates[0]} .. {dates[-1]} ({len(dates)})" if len(dates) > 1 else str(dates[0]), tasks)

    def _close(self) -> None:
        if self._run and isinstance(self._list, list) and self._list:
            key = tuple(map(str, self._list))
            self._counts[key] = self._counts.get(key, 0) + self._run
        self._run = 0


class _Values:
    """Counts tasks by the values of one attribute; the values of an outer level come in runs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._counts: dict[str, int] = {}
        self._list: Any = None
        self._run = self._tasks = self._most = 0
        self._more = False

    def see(self, task: dict[str, Any]) -> None:
        values = task.get(self._name)
        if values is not self._list:
            self._close()
            self._list = values
        self._run += 1

    def found(self) -> AttributePlan:
        self._close()
        frequent = sorted(self._counts.items(), key=lambda each: -each[1])
        return AttributePlan(
            self._name,
            self._tasks,
            None if self._more else len(self._counts),
            self._most,
            tuple((redacted({self._name: value})[self._name], tasks) for value, tasks in frequent[:5]),
        )

    def _close(self) -> None:
        values, run, self._run = self._list, self._run, 0
        if not values or not run:
            return
        values = values if isinstance(values, (list, tuple, dict)) else [values]
        self._tasks += run
        self._most = max(self._most, len(values))
        counts = self._counts
        for value in islice(values, MOST_VALUES + 1):
            name = value if type(value) is str else str(value)
            if name in counts:
                counts[name] += run
            elif len(counts) < MOST_VALUES:
                counts[name] = run
            else:
                self._more = True


def _step(tasks: int, labourer_id: str, reference_date: date) -> int | None:
    """The distance of the tasks in an empty queue, on the reference date."""
    noon = datetime(reference_date.year, reference_date.month, reference_date.day, 12, tzinfo=timezone.utc)
    try:
        return place_at_back(None, max(tasks, 1), now=int(noon.timestamp()), labourer_id=labourer_id).step
    except QueueFull:
        return None


def _room_warning(step: int | None) -> Iterator[str]:
    if step is None:
        yield "the job has more tasks than the queue of a labourer has places: split it"
    elif step < STEP:
        yield (
            f"the job fills the queue of its labourer to the brim (its tasks stand {step} apart instead of {STEP}): "
            f"the next job has to wait until they are at work"
        )


def _seconds(terms: WritingTerms, *, tasks: int, units: int, pages: int) -> float:
    rates = (
        (units, terms.units_per_second or _PARTITION),
        (pages, terms.pages_per_second),
        (tasks, terms.rows_per_second),
    )
    return max(amount / rate for amount, rate in rates if rate)
