"""Runs of tasks that differ in one attribute: what the expansion yields instead of tasks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

__all__ = ["SiblingSeries", "TaskSeries"]


@dataclass(slots=True)
class TaskSeries:
    """Tasks that differ in one attribute only. Not to be changed.

    :ivar base: attributes that all of them have; not to be changed.
    :ivar attribute: the plural name of the attribute that varies, or None for the single task ``base``.
    :ivar values: its values, of which each task gets the next ``size``.
    :ivar types: the types of the values.
    :ivar ends: of each task's values, if ``max_bytes_per_batch`` has cut them. ``size`` is then the most of a task.
    """

    base: dict[str, Any]
    attribute: str | None = None
    values: Sequence[Any] = field(default_factory=list)
    size: int = 1
    types: frozenset[type] = frozenset()
    ends: Sequence[int] | None = None

    @property
    def number(self) -> int:
        """The number of tasks."""
        if self.ends is not None:
            return len(self.ends)
        return 1 if self.attribute is None else -(-len(self.values) // self.size)

    def bounds(self) -> Iterator[tuple[int, int]]:
        """Where the values of each task begin and end."""
        if self.ends is not None:
            return zip(chain((0,), self.ends), self.ends, strict=False)
        total = len(self.values)
        return ((start, min(start + self.size, total)) for start in range(0, total, self.size))

    def part(self, start: int, tasks: int) -> TaskSeries:
        """The next ``tasks`` of its tasks, from the one whose values begin at ``start``."""
        if self.ends is None:
            return replace(self, values=self.values[start : start + tasks * self.size])
        first = bisect_right(self.ends, start)
        ends = self.ends[first : first + tasks]
        return replace(self, values=self.values[start : ends[-1]], ends=[end - start for end in ends])

    def tasks(self) -> Iterator[dict[str, Any]]:
        """The tasks, in order. They share nested values with the job."""
        if self.attribute is None:
            yield self.base
            return
        for start, end in self.bounds():
            yield {**self.base, self.attribute: self.values[start:end]}


@dataclass(slots=True)
class SiblingSeries:
    """The runs of siblings: nodes of one object of which each has a flat list under the same name, and nothing else.

    :ivar base: attributes that all tasks have; not to be changed.
    :ivar outer: the plural name of the attribute whose value is a node's name.
    :ivar nodes: name of a node -> the node; not to be changed.
    :ivar attribute: the name of the list in each node, whose values its tasks get.
    :ivar size: values a task.
    :ivar types: of the values of all lists.
    """

    base: dict[str, Any]
    outer: str
    nodes: Mapping[str, Mapping[str, Sequence[Any]]]
    attribute: str
    size: int
    types: frozenset[type]

    @property
    def number(self) -> int:
        """The number of tasks."""
        numbers = [len(node[self.attribute]) for node in self.nodes.values()]
        return sum(numbers) if self.size == 1 else sum(-(-each // self.size) for each in numbers)

    def of(self, name: str) -> TaskSeries:
        """The run of one node."""
        values = self.nodes[name][self.attribute]
        return TaskSeries({**self.base, self.outer: [name]}, self.attribute, values, self.size, self.types)

    def tasks(self) -> Iterator[dict[str, Any]]:
        """The tasks, in order. They share nested values with the job."""
        for name in self.nodes:
            yield from self.of(name).tasks()
