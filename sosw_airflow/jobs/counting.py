"""The number of tasks of a job, before any of them is made: a sum of products.

The count follows the very pieces into which `Chunker` cuts a job, so it cannot differ from the expansion. An object
that stands in several places is cut once for each set of flags that it inherits; the checks of the job happen on the
way. So the effort grows with what the job has in memory, and not with its tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs.attributes import MAX_BYTES, Attribute
from sosw_airflow.jobs.chunking import Chunker, Node
from sosw_airflow.jobs.task_series import SiblingSeries

__all__ = ["Multiplier", "TaskCount", "count_tasks"]


@dataclass(frozen=True)
class Multiplier:
    """:ivar name: what the tasks are cut by.  :ivar factor: into how many parts, on average."""

    name: str
    factor: float

    def __str__(self) -> str:
        return (
            f"{self.name} multiplies most, by {self.factor:,.4g}"
            if self.factor < 10_000
            else (f"{self.name} multiplies most, by {self.factor:,.0f}")
        )


@dataclass(frozen=True)
class TaskCount:
    """:ivar tasks: of one day, or of all days if they are not isolated.  :ivar multipliers: by attribute."""

    tasks: int
    multipliers: tuple[Multiplier, ...] = ()


def count_tasks(
    chunker: Chunker, attributes: Sequence[Attribute], job: dict[str, Any], shared: AbstractSet[int]
) -> TaskCount:
    """Count the tasks of a base job, and check it if the chunker does.

    :param shared: ids of the objects that stand in several places of the job.
    """
    counter = _Counter(chunker, attributes, shared)
    counter.node(Node(job, {}))
    tasks, totals = counter.totals[0], counter.totals[1:]
    return TaskCount(
        tasks,
        tuple(
            Multiplier(attribute.plural, parts / nodes)
            for attribute, nodes, parts in zip(attributes, totals[::2], totals[1::2], strict=True)
            if nodes
        ),
    )


class _Counter:
    """:ivar totals: the tasks; then for each attribute the nodes that are cut by it, and the parts that they give."""

    def __init__(self, chunker: Chunker, attributes: Sequence[Attribute], shared: AbstractSet[int]) -> None:
        self._chunker = chunker
        self._shared = shared
        self._levels = {attribute.plural: level for level, attribute in enumerate(attributes)}
        # What a node inherits and its pieces depend on: flags, and attributes of its own level and below.
        self._inherited = [
            sorted(
                {
                    MAX_BYTES,
                    *attribute.all_flags,
                    *(name for each in attributes[level:] for name in (each.name, each.plural)),
                }
            )
            for level, attribute in enumerate(attributes)
        ]
        self._known: dict[tuple[Any, ...], list[int]] = {}
        self.totals = [0] * (1 + 2 * len(attributes))

    def node(self, node: Node) -> None:
        """Add what the node gives."""
        if id(node.job) not in self._shared:
            self._add(node)
            return
        names = self._inherited[node.level]
        key = (id(node.job), node.level, *((name, id(node.outer[name])) for name in names if name in node.outer))
        known = self._known.get(key)
        if known is None:
            before = list(self.totals)
            self._add(node)
            self._known[key] = [now - then for now, then in zip(self.totals, before, strict=True)]
        else:
            self.totals = [now + more for now, more in zip(self.totals, known, strict=True)]

    def _add(self, node: Node) -> None:
        own = 0
        for piece in self._chunker.pieces(node):
            if isinstance(piece, Node):
                own += 1
                self.node(piece)
                continue
            parts = piece.number
            self.totals[0] += parts
            level = self._levels[piece.attribute] if piece.attribute is not None else node.level
            if level == node.level:
                own += parts
                continue
            # The only attribute of nodes below this one, which are cut at once.
            nodes = 1
            if type(piece) is SiblingSeries:
                nodes = len(piece.nodes)
                if (between := self._levels[piece.outer]) != node.level:  # they are two levels below
                    self._count(between, nodes)
                    own += 1 - nodes
            own += nodes
            self._count(level, parts, nodes)
        self._count(node.level, own)

    def _count(self, level: int, parts: int, nodes: int = 1) -> None:
        self.totals[1 + 2 * level] += nodes
        self.totals[2 + 2 * level] += parts
