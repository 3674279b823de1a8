"""What a job costs on AWS, estimated: units of DynamoDB, requests to S3 and Lambda, GB-seconds, and their prices.

Pure arithmetic over the sizes of the rows. Each function below is one piece of work, with a comment for each request
of the code that does it. `python -m benchmarks cost` compares the sums with what an AWS in memory counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil

from sosw_airflow.jobs.closing_overlap import overlap_at
from sosw_airflow.jobs.rows import row_size_of_line

__all__ = [
    "JobShape",
    "Labour",
    "Prices",
    "Usage",
    "invoking",
    "orchestrating",
    "polling",
    "reading_results",
    "so_far",
    "writing",
]

_WRITE_UNIT, _READ_UNIT = 1024, 4096

#: A transaction takes two write units for what another write takes one for; the entry of an index takes one in both.
_TRANSACTION = 2

#: A read takes half a unit unless it is consistent.
_EVENTUAL = 0.5

#: Bytes of a row that `row_size_of_line` allows for its three numbers, and that they do not have.
_SPARE = 47

#: Bytes that a row has more: once it is claimed (``queued_as``, ``claimed_by``), reported, closed.
_CLAIMED, _REPORTED, _CLOSED = 75, 17, 50

#: Bytes of an entry in the index of closed tasks.
_CLOSING = 130

#: Write units of the header: put, `written`. Read units before the first page: header, markers, the queue.
_HEADER_WRITES, _FIRST_READS = 2, 2.5

#: Bytes that a line of the results has beside payload and result.
_RESULT = 250

#: Bytes of one part of an upload, and of one reading of a queue file.
_PART, _CHUNK = 6 * 1024 * 1024, 4 * 1024 * 1024

#: Seconds between two turns of an orchestrator, at the least and at the most, and between two beats of its lease.
_SHORT_TURN, _TURN, _BEAT = 1.0, 5.0, 15.0

#: GB-seconds of one run of the assistant: 128 MB for a tenth of a second.
_ASSISTANT = 0.0125


@dataclass(frozen=True)
class Usage:
    """What AWS counts and charges, of one piece of work. The names are those of the prices."""

    write_units: float = 0.0
    read_units: float = 0.0
    s3_writes: float = 0.0
    s3_reads: float = 0.0
    lambda_requests: float = 0.0
    gb_seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(mine + theirs for mine, theirs in zip(self.amounts(), other.amounts(), strict=True)))

    def __sub__(self, other: Usage) -> Usage:
        return self + other * -1

    def __mul__(self, factor: float) -> Usage:
        return Usage(*(factor * each for each in self.amounts()))

    @classmethod
    def of(cls, stored: object) -> Usage:
        """From what `stored` has made; what is no amount counts as 0, as of another version."""
        amounts = stored if isinstance(stored, Mapping) else {}
        return cls(*(_amount(amounts.get(each.name)) for each in fields(cls)))

    def stored(self) -> dict[str, float]:
        """For JSON, exactly; an amount of 0 is left out."""
        return {each.name: amount for each in fields(self) if (amount := getattr(self, each.name))}

    def amounts(self) -> tuple[float, ...]:
        """The amounts in the order of the fields."""
        return tuple(getattr(self, each.name) for each in fields(self))

    def as_dict(self) -> dict[str, float]:
        """For JSON, rounded: units and requests to whole ones."""
        whole = {each.name: round(getattr(self, each.name)) for each in fields(self) if each.name != "gb_seconds"}
        return {**whole, "gb_seconds": round(self.gb_seconds, 2)}


@dataclass(frozen=True)
class Prices:
    """A dated table of list prices.

    :ivar per_million: the price of a million of each field of `Usage`.
    :ivar as_of: the day of the table, as YYYY-MM-DD.
    """

    per_million: Mapping[str, float]
    currency: str
    region: str
    as_of: str

    def of(self, usage: Usage) -> float:
        """The price of this usage, in the currency of the table. Free tiers are not taken off."""
        each = zip((self.per_million[field.name] for field in fields(usage)), usage.amounts(), strict=True)
        return sum(price * amount for price, amount in each) / 1e6


@dataclass(frozen=True)
class JobShape:
    """The sizes of a job.

    :ivar row_bytes: how many rows have which size, in bytes as `row_size_of_line` gives them.
    :ivar queue_file_bytes: of the plan in S3.
    :ivar with_meta: each task has a row in the meta table too.
    """

    row_bytes: Mapping[int, int]
    pages: int
    queue_file_bytes: int
    with_meta: bool = False

    @classmethod
    def of_queue_file(cls, *, tasks: int, size: int, pages: int, with_meta: bool = False) -> JobShape:
        """From what the record of a job says. All rows count as if they had the mean size."""
        mean = row_size_of_line(size // max(tasks, 1) - 1)
        return cls({mean: tasks}, pages, size, with_meta)

    @property
    def tasks(self) -> int:
        """Rows of the job."""
        return sum(self.row_bytes.values())

    def writes(self, more: int = 0) -> int:
        """Write units of all rows, each with so many bytes more."""
        return sum(rows * _units(size - _SPARE + more, _WRITE_UNIT) for size, rows in self.row_bytes.items())

    def reads(self, more: int = 0) -> float:
        """Read units of all rows if they are read one by one."""
        return sum(rows * _units(size - _SPARE + more, _READ_UNIT) for size, rows in self.row_bytes.items())

    def scanned(self, more: int = 0) -> float:
        """Read units of all rows if queries read many at once, where only their bytes count."""
        return _EVENTUAL * sum(rows * (size - _SPARE + more) for size, rows in self.row_bytes.items()) / _READ_UNIT


@dataclass(frozen=True)
class Labour:
    """How the tasks are done.

    :ivar seconds: that a task takes; None if that is not known: no GB-seconds then, and a turn of 5 s for each task.
    :ivar memory: of the function, in MB.
    :ivar limit: invocations at once.
    :ivar attempts: invocations, of a task on average.
    :ivar assistant: a task is invoked asynchronously, and its end reported by the assistant.
    :ivar result_bytes: that are stored for a task.
    :ivar poll_interval: seconds between two polls.
    """

    seconds: float | None = None
    memory: int = 128
    limit: int = 10
    attempts: float = 1.0
    assistant: bool = True
    result_bytes: int = 20
    poll_interval: float = 60.0

    def run_seconds(self, tasks: int) -> float:
        """That all tasks take, by this limit; a place that becomes free is filled at the next turn."""
        return ceil(tasks * self.attempts / self.limit) * max(self.seconds or _TURN, _SHORT_TURN)


def writing(shape: JobShape) -> Usage:
    """Schedule the job: the plan, the header, the pages."""
    rows = shape.writes()
    parts = ceil(shape.queue_file_bytes / _PART)
    return Usage(
        write_units=_TRANSACTION * rows
        + rows  # the index of the queue
        + _TRANSACTION * shape.pages
        + _HEADER_WRITES
        + (_TRANSACTION * shape.tasks if shape.with_meta else 0),
        read_units=_FIRST_READS,
        s3_writes=_uploads(parts),
        s3_reads=ceil(shape.queue_file_bytes / _CHUNK) if parts > 1 else 0,
    )


def invoking(shape: JobShape, labour: Labour) -> Usage:
    """Run the labourer's function, invoked by Airflow or by sosw."""
    invocations = shape.tasks * labour.attempts
    return Usage(
        lambda_requests=invocations,
        gb_seconds=invocations * (labour.seconds or 0.0) * labour.memory / 1024,
    )


