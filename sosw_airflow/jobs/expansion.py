"""From a job to its tasks: the expansion of sosw's Scheduler (sosw rules 3 to 5), streaming.

The job is cut once to find every fault and to count, and again, for each base job, to emit. Both use the same
`Chunker`, so what was checked and counted is what is emitted. It yields `TaskSeries`s, runs of tasks which differ only
in one attribute; memory grows with the depth of a job and not with the number of its tasks.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidJob, TooManyTasks
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.attributes import MAX_BYTES, attributes_of, limits_bytes
from sosw_airflow.jobs.chunking import Chunker, Node
from sosw_airflow.jobs.counting import Multiplier, TaskCount, count_tasks
from sosw_airflow.jobs.event import JobRequest, parse_event
from sosw_airflow.jobs.excerpts import excerpt, printable
from sosw_airflow.jobs.job_checks import row_faults, structure_faults, unfit_for_a_task, untrue_text
from sosw_airflow.jobs.json_values import JsonCheck, as_json
from sosw_airflow.jobs.list_types import ListTypes
from sosw_airflow.jobs.periods import DataInterval, DayRange, InvalidPeriod, resolve_period
from sosw_airflow.jobs.rows import DYNAMODB_ITEM_LIMIT
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.jobs.streamed_values import StreamedValues, as_lists, is_empty_source
from sosw_airflow.jobs.task_series import SiblingSeries, TaskSeries

__all__ = ["Expansion", "JobWarning", "expand"]

_FLAG = re.compile(r"isolate_\w+|max_\w+_per_batch")

#: Dates that fit into one task, at 14 characters each: more are refused before they are made.
_MOST_DATES_IN_A_TASK = DYNAMODB_ITEM_LIMIT // 14


class JobWarning(UserWarning):
    """The job is accepted, but may not mean what its author thinks."""


class Expansion:
    """A checked job, ready to be expanded as often as one likes.

    :param job: the job as given to sosw's Scheduler, whose ``lambda_name`` is taken out; or what `parse_event` made of
        it.
    :param schema: the job schema that applies.
    :param reference_date: the day that "today" means in periods.
    :param data_interval: first and last day of the DAG run's interval, for ``"period": "data_interval"``.
    :param max_tasks: a job of more tasks is refused, None for no limit.
    :ivar dates: the dates of the period as ``YYYY-MM-DD``; None if the job's period is not expanded.
    :ivar tasks: the number of tasks.
    :ivar limits_bytes: ``max_bytes_per_batch`` holds for some of its batches.
    :ivar warnings: what the author of the job should know.
    :raises InvalidJob: names every fault with its path.
    :raises TooManyTasks: the job has more tasks than ``max_tasks``.
    """

    def __init__(
        self,
        job: Mapping[str, Any] | str | bytes | JobRequest,
        *,
        schema: JobSchema | Mapping[str, Any],
        reference_date: date,
        data_interval: DataInterval | None = None,
        max_tasks: int | None = None,
    ) -> None:
        request = job if isinstance(job, JobRequest) else parse_event(job)
        self.schema = JobSchema.of(schema)
        self.job = request.job
        self.lambda_name = request.lambda_name
        self.dates: tuple[str, ...] | None = None
        self.tasks = 0
        self.limits_bytes = False
        self._attributes = attributes_of(self.schema.chunkable_attrs)
        self._days: DayRange | tuple[str, ...] | None = None
        self._count = TaskCount(1)
        found: list[str] = []
        self._types = ListTypes()
        self._streamed = False
        check = JsonCheck(self.job, types=self._types)
        faults, total = check.faults, check.total
        if check.endless:
            raise InvalidJob(faults, total=total)
        shared, self._streamed = check.shared, check.streamed
        if faults:
            self.job = as_json(self.job)  # only to search for more faults, in other places
            self._types = ListTypes()
            shared = JsonCheck(self.job).shared
        places = {fault.path for fault in faults}
        checked = self._check(reference_date, data_interval, found, shared)
        more = [one for one in checked if one.path not in places]
        if faults or more:
            raise InvalidJob([*faults, *more][:1000], total=total + len(more))
        self._limit_tasks(max_tasks)
        self.warnings = tuple(found)
        if self._streamed and not self._chunks:
            self.job = as_lists(self.job)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The tasks' payload attributes, in sosw's order. They share nested values with the job: do not change them."""
        for leaf in self.leaves():
            yield from leaf.tasks()

    def leaves(self) -> Iterator[TaskSeries | SiblingSeries]:
        """The same tasks as runs."""
        for base in self._base_jobs():
            yield from self._leaves_of(base)

    @property
    def isolated_days(self) -> tuple[str, ...]:
        """The dates of which each has all tasks again; none if the tasks have no dates, or all dates at once."""
        return self.dates if self.dates is not None and self.job.get("isolate_days") else ()

    def leaves_of_a_day(self, date_list: list[str]) -> Iterator[TaskSeries | SiblingSeries]:
        """The runs of one of the `isolated_days`. They are the same for each but for this very list."""
        yield from self._leaves_of({**self._undated_job(), "date_list": date_list})

    def _leaves_of(self, base: dict[str, Any]) -> Iterator[TaskSeries | SiblingSeries]:
        if self._chunks:
            yield from self._chunker(checked=True).chunk(Node(base, {}))
        else:
            yield TaskSeries(base)

    def _chunker(self, *, checked: bool, shared: AbstractSet[int] = frozenset()) -> Chunker:
        limit = self.schema.max_bytes_per_batch
        return Chunker(
            self._attributes,
            self._types,
            checked=checked,
            shared=shared,
            max_bytes=limit,
            streamed=self._streamed,
        )

    @property
    def passed_whole(self) -> bool:
        """The job becomes one task as it is, ``period`` and flags raw (the gate of sosw rule 3)."""
        return not self._chunks and not self._dated

    def _base_jobs(self) -> Iterator[dict[str, Any]]:
        if not self.tasks:
            return
        if self.passed_whole:
            yield dict(self.job)
            return
        job = self._undated_job()
        if self.dates is None:
            yield job
        elif self.isolated_days:
            for day in self.isolated_days:
                yield {**job, "date_list": [day]}
        else:
            yield {**job, "date_list": list(self.dates)}

    def _undated_job(self) -> dict[str, Any]:
        return {name: value for name, value in self.job.items() if name not in ("period", "isolate_days")}

    def _check(
        self,
        reference_date: date,
        data_interval: DataInterval | None,
        found: list[str],
        shared: AbstractSet[int],
    ) -> Iterator[Fault]:
        faults = list(structure_faults(self.job, self._attributes, 0, (), found, types=self._types))
        chunker = self._chunker(checked=False, shared=shared)
        self._chunks = bool(self._attributes) and chunker.needs(0, self.job, {}, {}, top=True)
        isolate_days = self.job.get("isolate_days")
        self._dated = (
            self._chunks or bool(isolate_days) or not self._attributes or self.schema.expand_period == "always"
        )
        found.extend(untrue_text(("isolate_days",), isolate_days))
        found.extend(self._idle_flags())
        faults += self._resolve_period(reference_date, data_interval, found)
        if self._chunks:
            base = self._undated_job() | ({} if self._days is None else {"date_list": []})
            self._count = count_tasks(chunker, self._attributes, base, shared)
            faults += chunker.faults
            self.limits_bytes = chunker.limited
            yield from faults
            if not faults:  # else a faulty place may be why
                yield from chunker.vanished(self.job)
        else:
            yield from faults
            yield from row_faults(self.job, ())
            yield from self._check_whole_values()
        if MAX_BYTES in self.job and limits_bytes(self._attributes) and not chunker.batched:
            found.append(f"{MAX_BYTES}: changes nothing, since no max_..._per_batch cuts values into batches")

    def _check_whole_values(self) -> Iterator[Fault]:
        """The values of a source, of which one task gets all."""
        for attribute in self._attributes:
            name = attribute.spelling_in(self.job)
            values = self.job[name] if name is not None else None
            if is_empty_source(values):
                self._count = TaskCount(0)
            elif name is not None and isinstance(values, StreamedValues) and (unfit := unfit_for_a_task(values)):
                yield Fault(name, unfit)

    def _limit_tasks(self, max_tasks: int | None) -> None:
        """Set the number of tasks and their dates, and refuse too many."""
        days, multipliers = self._days, list(self._count.multipliers)
        self.tasks = self._count.tasks
        if days is not None and self.job.get("isolate_days"):
            self.tasks *= len(days)
            multipliers.append(Multiplier(f"isolate_days (period {excerpt(self.job['period'])})", len(days)))
        if max_tasks is not None and self.tasks > max_tasks:
            most = max(multipliers, key=lambda each: each.factor)
            raise TooManyTasks(tasks=self.tasks, max_tasks=max_tasks, multiplier=str(most))
        self.dates = None if days is None else tuple(days)

    def _resolve_period(
        self, reference_date: date, data_interval: DataInterval | None, found: list[str]
    ) -> Iterator[Fault]:
        period = self.job.get("period")
        if not period:
            return
        if not self._dated:
            found.append(
                f"period: {excerpt(period)} reaches the worker raw, since nothing asks for chunking: set isolate_days, "
                f"or 'expand_period': 'always' in the job schema, to have it turned into dates"
            )
            return
        try:
            resolved = resolve_period(
                period, schema=self.schema, reference_date=reference_date, data_interval=data_interval
            )
        except InvalidPeriod as error:
            yield Fault("period", str(error))
            return
        self._days = resolved.days
        if len(self._days) > _MOST_DATES_IN_A_TASK and not self.job.get("isolate_days"):
            problem = f"has {counted(len(self._days), 'day')}, which are more dates than a task has room for"
            yield Fault("period", f"{problem}: give a shorter one, or isolate_days")
        if resolved.warning:
            found.append(f"period: {resolved.warning}")

    def _idle_flags(self) -> Iterator[str]:
        """Flags of the job itself that read as a request for chunking but are none."""
        for name, value in self.job.items():
            if not value or name in ("isolate_days", MAX_BYTES) or not _FLAG.fullmatch(name):
                continue
            level = next((n for n, each in enumerate(self._attributes) if name in each.flags_at_top), None)
            if level is None:
                known = ", ".join(each.name for each in self._attributes) or "none"
                problem = f"is for no chunkable attribute of the job schema ({known}), so it changes nothing"
                yield f"{printable(name)}: {problem}"
            elif not self._chunks:
                *outer, attribute = (each.plural for each in self._attributes[: level + 1])
                place = "".join(f"{each}.<name>." for each in outer)
                yield f"{name}: changes nothing, since there are no {attribute} where they belong, {place}{attribute}"


