"""A second implementation of the expansion, written from the rules alone, with a switch for each defect of upstream.

It shares nothing with `sosw_airflow.jobs`. With no mending it must be the real sosw; with all of them it must be
`sosw_airflow`. What separates the two for a job is then exactly the set of entries that matter for that job.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

#: The entries in which sosw_airflow means to differ: the list of differences, the gate of dates (section 3), periods
#: without dates (rule 4.1) and the new forms of a period.
MENDINGS = frozenset({"D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D12", "gate", "no_dates", "new_periods"})

_BATCH = 1_000_000
_ROW_NAMES = {"labourer_id", "task_id", "greenfield", "created_at", "attempts", "strict", "labourer", "self"}


class Refused(Exception):
    """The job is refused by an entry of `MENDINGS`, or by upstream too."""


class InvalidValues(Refused):
    """Values that cannot be flattened."""


def expand(job: Node, attrs: tuple[str, ...], today: dt.date, mended: frozenset[str] = frozenset()) -> list[Node]:
    """The tasks of a job (without `lambda_name`), without the labourer. Any exception is a refusal."""
    return _Model(attrs, today, mended).tasks(job)


class _Model:
    def __init__(self, attrs: tuple[str, ...], today: dt.date, mended: frozenset[str]) -> None:
        self.attrs = attrs
        self.today = today
        self.mended = mended
        self.missing: set[str] = set()

    def tasks(self, job: Node) -> list[Node]:
        self.refuse(job)
        if not self.attrs and "D8" not in self.mended:
            raise IndexError("list index out of range")
        chunked = bool(self.attrs) and self.needs(self.attrs[0] + "s", job)
        dated = chunked
        if "gate" in self.mended:
            dated = dated or bool(job.get("isolate_days"))
        if "D8" in self.mended:
            dated = dated or not self.attrs
        result = [job]
        if dated:
            result = self.dates(job)
        if chunked:
            result = [task for base in result for task in self.chunk(base, {}, self.attrs[0])]
        self.refuse_tasks(result, job)
        return result

    # -- refusals that upstream does not know

    def refuse(self, job: Node) -> None:
        if "D12" in self.mended and not _is_json(job):
            raise Refused("D12")
        for node, level in self.nodes(job, 0):
            attr = self.attrs[level] if level < len(self.attrs) else None
            if "D2" in self.mended and attr is not None and attr in node and attr + "s" in node:
                raise Refused("D2")
            for name in self.attrs if "D6" in self.mended else ():
                for key in (f"max_{name}s_per_batch", f"max_{name}_per_batch"):
                    if key in node and not _is_batch(node[key]):
                        raise Refused("D6")

    def nodes(self, node: Node, level: int) -> Iterator[tuple[Node, int]]:
        """Every place of the job where attributes of a level are looked for."""
        yield node, level
        if level < len(self.attrs):
            attr = self.attrs[level]
            for value in self.values(node, attr + "s"):
                for below in value.values() if isinstance(value, dict) else ():
                    if isinstance(below, dict):
                        yield from self.nodes(below, level + 1)

    def refuse_tasks(self, tasks: list[Node], job: Node) -> None:
        if "D9" in self.mended:
            for task in tasks:
                if _ROW_NAMES & task.keys() or not _merges(task.get("payload")):
                    raise Refused("D9")
        if "D5" in self.mended:
            occurring = {
                self.attrs[level]
                for node, level in self.nodes(job, 0)
                if level < len(self.attrs) and self.values(node, self.attrs[level] + "s") not in ([], [{}])
            }
            if self.missing - occurring or not tasks:
                raise Refused("D5")

    # -- section 4

    def dates(self, job: Node) -> list[Node]:
        base = {key: value for key, value in job.items() if key not in ("period", "isolate_days")}
        period = job.get("period")
        if not period:
            return [base]
        days = [str(day) for day in self.days(period)]
        if not days and ("no_dates" in self.mended or job.get("isolate_days")):
            raise Refused("no_dates")
        if job.get("isolate_days"):
            return [{**base, "date_list": [day]} for day in days]
        return [{**base, "date_list": days}]

    def days(self, period: Any) -> list[dt.date]:  # noqa: PLR0911 - one for each form
        def back(first: int, last: int) -> list[dt.date]:
            return [self.today - dt.timedelta(days=n) for n in range(first, last, -1)]

        if "new_periods" in self.mended:
            if isinstance(period, dict):
                return _between(period["start"], period["end"])
            if isinstance(period, str) and re.fullmatch(r"\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d", period):
                return _between(*period.split(".."))
        if match := re.match(r"last_(\d+)_days", period):
            return back(int(match[1]), 0)
        if match := re.match(r"(\d+)_days_back", period):
            return back(int(match[1]), int(match[1]) - 1)
        if re.match("yesterday", period):
            return back(1, 0)
        if re.match("today", period):
            return back(0, -1)
        if match := re.match(r"previous_(\d+)_days", period):
            return back(2 * int(match[1]), int(match[1]))
        if re.match("last_week", period):
            sunday = self.today.weekday() + 8
            return back(sunday, sunday - 7)
        raise Refused(f"period {period!r}")

    # -- section 5

    def values(self, node: Node, name: str) -> list[Any]:
        value = node.get(name) or node.get(name.rstrip("s"))
        if not value:
            return []
        return list(value) if isinstance(value, (list, tuple, set)) else [value]

    def needs(self, x: str, node: Node) -> bool:
        forms = sorted({x, x.rstrip("s"), x + "s"})
        flags = {key: value for key, value in node.items() if re.match(r"isolate_\w*|max_\w*_per_batch", key)}
        if any(node.get(f"isolate_{form}") or node.get(f"max_{form}_per_batch") for form in forms):
            return True
        following = self.following(x)
        if following is None:
            return False
        for form in forms:
            for value in self.values(node, form):
                if "D3" in self.mended and not isinstance(value, dict):
                    continue
                for below in value.values():
                    if isinstance(below, dict) and self.needs(following, {**below, **flags}):
                        return True
        return False

    def following(self, name: str) -> str | None:
        level = self.attrs.index(name.rstrip("s"))
        return self.attrs[level + 1] if level + 1 < len(self.attrs) else None

    def chunk(self, job: Node, skeleton: Node, attr: str) -> list[Node]:
        plural = attr + "s"
        size = self.size(job, skeleton, attr)
        whole = {**job, **skeleton}
        if "D1" in self.mended and {attr, plural} & skeleton.keys():
            # What is inherited beats the node's own, in whichever spelling.
            whole = {key: value for key, value in whole.items() if key not in (attr, plural) or key in skeleton}
        if self.needs(plural, whole):
            tasks = self.chunked(job, skeleton, attr, 1 if size is None else size)
            if not tasks and "D5" in self.mended:
                self.missing.add(attr)
                return [{**skeleton, **job}]
            return tasks
        job = dict(job)
        for name in sorted({attr, plural}):
            if name in job:
                value = job.pop(name)
                if value:
                    try:
                        flat = _flat(value)
                    except InvalidValues:
                        job[name] = value
                        break
                    base = {**skeleton, **job} if "D4" in self.mended else skeleton
                    return _pushed(flat, _BATCH if size is None else size, base, plural)
        return [{**skeleton, **job}]

    def chunked(self, job: Node, skeleton: Node, attr: str, size: int) -> list[Node]:
        plural = attr + "s"
        following = self.following(attr)
        names = sorted({attr, plural})
        if "D1" in self.mended:
            names = [name for name in (plural, attr) if name in job]
        tasks: list[Node] = []
        for name in names:
            values = self.values(job, name)
            if not values:
                continue
            base = {**skeleton, **{key: value for key, value in job.items() if key != name}}
            if not all(isinstance(value, dict) for value in values):
                tasks += _pushed(_flat(values), size, base, plural)
                continue
            for value in values:
                if all(below is None for below in value.values()):
                    tasks += _pushed(list(value), size, base, plural)
                    continue
                for key, below in value.items():
                    task = {**base, plural: [key]}
                    if below is None:
                        tasks.append(task)
                    elif not isinstance(below, dict):
                        raise InvalidValues(key)
                    elif following is None:
                        tasks.append({**task, **below})
                    else:
                        tasks += self.chunk(below, task, following)
        return tasks

    def size(self, job: Node, skeleton: Node, attr: str) -> int | None:
        """The batch size that is asked for. Unmended, a million is the default, and the singular is not seen."""
        keys = [f"max_{attr}s_per_batch"]
        if "D7" in self.mended:
            keys.append(f"max_{attr}_per_batch")
        for node in (job, skeleton):
            for key in keys:
                if key in node:
                    size = int(node[key])
                    return None if size == _BATCH and "D7" not in self.mended else size
        return None


def _pushed(values: list[Any], size: int, base: Node, plural: str) -> list[Node]:
    return [{**base, plural: values[start : start + size]} for start in range(0, len(values), size)]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, set)):
        if all(isinstance(item, (str, int, float)) for item in value):
            return list(value)
    elif isinstance(value, dict):
        if all(below is None for below in value.values()):
            return list(value)
        if len(value) == 1:
            return [value]
    raise InvalidValues(value)


def _between(first: str, last: str) -> list[dt.date]:
    start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    if end < start:
        raise Refused("new_periods")
    return [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _is_batch(value: Any) -> bool:
    """A whole number of at least 1; digits as a string are fine."""
    if isinstance(value, str):
        return value.strip().isdigit() and int(value) >= 1
    return not isinstance(value, bool) and isinstance(value, (int, float)) and value >= 1 and value == int(value)


def _merges(payload: Any) -> bool:
    """Whether sosw can make one object of this `payload` and the other attributes."""
    if not isinstance(payload, str):
        return True
    try:
        return isinstance(json.loads(payload), dict)
    except ValueError:
        return True
