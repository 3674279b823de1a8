"""Job schemas: which attributes of a job are chunkable, from the outermost to the innermost (sosw rules 2.1 to 2.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.exceptions import SHOWN, Fault, InvalidJobSchema
from sosw_airflow.jobs.attributes import batch_size_of
from sosw_airflow.jobs.excerpts import excerpt, printable
from sosw_airflow.jobs.period_functions import import_path_problem

__all__ = ["SETTINGS", "JobSchema", "PeriodFunction"]

#: ``function(period, reference_date)`` → the dates of the period, as `datetime.date` or ``YYYY-MM-DD``.
PeriodFunction = Callable[..., Iterable[Any]]

#: Names that a job already uses for its dates.
_RESERVED = frozenset({"day", "period", "date_list"})

#: The keys of a schema's document that mean something here.
SETTINGS = frozenset({"chunkable_attrs", "expand_period", "custom_period_patterns", "max_bytes_per_batch"})


@dataclass(frozen=True)
class JobSchema:
    """The ordered chunkable attributes of a kind of job.

    :ivar chunkable_attrs: singular names, outermost first, e.g. ``("section", "store", "product")``. Empty: a job is
        never chunked by attributes, only by its dates.
    :ivar expand_period: ``"chunked"`` (as upstream: a period becomes dates if the job is chunked or
        ``isolate_days`` is set), or ``"always"``.
    :ivar custom_period_patterns: pairs of a regular expression, which matches the whole period, and a function or the
        import path of one (``"package.module:function"``). They are tried after the built-in patterns (sosw rule 4.3).
    :ivar period_modules: prefixes of the modules that an import path may name. None: all, since a DAG file that makes
        a `JobSchema` is code itself.
    :ivar max_bytes_per_batch: of the JSON text of a batch's values, for jobs that give none. None: no limit.
    :raises InvalidJobSchema: names every fault.
    """

    chunkable_attrs: tuple[str, ...] = ()
    expand_period: str = "chunked"
    custom_period_patterns: tuple[tuple[str, str | PeriodFunction], ...] = field(default=())
    period_modules: tuple[str, ...] | None = field(default=None, compare=False, repr=False)
    max_bytes_per_batch: int | None = None

    def __post_init__(self) -> None:
        faults = list(_attribute_faults(self.chunkable_attrs))
        # A list is as good as a tuple, a mapping as good as its pairs.
        if not faults:
            object.__setattr__(self, "chunkable_attrs", tuple(self.chunkable_attrs))
        if isinstance(self.custom_period_patterns, Mapping):
            object.__setattr__(self, "custom_period_patterns", tuple(self.custom_period_patterns.items()))
        if self.expand_period not in ("chunked", "always"):
            faults.append(Fault("expand_period", f"must be 'chunked' or 'always', not {excerpt(self.expand_period)}"))
        faults += _pattern_faults(self.custom_period_patterns, self.period_modules)
        if self.max_bytes_per_batch is not None:
            size = batch_size_of(self.max_bytes_per_batch)
            if size is None:
                problem = f"must be a whole number of bytes, 1 or more, not {excerpt(self.max_bytes_per_batch)}"
                faults.append(Fault("max_bytes_per_batch", problem))
            object.__setattr__(self, "max_bytes_per_batch", size)
        if faults:
            raise InvalidJobSchema(faults)

    @classmethod
    def of(cls, schema: JobSchema | Mapping[str, Any], *, period_modules: Sequence[str] = ()) -> JobSchema:
        """A schema from itself or from upstream's form, ``{"chunkable_attrs": [["section", {}], "store"]}``.

        Only the first element of each entry counts (sosw rule 2.2). ``{}`` has no chunkable attributes. Other keys
        are passed over, so that a schema of upstream can be pasted.

        :param period_modules: prefixes of the modules whose functions a document may name for its custom periods.
        """
        if isinstance(schema, JobSchema):
            return schema
        if not isinstance(schema, Mapping):
            raise InvalidJobSchema([Fault("", f"must be a JobSchema or a mapping, not {type(schema).__name__}")])
        faults = []
        if schema and not SETTINGS.intersection(schema):
            given = ", ".join(printable(str(name)) for name in list(schema)[:SHOWN])
            faults.append(Fault("", f"must have 'chunkable_attrs' (a list of singular names), but has only: {given}"))
        entries = schema.get("chunkable_attrs", ())
        if not isinstance(entries, (list, tuple)):
            faults += _attribute_faults(entries)
            entries = ()
        patterns = schema.get("custom_period_patterns", {})
        if not isinstance(patterns, Mapping):
            problem = "must map each pattern to a function's import path 'package.module:function'"
            faults.append(Fault("custom_period_patterns", f"{problem}, not {excerpt(patterns)}"))
            patterns = {}
        if faults:
            raise InvalidJobSchema(faults)
        return cls(
            tuple(entry[0] if isinstance(entry, (list, tuple)) and entry else entry for entry in entries),
            schema.get("expand_period", "chunked"),
            tuple(patterns.items()),
            tuple(period_modules),
            schema.get("max_bytes_per_batch"),
        )

    def as_dict(self) -> dict[str, Any]:
        """The schema in the form that `of` reads, for storing and comparing."""
        document: dict[str, Any] = {"chunkable_attrs": list(self.chunkable_attrs)}
        if self.expand_period != "chunked":
            document["expand_period"] = self.expand_period
        if self.max_bytes_per_batch is not None:
            document["max_bytes_per_batch"] = self.max_bytes_per_batch
        if self.custom_period_patterns:
            document["custom_period_patterns"] = {
                pattern: function if isinstance(function, str) else _path_of(function)
                for pattern, function in self.custom_period_patterns
            }
        return document


def _attribute_faults(names: object) -> Iterable[Fault]:
    if not isinstance(names, (list, tuple)):  # the order of the names is the order of the levels
        yield Fault("chunkable_attrs", f"must be a list of singular names, outermost first, not {excerpt(names)}")
        return
    seen = set()
    for position, name in enumerate(names):
        path = f"chunkable_attrs[{position}]"
        if not isinstance(name, str) or not name:
            yield Fault(path, f"must be the name of an attribute, not {excerpt(name)}")
        elif name.endswith("s"):
            yield Fault(path, f"{excerpt(name)} ends in 's': write the singular form, as sosw asks")
        elif name in _RESERVED:
            yield Fault(path, f"{excerpt(name)} has a meaning of its own in a job (dates): use another name")
        elif name in seen:
            yield Fault(path, f"{excerpt(name)} is named twice")
        else:
            seen.add(name)


def _pattern_faults(patterns: object, modules: Sequence[str] | None) -> Iterable[Fault]:
    if not isinstance(patterns, (list, tuple)) or not all(
        isinstance(each, tuple) and len(each) == 2 for each in patterns
    ):
        yield Fault("custom_period_patterns", f"must be pairs of a pattern and a function, not {excerpt(patterns)}")
        return
    for pattern, function in patterns:
        path = f"custom_period_patterns.{printable(str(pattern))}"
        if isinstance(function, str):
            problem = import_path_problem(function, modules)
            if problem:
                yield Fault(path, problem)
        elif not callable(function):
            problem = f"must be a function or its import path 'package.module:function', not {excerpt(function)}"
            yield Fault(path, problem)
        if not isinstance(pattern, str):
            yield Fault(path, f"must be a regular expression as text, not {excerpt(pattern)}")
            continue
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield Fault(path, f"is no regular expression: {error}")


def _path_of(function: PeriodFunction) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}:{named.__qualname__}"