def expand(
    job: Mapping[str, Any] | str | bytes | JobRequest,
    *,
    schema: JobSchema | Mapping[str, Any],
    reference_date: date,
    data_interval: DataInterval | None = None,
) -> Iterator[dict[str, Any]]:
    """The tasks of a job: what sosw's Scheduler (0.7.51) would put into its queue file, without ``labourer_id``.

    The job is checked at the call; the tasks are made while one iterates. What the author should know comes as a
    `JobWarning`. See `Expansion` for the parameters.

    :raises InvalidJob: names every fault with its path.
    :raises InvalidJobSchema: likewise for the schema.

    >>> from datetime import date
    >>> job = {"topics": {"cars": {"words": ["bmw", "audi"]}}, "isolate_words": True, "period": "yesterday"}
    >>> for task in expand(job, schema={"chunkable_attrs": ["topic", "word"]}, reference_date=date(2026, 3, 2)):
    ...     print(task)
    {'isolate_words': True, 'date_list': ['2026-03-01'], 'topics': ['cars'], 'words': ['bmw']}
    {'isolate_words': True, 'date_list': ['2026-03-01'], 'topics': ['cars'], 'words': ['audi']}
    """
    expansion = Expansion(job, schema=schema, reference_date=reference_date, data_interval=data_interval)
    for text in expansion.warnings:
        warnings.warn(text, JobWarning, stacklevel=2)
    return iter(expansion)
