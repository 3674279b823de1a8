"""Values of a chunkable attribute that a source gives: read once, and walked through as often as the expansion needs.

The expansion treats them as the list of the same values. It holds a part of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Sequence = Sequence[Any]
else:
    # An abstract base class would make each question for the type a call of Python.
    _Sequence = object

#: Values that are more than a task has room for, whatever they are.
_TOO_MANY = 400 * 1024

__all__ = ["StreamedValues", "as_lists", "is_empty_source"]


class StreamedValues(_Sequence):
    """Text, or numbers, in an order that does not change. A slice is a plain list.

    :ivar types: of the values, as `sosw_airflow.jobs.list_types.types_of` gives them.
    :ivar text_bytes: bytes of their JSON texts.
    """

    types: frozenset[type]
    text_bytes: int

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError


def is_empty_source(value: object) -> bool:
    """Whether it is a source without values. Such a one gives no task, unlike an empty list in a job."""
    return isinstance(value, StreamedValues) and not len(value)


def as_lists(value: Any, known: dict[int, Any] | None = None) -> Any:
    """A copy of the value with plain lists in place of sources, at any depth. What it shares, the copy shares.

    For values that go into one task. Of too many for one a part is taken, which is too large as well.
    """
    known = {} if known is None else known
    if not isinstance(value, (dict, list, tuple, StreamedValues)):
        return value
    if id(value) not in known:
        if isinstance(value, dict):
            known[id(value)] = {name: as_lists(each, known) for name, each in value.items()}
        elif isinstance(value, StreamedValues):
            known[id(value)] = value[:_TOO_MANY]
        else:
            known[id(value)] = [as_lists(each, known) for each in value]
    return known[id(value)]