def orchestrating(shape: JobShape, labour: Labour) -> Usage:
    """Claim, report and close every task by Airflow's orchestrator, without the invocations of the function."""
    reported = _CLAIMED + _REPORTED + labour.result_bytes
    claim = shape.writes(_CLAIMED) + shape.writes() + shape.writes(_CLAIMED)  # the row, its entry at two places
    report = 2 * shape.writes(reported)
    close = shape.writes(reported - _CLAIMED + _CLOSED) + shape.tasks  # the archive and its index
    remove = 2 * shape.writes(reported)
    # Out of the queue and back, both as transactions: the row, the index of the queue, that of the retry table.
    retry = 2 * 2 * (_TRANSACTION + 1) * shape.writes()
    again = labour.attempts - 1
    seconds = labour.run_seconds(shape.tasks)
    # A turn reads the rows that run and those that come next. Of a long task it reads the row in many turns.
    turns_of_a_task = max(1.0, (labour.seconds or 0.0) / _TURN)
    turns = seconds / min(max(labour.seconds or _TURN, _SHORT_TURN), _TURN)
    return Usage(
        write_units=(claim + report) * labour.attempts + close + remove + retry * again + seconds / _BEAT,
        read_units=(shape.scanned() + turns_of_a_task * shape.scanned(_CLAIMED)) * labour.attempts
        + turns * 2 * _EVENTUAL,
        lambda_requests=shape.tasks * labour.attempts * labour.assistant,
        gb_seconds=shape.tasks * labour.attempts * labour.assistant * _ASSISTANT,
    )


def polling(shape: JobShape, labour: Labour) -> Usage:
    """Wait until the job is over."""
    seconds = labour.run_seconds(shape.tasks)
    polls = max(1.0, seconds / labour.poll_interval)
    again = 1 + min(polls - 1, overlap_at(shape.tasks / max(seconds, 1.0)) / labour.poll_interval)
    closings = _EVENTUAL * shape.tasks * _CLOSING / _READ_UNIT
    return Usage(read_units=polls * 3 * _EVENTUAL + closings * again)  # header, completed, failed


def reading_results(shape: JobShape, labour: Labour) -> Usage:
    """Read every closed row, and write the files of the results."""
    parts = ceil((shape.queue_file_bytes + shape.tasks * (_RESULT + labour.result_bytes)) / _PART)
    return Usage(
        read_units=_EVENTUAL * shape.reads(_CLOSED + _REPORTED + labour.result_bytes),
        s3_writes=2 + _uploads(parts),  # `failed.jsonl` and the manifest are small
    )


def so_far(shape: JobShape, labour: Labour, closed: int) -> dict[str, Usage]:
    """What a job that is in the queue has used, by pieces of work: ``schedule``, ``invoke``, ``orchestrate``.

    :param closed: its tasks that are closed; the others count as if they had used nothing yet.
    """
    share = closed / shape.tasks
    return {
        "schedule": writing(shape),
        "invoke": invoking(shape, labour) * share,
        "orchestrate": orchestrating(shape, labour) * share,
    }


def _amount(value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e15 else 0.0  # type: ignore[arg-type, operator]


def _uploads(parts: int) -> int:
    """Requests for an object of so many parts: a multipart upload has a beginning and an end."""
    return 1 if parts <= 1 else parts + 2


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))
