"""Chunking (sosw rule 5): from the nested objects of a job to runs of tasks, one run at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, NamedTuple

from sosw_airflow.exceptions import Fault
from sosw_airflow.jobs.attributes import MAX_BYTES, Attribute, batch_size_of, limits_bytes
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.job_checks import ROW_NAMES, is_listed, row_faults, unfit_for_a_task
from sosw_airflow.jobs.json_texts import encode
from sosw_airflow.jobs.json_values import Path, dotted
from sosw_airflow.jobs.list_types import ListTypes, are_flat, are_objects, types_of
from sosw_airflow.jobs.streamed_values import StreamedValues, as_lists, is_empty_source
from sosw_airflow.jobs.task_series import SiblingSeries, TaskSeries

__all__ = ["Chunker", "Node"]

#: A flat list that no flag asks to chunk is cut at this length, as upstream does. Not configurable there, nor here.
_UNCHUNKED = 1_000_000


class Node(NamedTuple):
    """An object of a job whose tasks are still to be made.

    :ivar job: the object.
    :ivar outer: what it inherits from above.
    :ivar level: of the job schema, from 0.
    :ivar path: its place in the job.
    """

    job: dict[str, Any]
    outer: dict[str, Any]
    level: int = 0
    path: Path = ()


class _TermsBelow(NamedTuple):
    """What becomes of most nodes of one level that inherit the same.

    :ivar size: values a task where a node has nothing but values; 0 if they are not to be chunked.
    :ivar following: the name of the values.
    :ivar together: such nodes may be cut together.
    :ivar bare: what `Chunker._bare_nodes` says.
    """

    size: int
    following: str
    together: bool
    bare: tuple[str, str, int] | None


class Chunker:
    """One pass over a base job. Faults are collected; a faulty place emits nothing.

    :param types: of the lists of the job.
    :param checked: the job has been walked before, without a fault.
    :param shared: ids of the objects that stand in several places of the job.
    :param max_bytes: of the JSON text of a batch's values, for nodes that inherit no ``max_bytes_per_batch``.
    :param streamed: some lists of the job are values of sources.
    :ivar batched: it has cut values into batches of several.
    :ivar limited: a limit of bytes held for one of these batches.
    """

    def __init__(
        self,
        attributes: Sequence[Attribute],
        types: ListTypes,
        *,
        checked: bool,
        shared: AbstractSet[int] = frozenset(),
        max_bytes: int | None = None,
        streamed: bool = False,
    ) -> None:
        self._attributes = attributes
        self._shared = shared
        self._types = types
        self._checked = checked
        self._max_bytes = max_bytes
        self._streamed = streamed
        self._reads_bytes = limits_bytes(attributes)
        self.batched = self.limited = False
        self.faults: list[Fault] = []
        # For each attribute: where chunking was asked for in vain (D5).
        self._missing: dict[str, list[Path]] = {}
        # Shared objects that `needs` has searched in vain.
        self._needless: set[tuple[int, int, frozenset[tuple[str, bool]]]] = set()

    def chunk(self, node: Node) -> Iterator[TaskSeries | SiblingSeries]:
        """All tasks of one node."""
        for piece in self.pieces(node):
            if type(piece) is Node:
                yield from self.chunk(piece)
            else:
                yield piece  # type: ignore[misc]

    def pieces(self, node: Node) -> Iterator[TaskSeries | SiblingSeries | Node]:
        """What one node is cut into: tasks, and the nodes below it."""
        job, outer, level, path = node
        attribute = self._attributes[level]
        name = attribute.spelling_in(job)
        if not self._checked:
            self.faults.extend(row_faults(job, path))
            if name is not None and name != attribute.plural and attribute.plural in ROW_NAMES:
                self._fault((*path, name), f"becomes {attribute.plural!r}, a name of sosw's own rows: rename it")
        if name is not None and is_empty_source(job[name]):
            return
        if not self.needs(level, job, outer, {}, top=True):
            yield from self._unchunked(job, outer, attribute, name, path)
            return
        emitted, faults_before = False, len(self.faults)
        values = attribute.values_in(job)
        if values and name is not None:
            size = attribute.batch_size(job, outer) or 1
            base = {**outer, **{key: value for key, value in job.items() if key != name}}
            for piece in self._chunked(values, base, size, level, (*path, name), listed=is_listed(job[name])):
                emitted = True
                yield piece
        if not emitted and len(self.faults) == faults_before:
            # Upstream loses this task (D5).
            self._missing.setdefault(attribute.plural, []).append(path)
            yield TaskSeries({**outer, **job})

    def needs(
        self, level: int, job: Mapping[str, Any], outer: Mapping[str, Any], flags: Mapping[str, Any], *, top: bool
    ) -> bool:
        """Whether this node or one below it asks for chunking. An outer flag beats an inner one (sosw rule 5.4)."""
        attribute = self._attributes[level]
        flags = {**attribute.flags_of(job), **attribute.flags_of(outer), **flags}
        if any(flags.get(flag) for flag in (attribute.flags_at_top if top else attribute.flags)):
            return True
        if level + 1 == len(self._attributes):
            return False
        values = attribute.values_in({**job, **outer} if attribute.spelling_in(outer) else job)
        if are_flat(self._types.of(values)):  # not chunked at this level (D3)
            return False
        key = None
        if id(job) in self._shared and not outer:
            key = (id(job), level, frozenset((name, bool(flag)) for name, flag in flags.items()))
            if key in self._needless:
                return False
        asked = any(
            isinstance(below, dict) and self.needs(level + 1, below, {}, flags, top=False)
            for value in values
            if isinstance(value, dict)
            for below in value.values()
        )
        if key is not None and not asked:
            self._needless.add(key)
        return asked

    def vanished(self, job: dict[str, Any]) -> Iterator[Fault]:
        """Attributes that are to be isolated, or cut into batches, but occur nowhere in the job (D5)."""
        for name, paths in self._missing.items():
            if not self._occurs(name, job, 0, set()):
                where = ", ".join(dotted(path) or "the job itself" for path in paths[:3])
                more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
                yield Fault(
                    name,
                    f"is to be chunked, but has no values anywhere (sought in {where}{more}): give it values, or "
                    f"take its isolate_... or max_..._per_batch out",
                )

    def _occurs(self, name: str, node: dict[str, Any], level: int, searched: set[tuple[int, int]]) -> bool:
        """Whether the attribute has values in this node or below it, chunked or not."""
        if (id(node), level) in searched:
            return False
        searched.add((id(node), level))
        attribute = self._attributes[level]
        if isinstance(streamed := attribute.values_in(node), StreamedValues):
            return attribute.plural == name
        values = [value for value in streamed if value != {}]
        if attribute.plural == name:
            return bool(values)
        return any(
            isinstance(below, dict) and self._occurs(name, below, level + 1, searched)
            for value in values
            if isinstance(value, dict)
            for below in value.values()
        )

    def _unchunked(
        self, job: dict[str, Any], outer: dict[str, Any], attribute: Attribute, name: str | None, path: Path
    ) -> Iterator[TaskSeries]:
        if name is None:
            yield TaskSeries({**outer, **job})
            return
        rest = {key: value for key, value in job.items() if key != name}
        value = job[name]
        flat = self._flat(value) if value else None
        if isinstance(value, StreamedValues) and (unfit := unfit_for_a_task(value)):
            self._fault((*path, name), unfit)
        elif flat is not None:
            yield TaskSeries(
                {**outer, **rest}, attribute.plural, flat[0], _UNCHUNKED, flat[1]
            )  # siblings are kept (D4)
        elif value:
            whole = as_lists(value) if self._streamed else value
            yield TaskSeries({**outer, **rest, name: whole})  # moves to the end, as upstream has it
        else:
            yield TaskSeries({**outer, **rest})

    def _chunked(
        self, values: Sequence[Any], base: dict[str, Any], size: int, level: int, path: Path, *, listed: bool
    ) -> Iterator[TaskSeries | SiblingSeries | Node]:
        plural = self._attributes[level].plural
        types = self._types.of(values)
        if are_flat(types):
            yield from self._batched(TaskSeries(base, plural, _as_list(values), size, types), path)
            return
        if not are_objects(types):
            wrong = next(value for value in values if not isinstance(value, (str, int, float)))
            self._fault(
                path,
                f"cannot be chunked: a list must have only text and numbers, or only objects, but one of its "
                f"values is {excerpt(wrong)}",
            )
            return
        below = self._terms_below(level + 1, {**base, plural: [None]})
        for position, value in enumerate(values):
            here = (*path, position) if listed else path
            siblings = self._types.siblings(value) if below.together else None
            if siblings is not None and siblings.name == below.following:
                self.batched = self.batched or below.size > 1
                yield SiblingSeries(base, plural, value, below.following, below.size, siblings.types)
            elif any(node is not None for node in value.values()):
                yield from self._by_name(value, base, level, here, below)
            elif value:
                names = list(value)
                yield from self._batched(TaskSeries(base, plural, names, size, types_of(names)), here, named=True)

    def _by_name(
        self, nodes: dict[str, Any], base: dict[str, Any], level: int, path: Path, terms: _TermsBelow
    ) -> Iterator[TaskSeries | SiblingSeries | Node]:
        """The pieces of an object whose names are values of this level's attribute, one value a task."""
        plural = self._attributes[level].plural
        for name, below in nodes.items():
            task = {**base, plural: [name]}
            if below is None:
                yield TaskSeries(task)
            elif terms.bare is not None and (siblings := self._siblings_in(below, task, *terms.bare)) is not None:
                yield siblings
            elif terms.size and (values := self._nothing_but_values(below, terms.following)):
                run = TaskSeries(task, terms.following, values, terms.size, self._types.of(values))
                yield from self._batched(run, (*path, name, terms.following))
            elif not isinstance(below, dict):
                self._fault(
                    (*path, name), f"must be an object or null where {plural} are chunked, not {excerpt(below)}"
                )
            elif level + 1 < len(self._attributes):
                yield Node(below, task, level + 1, (*path, name))
            else:
                if not self._checked:
                    self.faults.extend(row_faults(below, (*path, name)))
                yield TaskSeries({**task, **below})

    def _batched(self, run: TaskSeries, path: Path, *, named: bool = False) -> Iterator[TaskSeries]:
        """The run; its tasks have as many values as both limits allow. The inner limit of bytes beats the outer one.

        :param named: the values are the names of an object.
        """
        values, size, most = run.values, run.size, self._most_bytes(run.base)
        self.batched = self.batched or size > 1
        if size == 1 or most is None:
            yield run
            return
        self.limited = True
        ends = array("Q")
        begun = used = 0
        for position, value in enumerate(values):
            bytes_ = len(encode(value))
            if bytes_ + 2 > most:
                self._fault(
                    (*path, value if named else position),
                    f"needs {bytes_ + 2:,} bytes as a batch of its own, but {MAX_BYTES} is {most:,}: raise the limit, "
                    f"or shorten the value",
                )
                return
            # A batch's text is its values' texts, two characters between them, and the brackets.
            if position > begun and (position - begun == size or used + 2 + bytes_ + 2 > most):
                ends.append(position)
                begun, used = position, 0
            used += bytes_ + (2 if position > begun else 0)
        ends.append(len(values))
        yield replace(run, ends=ends)

    def _most_bytes(self, base: Mapping[str, Any]) -> int | None:
        """The limit of bytes of a batch."""
        return batch_size_of(base[MAX_BYTES]) if self._reads_bytes and MAX_BYTES in base else self._max_bytes

    def _size_of_leaves(self, level: int, outer: dict[str, Any]) -> int:
        """The size of batches where a node of this level has nothing but values; 0 if it is not to be chunked.

        Most nodes are such, and need not be searched for what else a node may have.
        """
        if level == len(self._attributes):
            return 0
        attribute = self._attributes[level]
        if attribute.plural in ROW_NAMES or attribute.plural in attribute.all_flags:
            return 0
        asked = any(outer.get(flag) for flag in attribute.flags_at_top)
        return (attribute.batch_size({}, outer) or 1) if asked else 0

    def _terms_below(self, level: int, outer: dict[str, Any]) -> _TermsBelow:
        size = self._size_of_leaves(level, outer)
        following = self._attributes[level].plural if size else ""
        together = size == 1 or (size > 1 and self._most_bytes(outer) is None)
        return _TermsBelow(size, following, together, self._bare_nodes(level, outer))

    def _bare_nodes(self, level: int, outer: dict[str, Any]) -> tuple[str, str, int] | None:
        """What becomes of a node of this level that has nothing but an object of siblings: names of both, and a size.

        None if it has to be cut by itself.
        """
        if level + 1 >= len(self._attributes):
            return None
        attribute, below = self._attributes[level : level + 2]
        name = attribute.plural
        if name in ROW_NAMES or name in attribute.all_flags or name == MAX_BYTES or attribute.spelling_in(outer):
            return None
        if not any(outer.get(flag) for flag in (*attribute.flags_at_top, *below.flags)):
            return None
        size = self._size_of_leaves(level + 1, {**outer, name: [None]})
        if not size or (size > 1 and self._most_bytes(outer) is not None):
            return None
        return name, below.plural, size

    def _siblings_in(
        self, node: object, task: dict[str, Any], plural: str, following: str, size: int
    ) -> SiblingSeries | None:
        """The tasks of a node that has nothing but an object of siblings; None for any other."""
        if type(node) is not dict or len(node) != 1:
            return None
        nodes = node.get(plural)
        siblings = self._types.siblings(nodes) if type(nodes) is dict else None
        if siblings is None or siblings.name != following:
            return None
        self.batched = self.batched or size > 1
        return SiblingSeries(task, plural, nodes, following, size, siblings.types)  # type: ignore[arg-type]

    def _nothing_but_values(self, node: object, plural: str) -> Sequence[Any] | None:
        """The values of a node that has one flat list and nothing else; None for any other."""
        if not isinstance(node, dict) or len(node) != 1:
            return None
        values = node.get(plural)
        listed = isinstance(values, (list, StreamedValues))
        return values if values and listed and are_flat(self._types.of(values)) else None

    def _fault(self, path: Path, problem: str) -> None:
        self.faults.append(Fault(dotted(path), problem))

    def _flat(self, value: Any) -> tuple[Sequence[Any], frozenset[type]] | None:
        """The flat values of a list or of an object of nulls, and their types; None if there is more to them."""
        if isinstance(value, (list, tuple, StreamedValues)):
            types = self._types.of(value)
            return (_as_list(value), types) if are_flat(types) else None
        if isinstance(value, dict):
            if all(below is None for below in value.values()):
                names = list(value)
                return names, types_of(names)
            if len(value) == 1:
                return [value], frozenset({dict})
        return None


def _as_list(values: Sequence[Any]) -> Sequence[Any]:
    return values if isinstance(values, (list, StreamedValues)) else list(values)
