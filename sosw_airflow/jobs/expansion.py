"""From a job to its tasks: the expansion of sosw's Scheduler (sosw rules 3 to 5), streaming.

The job is walked once to find every fault and again, for each base job, to emit. Both use the same `_Walk`, so that
what was checked is what is emitted. The walk yields `Leaf`s, runs of tasks which differ only in one attribute; memory
grows with the depth of a job and not with the number of its tasks.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidJob
from sosw_airflow.jobs.attributes import Attribute, attributes_of
from sosw_airflow.jobs.event import JobRequest, parse_event
from sosw_airflow.jobs.job_checks import ROW_NAMES, excerpt, is_listed, row_faults, structure_faults, untrue_text
from sosw_airflow.jobs.json_values import Path, as_json, dotted, json_faults
from sosw_airflow.jobs.periods import DataInterval, InvalidPeriod, resolve_period
from sosw_airflow.jobs.schema import JobSchema

__all__ = ["Expansion", "JobWarning", "Leaf", "expand"]

#: A flat list that nobody asked to chunk is cut at this length, as upstream does. Not configurable there, nor here.
_UNCHUNKED = 1_000_000

_FLAG = re.compile(r"isolate_\w+|max_\w+_per_batch")


class JobWarning(UserWarning):
    """The job is accepted, but may not mean what its author thinks."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Tasks that differ in one attribute only.

    :ivar base: attributes that all of them have; not to be changed.
    :ivar attribute: the plural name of the attribute that varies, or None for the single task ``base``.
    :ivar values: its values, of which each task gets the next ``size``.
    """

    base: dict[str, Any]
    attribute: str | None = None
    values: list[Any] = field(default_factory=list)
    size: int = 1

    def tasks(self) -> Iterator[dict[str, Any]]:
        """The tasks, in order. They share nested values with the job."""
        if self.attribute is None:
            yield self.base
            return
        for start in range(0, len(self.values), self.size):
            yield {**self.base, self.attribute: self.values[start : start + self.size]}


class Expansion:
    """A checked job, ready to be expanded as often as one likes.

    :param job: the job as given to sosw's Scheduler, whose ``lambda_name`` is taken out; or what `parse_event` made of
        it.
    :param schema: the job schema that applies.
    :param reference_date: the day that "today" means in periods.
    :param data_interval: first and last day of the DAG run's interval, for ``"period": "data_interval"``.
    :ivar dates: the dates of the period as ``YYYY-MM-DD``; None where the job's period is not expanded.
    :ivar warnings: what the author of the job should know.
    :raises InvalidJob: names every fault with its path.
    """

    def __init__(
        self,
        job: Mapping[str, Any] | str | bytes | JobRequest,
        *,
        schema: JobSchema | Mapping[str, Any],
        reference_date: date,
        data_interval: DataInterval | None = None,
    ) -> None:
        request = job if isinstance(job, JobRequest) else parse_event(job)
        self.schema = JobSchema.of(schema)
        self.job = request.job
        self.lambda_name = request.lambda_name
        self.dates: tuple[str, ...] | None = None
        self._attributes = attributes_of(self.schema.chunkable_attrs)
        found: list[str] = []
        faults = list(json_faults(self.job))
        if faults:
            self.job = as_json(self.job)  # only to look for more faults, in other places
        places = {fault.path for fault in faults}
        faults += [one for one in self._check(reference_date, data_interval, found) if one.path not in places]
        if faults:
            raise InvalidJob(faults[:1000], total=len(faults))
        self.warnings = tuple(found)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The tasks' payload attributes, in sosw's order. They share nested values with the job: do not change them."""
        for leaf in self.leaves():
            yield from leaf.tasks()

    def leaves(self) -> Iterator[Leaf]:
        """The same tasks as runs."""
        for base in self._base_jobs():
            if self._chunks:
                yield from _Walk(self._attributes).chunk(base, {}, 0, ())
            else:
                yield Leaf(base)

    @property
    def passed_whole(self) -> bool:
        """The job becomes one task as it is, ``period`` and flags raw (the gate of sosw rule 3)."""
        return not self._chunks and not self._dated

    def _base_jobs(self) -> Iterator[dict[str, Any]]:
        if self.passed_whole:
            yield dict(self.job)
            return
        job = {name: value for name, value in self.job.items() if name not in ("period", "isolate_days")}
        if self.dates is None:
            yield job
        elif self.job.get("isolate_days"):
            for day in self.dates:
                yield {**job, "date_list": [day]}
        else:
            yield {**job, "date_list": list(self.dates)}

    def _check(self, reference_date: date, data_interval: DataInterval | None, found: list[str]) -> Iterator[Fault]:
        faults = list(structure_faults(self.job, self._attributes, 0, (), found))
        walk = _Walk(self._attributes)
        self._chunks = bool(self._attributes) and walk.needs(0, self.job, {}, {}, top=True)
        isolate_days = self.job.get("isolate_days")
        self._dated = (
            self._chunks or bool(isolate_days) or not self._attributes or self.schema.expand_period == "always"
        )
        found.extend(untrue_text(("isolate_days",), isolate_days))
        found.extend(self._idle_flags())
        faults += self._resolve_period(reference_date, data_interval, found)
        if self._chunks:
            for _ in walk.chunk(next(self._base_jobs()), {}, 0, ()):
                pass
            faults += walk.faults
            yield from faults
            if not faults:  # else a faulty place may be why
                yield from walk.vanished(self.job)
        else:
            yield from faults
            yield from row_faults(self.job, ())

    def _resolve_period(
        self, reference_date: date, data_interval: DataInterval | None, found: list[str]
    ) -> Iterator[Fault]:
        period = self.job.get("period")
        if not period:
            return
        if not self._dated:
            found.append(
                f"period: {period!r} reaches the worker raw, since nothing asks for chunking: set isolate_days, or "
                f"'expand_period': 'always' in the job schema, to have it turned into dates"
            )
            return
        try:
            resolved = resolve_period(
                period, schema=self.schema, reference_date=reference_date, data_interval=data_interval
            )
        except InvalidPeriod as error:
            yield Fault("period", str(error))
            return
        self.dates = resolved.dates
        if resolved.warning:
            found.append(f"period: {resolved.warning}")

    def _idle_flags(self) -> Iterator[str]:
        """Flags of the job itself that look like a request for chunking but are none."""
        for name, value in self.job.items():
            if not value or name == "isolate_days" or not _FLAG.fullmatch(name):
                continue
            level = next((n for n, each in enumerate(self._attributes) if name in each.flags_at_top), None)
            if level is None:
                known = ", ".join(each.name for each in self._attributes) or "none"
                yield f"{name}: is for no chunkable attribute of the job schema ({known}), so it changes nothing"
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


