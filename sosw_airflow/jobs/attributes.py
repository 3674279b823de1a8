"""A chunkable attribute, with the spellings of it and of its flags (sosw rule 5).

The singular name is an alias of the plural one, for the attribute itself (D1) and for ``max_..._per_batch`` (D7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs.streamed_values import StreamedValues

__all__ = ["MAX_BYTES", "Attribute", "attributes_of", "batch_size_of", "limits_bytes"]

#: The limit of a batch in bytes, unless the schema has the attribute "byte": then it is that attribute's batch size.
MAX_BYTES = "max_bytes_per_batch"

#: Digits of a size that is given as text. Python refuses to read some thousands.
_DIGITS = 100


@dataclass(frozen=True)
class Attribute:
    """One level of a job schema.

    :ivar name: the singular name.
    :ivar plural: the name under which its values stand in a task.
    :ivar flags: names of the flags that ask for chunking at this level.
    :ivar flags_at_top: the same at the level that chunking starts at; upstream then reads one more spelling.
    :ivar sizes: names of the batch size, the one that counts first.
    :ivar all_flags: the flags of all levels, which are inherited.
    """

    name: str
    plural: str
    flags: tuple[str, ...]
    flags_at_top: tuple[str, ...]
    sizes: tuple[str, ...]
    all_flags: frozenset[str]

    def spelling_in(self, job: Mapping[str, Any]) -> str | None:
        """The name under which the job has the attribute, or None."""
        return self.plural if self.plural in job else self.name if self.name in job else None

    def values_in(self, job: Mapping[str, Any]) -> Sequence[Any]:
        """The attribute's values, not to be changed; an object or a scalar is a list of one, a falsy value is none."""
        value = job.get(self.plural) or job.get(self.name)
        if not value:
            return []
        return value if isinstance(value, (list, tuple, StreamedValues)) else [value]

    def flags_of(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The flags of a node, for any level."""
        return {name: job[name] for name in self.all_flags.intersection(job)}

    def batch_size(self, job: Mapping[str, Any], outer: Mapping[str, Any]) -> int | None:
        """Values a task, if the job gives it; an inner size beats an outer one (sosw rule 5.4)."""
        for node in (job, outer):
            for name in self.sizes:
                if name in node:
                    return batch_size_of(node[name])
        return None


def batch_size_of(value: object) -> int | None:
    """A batch size as a number; None if the value is no whole number of 1 or more (D6)."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < _DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def limits_bytes(attributes: Sequence[Attribute]) -> bool:
    """Whether `MAX_BYTES` is the limit in bytes under this schema, and not the batch size of an attribute "byte"."""
    return not any(MAX_BYTES in each.all_flags for each in attributes)


def attributes_of(names: Iterable[str]) -> tuple[Attribute, ...]:
    """The levels of a job schema, outermost first."""
    names = tuple(names)

    def flags(*spellings: str) -> tuple[str, ...]:
        return (*(f"isolate_{one}" for one in spellings), *(f"max_{one}_per_batch" for one in spellings))

    everything = frozenset(flag for name in names for flag in flags(name, f"{name}s", f"{name}ss"))
    return tuple(
        Attribute(
            name,
            f"{name}s",
            flags(name, f"{name}s"),
            flags(name, f"{name}s", f"{name}ss"),
            (f"max_{name}s_per_batch", f"max_{name}_per_batch"),
            everything,
        )
        for name in names
    )
