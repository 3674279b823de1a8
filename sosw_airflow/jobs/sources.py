"""Sources in a job: ``{"words": {"$source": {"kind": "s3", ...}}}`` in place of a list of values.

Here a source is a document: found, checked, and replaced by its values. The room ``sources`` reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidJob
from sosw_airflow.jobs.attributes import Attribute, attributes_of
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_values import Path, dotted, json_faults
from sosw_airflow.jobs.rendered_texts import rendered_wrongly
from sosw_airflow.jobs.schema import JobSchema

__all__ = ["KINDS", "SOURCE", "Source", "SourcedJob", "find_sources", "is_source", "moment"]

#: The name that marks a source.
SOURCE = "$source"

_FLAT = frozenset({str, int, float, bool})

#: Sources of one job. Each is read on its own before the first task is made.
_MOST = 1000


@dataclass(frozen=True)
class Source:
    """One checked source.

    :ivar kind: which reader it needs.
    :ivar key: its JSON text; equal documents are one source.
    :ivar settings: the document without the kind.
    """

    kind: str
    key: str
    settings: Mapping[str, Any] = field(compare=False, hash=False)

    def get(self, name: str, default: Any = None) -> Any:
        """A setting, or the default if it is absent or null."""
        value = self.settings.get(name)
        return default if value is None else value

    @property
    def on_empty(self) -> str:
        """``fail``, ``skip`` or ``succeed``."""
        return str(self.get("on_empty", "fail"))

    @property
    def skips_bad_lines(self) -> bool:
        """Lines that cannot be used are counted and left out."""
        return bool(self.get("on_bad_line", "fail") == "skip")

    @property
    def connection(self) -> str | None:
        """The Connection that it names itself."""
        named: str | None = self.get("conn_id", self.get("aws_conn_id"))
        return named

    @property
    def name(self) -> str:
        """What it reads, for messages."""
        if self.kind == "sql":
            return f"the query of the Connection {self.settings['conn_id']!r}"
        column = self.get("column")
        return f"{self.settings['url']}, column {column!r}" if column is not None else str(self.settings["url"])


Check = Callable[[Any], "str | None"]


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return f"must be text, not {excerpt(value)}"
    wrong = rendered_wrongly(value)
    return wrong or None


def _url(value: Any) -> str | None:
    if not isinstance(value, str) or not re.fullmatch(r"s3://[^/]+/.+", value, re.DOTALL):
        return f"must be s3://bucket/key, not {excerpt(value)}"
    return None


def _prefix_url(value: Any) -> str | None:
    if not isinstance(value, str) or not re.fullmatch(r"s3://[^/]+(/.*)?", value, re.DOTALL):
        return f"must be s3://bucket/prefix, not {excerpt(value)}"
    return None


def _one_of(*allowed: str) -> Check:
    def check(value: Any) -> str | None:
        names = ", ".join(repr(each) for each in allowed)
        return None if isinstance(value, str) and value in allowed else f"must be one of {names}, not {excerpt(value)}"

    return check


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"must be true or false, not {excerpt(value)}"


def _character(value: Any) -> str | None:
    fits = isinstance(value, str) and len(value) == 1 and value not in '\r\n"'
    return None if fits else f"must be one character, not {excerpt(value)}"


def _column(value: Any) -> str | None:
    if (isinstance(value, str) and value) or (type(value) is int and value >= 1):
        return None
    return f"must be the name of a column, or its number from 1, not {excerpt(value)}"


def _moment(value: Any) -> str | None:
    if isinstance(value, str) and moment(value) is not None:
        return None
    return f"must be a date or a time as in ISO 8601, such as 2026-03-02T00:00:00+00:00, not {excerpt(value)}"


def _parameters(value: Any) -> str | None:
    flat = (str, int, float, bool, type(None))
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    fits = isinstance(value, (list, dict)) and all(isinstance(each, flat) for each in values)
    return None if fits else f"must be a list or an object of text and numbers, not {excerpt(value)}"


def moment(text: str) -> datetime | None:
    """A time in UTC from a text of ISO 8601; None if it is none. Without a time zone it is in UTC."""
    try:
        read = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
        return (read if read.tzinfo else read.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


_ON_EMPTY = _one_of("fail", "skip", "succeed")
_ON_BAD_LINE = _one_of("fail", "skip")
_VALUE = _one_of("url", "key")

#: Kind -> its settings. Those in `_REQUIRED` must be given.
KINDS: dict[str, dict[str, Check]] = {
    "s3": {
        "url": _url,
        "format": _one_of("csv", "jsonl", "json", "parquet"),
        "compression": _one_of("none", "gzip", "zstd"),
        "column": _column,
        "header": _flag,
        "delimiter": _character,
        "type": _one_of("text", "number"),
        "version_id": _text,
        "aws_conn_id": _text,
        "on_empty": _ON_EMPTY,
        "on_bad_line": _ON_BAD_LINE,
    },
    "s3_listing": {
        "url": _prefix_url,
        "suffix": _text,
        "modified_since": _moment,
        "modified_before": _moment,
        "value": _VALUE,
        "aws_conn_id": _text,
        "on_empty": _ON_EMPTY,
    },
    "s3_inventory": {
        "url": _url,
        "prefix": _text,
        "suffix": _text,
        "modified_since": _moment,
        "modified_before": _moment,
        "value": _VALUE,
        "aws_conn_id": _text,
        "on_empty": _ON_EMPTY,
        "on_bad_line": _ON_BAD_LINE,
    },
    "sql": {
        "conn_id": _text,
        "query": _text,
        "parameters": _parameters,
        "on_empty": _ON_EMPTY,
        "on_bad_line": _ON_BAD_LINE,
    },
}
_REQUIRED = frozenset({"url", "conn_id", "query"})


def is_source(value: object) -> bool:
    """Whether the value stands for those of a source."""
    return isinstance(value, dict) and len(value) == 1 and SOURCE in value


@dataclass(frozen=True)
class SourcedJob:
    """A job with at least one source, whose documents are checked.

    :ivar job: as it was given.
    :ivar sources: each once, with the path of the first place that has it.
    """

    job: dict[str, Any]
    sources: Mapping[Source, str]
    _attributes: tuple[Attribute, ...]

    @classmethod
    def of(cls, job: dict[str, Any], schema: JobSchema | Mapping[str, Any]) -> SourcedJob:
        """Find and check the sources of a job.

        :raises InvalidJob: names every fault of a source with its path.
        """
        attributes = attributes_of(JobSchema.of(schema).chunkable_attrs)
        found: dict[Source, str] = {}
        finder = _Finder(attributes)
        faults = finder.faults
        for path, document in finder.places(job):
            source = _source(path, document, faults)
            if source is not None:
                found.setdefault(source, dotted(path))
        if len(found) > _MOST:
            faults.append(Fault("", f"has {len(found):,} sources; a job may have {_MOST:,}: join them into fewer"))
        if faults:
            raise InvalidJob(faults)
        return cls(job, found, attributes)

    def with_values(self, values: Callable[[Source], Sequence[Any]]) -> dict[str, Any]:
        """The job with the values of each source in its place. What stands in several places still does."""
        copies: dict[tuple[int, int], dict[str, Any]] = {}
        return self._filled(self.job, 0, copies, values)

    def _filled(
        self,
        node: dict[str, Any],
        level: int,
        copies: dict[tuple[int, int], dict[str, Any]],
        values: Callable[[Source], Sequence[Any]],
    ) -> dict[str, Any]:
        if level == len(self._attributes):
            return node
        key = (id(node), level)
        if key in copies:
            return copies[key]
        name = self._attributes[level].spelling_in(node)
        if name is None:
            return node

        def filled(names: Any) -> Any:
            if not isinstance(names, dict):
                return names
            return {
                each: self._filled(below, level + 1, copies, values) if isinstance(below, dict) else below
                for each, below in names.items()
            }

        given = node[name]
        if is_source(given):
            made: Any = values(_source((), given[SOURCE], []))  # type: ignore[arg-type]  # it was checked
        elif isinstance(given, (list, tuple)) and any(isinstance(each, dict) for each in given):
            made = [filled(each) for each in given]
        else:
            made = filled(given)
        copies[key] = copy = {each: made if each == name else value for each, value in node.items()}
        return copy

    def with_stand_ins(self) -> dict[str, Any]:
        """The job with one value in the place of each source: to check all the rest before anything is read."""
        return self.with_values(lambda _: [1])


def find_sources(job: dict[str, Any], schema: JobSchema | Mapping[str, Any]) -> SourcedJob | None:
    """The sources of a job; None if it has none.

    :raises InvalidJob: names every fault of a source with its path.
    :raises InvalidJobSchema: the schema has faults.
    """
    sourced = SourcedJob.of(job, schema)
    return sourced if sourced.sources else None


class _Finder:
    """Finds the places of a job that have a source. A source elsewhere is a fault.

    :ivar faults: of the sources.
    """

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        self._attributes = attributes
        self._searched: set[tuple[int, int]] = set()
        self.faults: list[Fault] = []

    def places(self, node: Mapping[Any, Any], level: int = 0, path: Path = ()) -> Iterator[tuple[Path, Any]]:
        """The path and the document of each source in an object of a level, and below it."""
        attributes = self._attributes
        if (id(node), level) in self._searched or level > len(attributes):
            return
        self._searched.add((id(node), level))
        name = attributes[level].spelling_in(node) if level < len(attributes) else None
        for each, value in node.items():
            if each != name and is_source(value):
                known = ", ".join(one.plural for one in attributes) or "none"
                problem = f"is a source, but no chunkable attribute of the job schema ({known}) at its place"
                self._fault((*path, str(each)), f"{problem}: give the value itself, or correct the name")
        if name is None:
            return
        given = node[name]
        if is_source(given):
            yield (*path, name), given[SOURCE]
            return
        listed = isinstance(given, (list, tuple))
        if listed and set(map(type, given)) <= _FLAT:  # decided without a step of Python for each value
            return
        for position, value in enumerate(given if listed else [given]):
            here: Path = (*path, name, position) if listed else (*path, name)
            if is_source(value):
                self._fault(here, "is a source among other values: give the source in place of the whole list")
            elif isinstance(value, dict):
                yield from self._places_below(value, level, here)

    def _places_below(self, values: dict[Any, Any], level: int, path: Path) -> Iterator[tuple[Path, Any]]:
        for key, below in values.items():
            here = (*path, key if isinstance(key, (str, int)) else str(key))
            if is_source(below):
                self._fault(here, "is a source in place of an object: a source gives the values of an attribute")
            elif isinstance(below, dict):
                yield from self.places(below, level + 1, here)

    def _fault(self, path: Path, problem: str) -> None:
        self.faults.append(Fault(dotted(path), problem))


def _source(path: Path, document: Any, faults: list[Fault]) -> Source | None:
    """The source that a document describes; None, and its faults, if it has any."""
    place = dotted((*path, SOURCE)) if path else SOURCE
    if not isinstance(document, dict):
        faults.append(Fault(place, f"must be an object such as {{'kind': 's3', ...}}, not {excerpt(document)}"))
        return None
    known = ", ".join(KINDS)
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        faults.append(Fault(f"{place}.kind", f"must be one of {known}, not {excerpt(kind)}"))
        return None
    wrong = [Fault(f"{place}.{fault.path}", fault.problem) for fault in json_faults(document)]
    wrong += [Fault(f"{place}.{name}", problem) for name, problem in _problems(kind, document)]
    if wrong:
        faults += wrong
        return None
    settings = {name: value for name, value in document.items() if name != "kind" and value is not None}
    return Source(kind, json.dumps({"kind": kind, **settings}, sort_keys=True), settings)


def _problems(kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    checks = KINDS[kind]
    for name in checks:
        if name in _REQUIRED and document.get(name) is None:
            yield name, f"is missing: a source of the kind {kind!r} needs it"
    for name, value in document.items():
        if name == "kind" or value is None:
            continue
        if name not in checks:
            yield str(name), f"is no setting of the kind {kind!r}; these are: {', '.join(checks)}"
            continue
        problem = checks[name](value)
        if problem:
            yield name, problem