class _Walk:
    """One pass over a base job (sosw rule 5). Faults are collected; a faulty place emits nothing."""

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        self._attributes = attributes
        self.faults: list[Fault] = []
        # For each attribute: where chunking was asked for in vain (D5).
        self._missing: dict[str, list[Path]] = {}

    def chunk(self, job: dict[str, Any], outer: dict[str, Any], level: int, path: Path) -> Iterator[Leaf]:
        """The leaves of one node: ``job`` is what stands at it, ``outer`` what is inherited from above."""
        self.faults.extend(row_faults(job, path))
        attribute = self._attributes[level]
        name = attribute.spelling_in(job)
        if name is not None and name != attribute.plural and attribute.plural in ROW_NAMES:
            self._fault((*path, name), f"becomes {attribute.plural!r}, a name of sosw's own rows: rename it")
        if not self.needs(level, job, outer, {}, top=True):
            yield from self._unchunked(job, outer, attribute, name)
            return
        emitted, faults_before = False, len(self.faults)
        values = attribute.values_in(job)
        if values and name is not None:
            size = attribute.batch_size(job, outer) or 1
            base = {**outer, **{key: value for key, value in job.items() if key != name}}
            for leaf in self._chunked(values, base, size, level, (*path, name), listed=is_listed(job[name])):
                emitted = True
                yield leaf
        if not emitted and len(self.faults) == faults_before:
            # Upstream loses this task (D5).
            self._missing.setdefault(attribute.plural, []).append(path)
            yield Leaf({**outer, **job})

    def needs(
        self, level: int, job: Mapping[str, Any], outer: Mapping[str, Any], flags: Mapping[str, Any], *, top: bool
    ) -> bool:
        """Does this node or one below it ask for chunking? An outer flag beats an inner one (sosw rule 5.4)."""
        attribute = self._attributes[level]
        flags = {**attribute.flags_of(job), **attribute.flags_of(outer), **flags}
        if any(flags.get(flag) for flag in (attribute.flags_at_top if top else attribute.flags)):
            return True
        if level + 1 == len(self._attributes):
            return False
        return any(
            isinstance(below, dict) and self.needs(level + 1, below, {}, flags, top=False)
            for value in attribute.values_in({**job, **outer} if attribute.spelling_in(outer) else job)
            if isinstance(value, dict)  # a flat list is not chunked at this level (D3)
            for below in value.values()
        )

    def vanished(self, job: dict[str, Any]) -> Iterator[Fault]:
        """Attributes that are to be isolated, or cut into batches, but occur nowhere in the job (D5)."""
        for name, paths in self._missing.items():
            if not self._occurs(name, job, 0):
                where = ", ".join(dotted(path) or "the job itself" for path in paths[:3])
                more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
                yield Fault(
                    name,
                    f"is to be chunked, but has no values anywhere (looked for in {where}{more}): give it values, or "
                    f"take its isolate_... or max_..._per_batch out",
                )

    def _occurs(self, name: str, node: dict[str, Any], level: int) -> bool:
        """Whether the attribute has values in this node or below it, chunked or not."""
        attribute = self._attributes[level]
        values = [value for value in attribute.values_in(node) if value != {}]
        if attribute.plural == name:
            return bool(values)
        return any(
            isinstance(below, dict) and self._occurs(name, below, level + 1)
            for value in values
            if isinstance(value, dict)
            for below in value.values()
        )

    def _unchunked(
        self, job: dict[str, Any], outer: dict[str, Any], attribute: Attribute, name: str | None
    ) -> Iterator[Leaf]:
        if name is None:
            yield Leaf({**outer, **job})
            return
        rest = {key: value for key, value in job.items() if key != name}
        value = job[name]
        flat = _flat(value) if value else None
        if flat is not None:
            yield Leaf({**outer, **rest}, attribute.plural, flat, _UNCHUNKED)  # siblings are kept (D4)
        elif value:
            yield Leaf({**outer, **rest, name: value})  # moves to the end, as upstream has it
        else:
            yield Leaf({**outer, **rest})

    def _chunked(
        self, values: list[Any], base: dict[str, Any], size: int, level: int, path: Path, *, listed: bool
    ) -> Iterator[Leaf]:
        plural = self._attributes[level].plural
        if not all(isinstance(value, dict) for value in values):
            flat = _flat(values)
            if flat is None:
                wrong = next(value for value in values if not isinstance(value, (str, int, float)))
                self._fault(
                    path,
                    f"cannot be chunked: a list must have only text and numbers, or only objects, but one of its "
                    f"values is {excerpt(wrong)}",
                )
            else:
                yield Leaf(base, plural, flat, size)
            return
        for position, value in enumerate(values):
            here = (*path, position) if listed else path
            if all(below is None for below in value.values()):
                if value:
                    yield Leaf(base, plural, list(value), size)
                continue
            for name, below in value.items():
                task = {**base, plural: [name]}
                if below is None:
                    yield Leaf(task)
                elif not isinstance(below, dict):
                    self._fault(
                        (*here, name), f"must be an object or null where {plural} are chunked, not {excerpt(below)}"
                    )
                elif level + 1 < len(self._attributes):
                    yield from self.chunk(below, task, level + 1, (*here, name))
                else:
                    self.faults.extend(row_faults(below, (*here, name)))
                    yield Leaf({**task, **below})

    def _fault(self, path: Path, problem: str) -> None:
        self.faults.append(Fault(dotted(path), problem))


def _flat(value: Any) -> list[Any] | None:
    """The flat values of a list or of an object of nulls; None where there is more to them."""
    if isinstance(value, (list, tuple)):
        if not all(isinstance(item, (str, int, float)) for item in value):
            return None
        return value if isinstance(value, list) else list(value)
    if isinstance(value, dict):
        if all(below is None for below in value.values()):
            return list(value)
        if len(value) == 1:
            return [value]
    return None
