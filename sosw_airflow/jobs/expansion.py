"""From a job to its tasks: the expansion of sosw's Scheduler (sosw rules 3 to 5), streaming.

The job is walked once to find every fault and again, for each base job, to emit. Both use the same `_Walk`, so that
what was checked is what is emitted. The walk yields `Leaf`s, runs of tasks which differ only in one attribute; memory
grows with the depth of a job and not with the number of its tasks.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sosw_airflow.exceptions import SHOWN, Fault, InvalidJob
from sosw_airflow.jobs.attributes import Attribute, attributes_of
from sosw_airflow.jobs.event import parse_event
from sosw_airflow.jobs.json_values import Path, dotted, json_faults
from sosw_airflow.jobs.periods import DataInterval, InvalidPeriod, resolve_period
from sosw_airflow.jobs.schema import JobSchema

__all__ = ["Expansion", "JobWarning", "Leaf", "expand"]

#: A flat list that nobody asked to chunk is cut at this length, as upstream does. Not configurable there, nor here.
_UNCHUNKED = 1_000_000

#: Names of the row, and of the parameters of upstream's ``create_task``: as a job's attribute they would change the row
#: or crash (sosw difference D9).
_ROW_NAMES = frozenset({"attempts", "created_at", "greenfield", "labourer", "labourer_id", "self", "strict", "task_id"})
_NOT_REALLY_TRUE = frozenset({"false", "no", "off", "0", "none", "null"})


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

    :param job: the job as given to sosw's Scheduler; a ``lambda_name`` is taken out.
    :param schema: the job schema that applies.
    :param reference_date: the day that "today" means in periods.
    :param data_interval: first and last day of the DAG run's interval, for ``"period": "data_interval"``.
    :ivar dates: the dates of the period as ``YYYY-MM-DD``; None where the job's period is not expanded.
    :ivar warnings: what the author of the job should know.
    :raises InvalidJob: names every fault with its path.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        *,
        schema: JobSchema | Mapping[str, Any],
        reference_date: date,
        data_interval: DataInterval | None = None,
    ) -> None:
        request = parse_event(job)
        self.schema = JobSchema.of(schema)
        self.job = request.job
        self.lambda_name = request.lambda_name
        self.dates: tuple[str, ...] | None = None
        self._attributes = attributes_of(self.schema.chunkable_attrs)
        found: list[str] = []
        faults = list(json_faults(self.job))
        if not faults:  # the rest of the checks relies on plain JSON
            faults = list(self._check(reference_date, data_interval, found))
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
        faults = list(_structure_faults(self.job, self._attributes, 0, (), found))
        yield from faults
        walk = _Walk(self._attributes)
        self._chunks = bool(self._attributes) and walk.needs(0, self.job, {}, {}, top=True)
        self._dated = (
            self._chunks
            or bool(self.job.get("isolate_days"))
            or not self._attributes
            or self.schema.expand_period == "always"
        )
        period = self.job.get("period")
        if period and self._dated:
            try:
                resolved = resolve_period(
                    period, schema=self.schema, reference_date=reference_date, data_interval=data_interval
                )
            except InvalidPeriod as error:
                yield Fault("period", str(error))
            else:
                self.dates = resolved.dates
                if resolved.warning:
                    found.append(f"period: {resolved.warning}")
        elif period:
            found.append(
                f"period: {period!r} reaches the worker raw, since nothing asks for chunking: set isolate_days, or "
                f"'expand_period': 'always' in the job schema, to have it turned into dates"
            )
        if faults:
            return  # the walk would stumble over the same places
        if self._chunks:
            for _ in walk.chunk(next(self._base_jobs()), {}, 0, ()):
                pass
            yield from walk.faults
            yield from walk.vanished()
        else:
            yield from _row_faults(self.job, ())


def expand(
    job: Mapping[str, Any],
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
        # For each attribute: where chunking was asked for in vain, and whether it was found anywhere (D5).
        self._missing: dict[str, list[Path]] = {}
        self._present: set[str] = set()

    def chunk(self, job: dict[str, Any], outer: dict[str, Any], level: int, path: Path) -> Iterator[Leaf]:
        """The leaves of one node: ``job`` is what stands at it, ``outer`` what is inherited from above."""
        self.faults.extend(_row_faults(job, path))
        attribute = self._attributes[level]
        name = attribute.spelling_in(job)
        if not self.needs(level, job, outer, {}, top=True):
            yield from self._unchunked(job, outer, attribute, name)
            return
        emitted, faults_before = False, len(self.faults)
        values = attribute.values_in(job)
        if values and name is not None:
            size = attribute.batch_size(job, outer) or 1
            base = {**outer, **{key: value for key, value in job.items() if key != name}}
            for leaf in self._chunked(values, base, size, level, (*path, name), listed=_listed(job[name])):
                emitted = True
                yield leaf
        if emitted:
            self._present.add(attribute.plural)
        elif len(self.faults) == faults_before:
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

    def vanished(self) -> Iterator[Fault]:
        """Attributes that are to be isolated, or cut into batches, but occur nowhere (D5)."""
        for name, paths in self._missing.items():
            if name not in self._present:
                where = ", ".join(dotted(path) or "the job itself" for path in paths[:3])
                more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
                yield Fault(
                    name,
                    f"is to be chunked, but has no values anywhere (looked for in {where}{more}): give it values, or "
                    f"take its isolate_... or max_..._per_batch out",
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
                self._fault(path, "must be a list of text and numbers, or an object, to be chunked")
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
                        (*here, name), f"must be an object or null where {plural} are chunked, not {_short(below)}"
                    )
                elif level + 1 < len(self._attributes):
                    yield from self.chunk(below, task, level + 1, (*here, name))
                else:
                    self.faults.extend(_row_faults(below, (*here, name)))
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


def _structure_faults(
    job: dict[str, Any], attributes: Sequence[Attribute], level: int, path: Path, found: list[str]
) -> Iterator[Fault]:
    """Both spellings at once (D2), sizes of batches that are none (D6), flags that are text, at every level."""
    for each in attributes:
        for name in each.sizes:
            if name in job and each.size_of(job[name]) is None:
                yield Fault(dotted((*path, name)), f"must be a whole number, 1 or more, not {_short(job[name])}")
        for name in each.flags:
            value = job.get(name)
            if isinstance(value, str) and value.strip().lower() in _NOT_REALLY_TRUE and len(found) < SHOWN:
                found.append(f"{dotted((*path, name))}: the text {value!r} counts as true; use false without quotes")
    if level == len(attributes):
        return
    attribute = attributes[level]
    if attribute.name in job and attribute.plural in job:
        yield Fault(
            dotted((*path, attribute.name)),
            f"stands beside {attribute.plural!r}, the other spelling of the same attribute: keep one of them",
        )
        return
    spelling = attribute.spelling_in(job)
    for position, value in enumerate(attribute.values_in(job)):
        if isinstance(value, dict) and spelling is not None:
            here = (*path, spelling, position) if _listed(job[spelling]) else (*path, spelling)
            for key, below in value.items():
                if isinstance(below, dict):
                    yield from _structure_faults(below, attributes, level + 1, (*here, key), found)


def _row_faults(job: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    """Attributes that would become attributes of the task but may not (D9)."""
    for name in sorted(_ROW_NAMES.intersection(job)):
        yield Fault(dotted((*path, name)), "is a name that sosw uses for its own rows: rename this attribute")
    payload = job.get("payload")
    if isinstance(payload, str) and not _merges(payload):
        yield Fault(dotted((*path, "payload")), "is JSON, but not of an object, so that it cannot be merged")


def _merges(payload: str) -> bool:
    try:
        return isinstance(json.loads(payload), dict)
    except ValueError:
        return True  # plain text, kept as the attribute ``payload``


def _listed(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
