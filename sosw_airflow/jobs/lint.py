"""What the author of a job should check before it is scheduled, though it is a valid document.

`Expansion.warnings` has what every schedule warns of; here is what only a plan has the time for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sosw_airflow.exceptions import SHOWN
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.attributes import MAX_BYTES, Attribute, attributes_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.json_values import Path, dotted
from sosw_airflow.jobs.streamed_values import StreamedValues

__all__ = ["Advice", "advice_on"]

_FLAG = re.compile(r"isolate_\w+|max_\w+_per_batch")

#: Names with a meaning of their own, beside the attributes and flags of a schema.
_NAMES = ("period", "isolate_days", "job_schema_name", MAX_BYTES)

#: How much of a name another one must share to be taken for a misspelling of it. Below, "scores" would be "stores".
_ALIKE = 0.86


@dataclass(frozen=True)
class Advice:
    """:ivar warnings: the job may not mean what its author thinks.  :ivar notes: what is worth knowing."""

    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def advice_on(expansion: Expansion, reference_date: date) -> Advice:
    """Everything worth saying about a checked job, that of `Expansion.warnings` included."""
    spelling = dict(_Names(expansion.schema.chunkable_attrs).found_in(expansion.job))
    # What is known to be a misspelling need not be reported as a flag without effect as well.
    warnings = [text for text in expansion.warnings if text.partition(":")[0] not in spelling]
    warnings += [f"{path}: {problem}" for path, problem in list(spelling.items())[:SHOWN]]
    warnings += _about_dates(expansion, reference_date)
    return Advice(tuple(warnings), tuple(_notes(expansion)))


def _about_dates(expansion: Expansion, reference_date: date) -> Iterator[str]:
    job, dates = expansion.job, expansion.dates
    if dates is None:
        if job.get("isolate_days") and not job.get("period"):
            yield "isolate_days: changes nothing, since the job has no period"
        return
    if len(dates) > 1 and not job.get("isolate_days"):
        yield (
            f"period: is not isolated, so each task gets all {len(dates)} dates in its date_list; "
            f"isolate_days makes a task for each date"
        )
    later = [day for day in dates if day > reference_date.isoformat()]
    if later:
        yield (
            f"period: {len(later)} of its {counted(len(dates), 'date')} lie after the reference date ({later[0]} is "
            f"the first): there may be no data for them yet"
        )


def _notes(expansion: Expansion) -> Iterator[str]:
    job, attributes = expansion.job, attributes_of(expansion.schema.chunkable_attrs)
    chunkable = {each.spelling_in(job) for each in attributes} - {None}
    if expansion.passed_whole:
        several = [str(name) for name in sorted(map(str, chunkable)) if _length(job[name]) > 1]
        if several:
            yield f"nothing asks for chunking: {', '.join(several)} go into one task as they are"
        return
    if expansion.limits_bytes:
        limit = job.get(MAX_BYTES, expansion.schema.max_bytes_per_batch)
        most = "the bytes that its part of the job allows" if limit is None else f"{int(limit):,} bytes"
        yield f"{MAX_BYTES}: a batch ends before the JSON text of its values exceeds {most}"
    for name, value in job.items():
        if name not in chunkable and name not in ("period", "payload") and _length(value) > 1:
            known = ", ".join(each.name for each in attributes) or "none"
            yield f"{name}: is not in the job schema ({known}), so that each task gets all of it"


def _length(value: object) -> int:
    return len(value) if isinstance(value, (list, tuple, dict, StreamedValues)) else 0


class _Names:
    """Finds names in a job that read as a flag or an attribute but are none."""

    def __init__(self, chunkable_attrs: Sequence[str]) -> None:
        self._attributes: tuple[Attribute, ...] = attributes_of(chunkable_attrs)
        names = {name for each in self._attributes for name in (each.name, each.plural)}
        self._known = names.union(_NAMES, *(each.flags_at_top for each in self._attributes))
        # What to propose: the plural spelling, which this documentation uses.
        wanted = [*_NAMES, *(each.plural for each in self._attributes)]
        wanted += [f"isolate_{each.plural}" for each in self._attributes]
        wanted += [f"max_{each.plural}_per_batch" for each in self._attributes]
        self._wanted = {_plain(name): name for name in wanted}

    def found_in(self, job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Path and problem of each suspicious name."""
        yield from self._node(job, 0, ())

    def _node(self, node: Mapping[str, Any], level: int, path: Path) -> Iterator[tuple[str, str]]:
        for name in node:
            problem = None if name in self._known else self._problem(name, top=not path)
            if problem:
                yield dotted((*path, name)), problem
        if level == len(self._attributes):
            return
        attribute = self._attributes[level]
        spelling = attribute.spelling_in(node)
        for value in attribute.values_in(node):
            if isinstance(value, dict) and spelling is not None:
                for key, below in value.items():
                    if isinstance(below, dict):
                        yield from self._node(below, level + 1, (*path, spelling, key))

    def _problem(self, name: str, *, top: bool) -> str | None:
        close = difflib.get_close_matches(_plain(name), self._wanted, n=1, cutoff=_ALIKE)
        if close:
            return f"has no meaning to sosw and goes into the tasks as it is; {self._wanted[close[0]]!r} may be meant"
        if not top and _FLAG.fullmatch(name):
            known = ", ".join(each.name for each in self._attributes) or "none"
            return f"is for no chunkable attribute of the job schema ({known}), so it changes nothing"
        return None


def _plain(name: str) -> str:
    """The name without case and separators, which people vary most."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
