"""From a checked job to the lines of its queue file, many lines at a time.

Tasks of a run differ in one attribute, so its lines are the values' texts with the same text between them: one join for
a hundred tasks. Days that are isolated have the same lines but for their date: the lines of the first one serve as the
pattern of the others. No task is made as an object unless it has something special about it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.json_texts import Attributes, joined, joiner, listed, lists, quoted
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.task_series import SiblingSeries, TaskSeries

__all__ = ["Block", "blocks_of", "blocks_of_lines"]

#: Tasks that are joined at once. More would only save little, and make the estimate of the longest line worse.
_RUN = 100

#: Values whose batches are joined at once.
_BATCHED = 1000

#: Characters of a block, about: enough to spread what it costs, and few enough to stay in the processor's cache.
_BLOCK = 64 * 1024

#: Bytes of patterns that are kept for the days after the first. If they are not enough, each day is walked through.
_PATTERNS = 16 * 1024 * 1024

#: So much of it is kept as it is, the rest compressed: to a twentieth or so, and quicker to read than to make again.
_QUICK_PATTERNS = 256 * 1024

#: Stands for the day in a pattern. JSON text has no control characters, so it can be nothing else.
_DAY = "\0"


@dataclass(slots=True)
class Block:
    """Consecutive lines of a queue file.

    :ivar text: of the lines, with newlines between them and none at the end. It is ASCII.
    :ivar tasks: the number of lines.
    :ivar longest: no line is longer, in characters.
    """

    text: str
    tasks: int
    longest: int

    def lines(self) -> list[str]:
        """Each line on its own."""
        return self.text.split("\n")

    def size_of_last(self, tasks: int) -> int:
        """Characters of so many lines at the end, without newlines."""
        if tasks == self.tasks:
            return len(self.text) - tasks + 1
        before = self.text.rsplit("\n", tasks)[0]
        return len(self.text) - len(before) - tasks

    def measure(self) -> None:
        """Make ``longest`` exact."""
        self.longest = max(map(len, self.lines()))


def blocks_of(expansion: Expansion, codec: LineCodec) -> Iterator[Block]:
    """The lines of all tasks of a job, in order: `LineCodec.line` of each.

    :raises TaskTooLarge: a task would not fit into a DynamoDB item or a Lambda invocation.
    """
    if len(expansion.isolated_days) > 1:
        yield from _blocks_of_days(expansion, expansion.isolated_days, codec)
    else:
        yield from _packed(_Runs(codec, whole=expansion.passed_whole).of(expansion.leaves()))


def blocks_of_lines(lines: Iterable[str]) -> Iterator[Block]:
    """The same for lines that exist already."""
    return _packed(Block(line, 1, len(line)) for line in lines)


def _blocks_of_days(expansion: Expansion, days: Sequence[str], codec: LineCodec) -> Iterator[Block]:
    any_day = [days[0]]  # the list itself stands for the dates of any day, what is in it serves for measuring

    def patterns() -> Iterator[Block]:
        attributes = Attributes(raw=(any_day, f'["{_DAY}"]'))
        return _packed(_Runs(codec, attributes=attributes).of(expansion.leaves_of_a_day(any_day)))

    def of_day(pattern: Block, day: str) -> Block:
        return Block(pattern.text.replace(_DAY, day), pattern.tasks, pattern.longest + len(day))

    first, *others = days
    kept: list[_Kept] = []
    size = 0
    for pattern in patterns():
        if size < _PATTERNS:
            kept.append(_Kept(pattern, compressed=size > _QUICK_PATTERNS))
            size += len(kept[-1].text)
        yield of_day(pattern, first)
    for day in others:
        for pattern in (each.pattern() for each in kept) if size < _PATTERNS else patterns():
            yield of_day(pattern, day)


class _Kept:
    """A pattern that is kept."""

    __slots__ = ("_longest", "_tasks", "text")

    def __init__(self, pattern: Block, *, compressed: bool) -> None:
        self.text = zlib.compress(pattern.text.encode("ascii"), 1) if compressed else pattern.text
        self._tasks, self._longest = pattern.tasks, pattern.longest

    def pattern(self) -> Block:
        """The pattern as it was."""
        text = self.text if isinstance(self.text, str) else zlib.decompress(self.text).decode("ascii")
        return Block(text, self._tasks, self._longest)


def _packed(runs: Iterable[Block]) -> Iterator[Block]:
    """Short runs together, so that no work is done for every single one."""
    texts: list[str] = []
    size = tasks = longest = 0
    for run in runs:
        texts.append(run.text)
        size += len(run.text)
        tasks += run.tasks
        longest = max(longest, run.longest)
        if size >= _BLOCK:
            yield Block("\n".join(texts), tasks, longest)
            texts = []
            size = tasks = longest = 0
    if texts:
        yield Block("\n".join(texts), tasks, longest)


class _Runs:
    """Makes the lines of leaves.

    :param whole: the leaf is a job that is passed on as it is.
    :param attributes: with a placeholder, if the lines are to be patterns.
    """

    def __init__(self, codec: LineCodec, *, whole: bool = False, attributes: Attributes | None = None) -> None:
        self._codec = codec
        self._whole = whole
        self._attributes = attributes or Attributes()
        self._tasks = 0

    def of(self, leaves: Iterable[TaskSeries | SiblingSeries]) -> Iterator[Block]:
        """The runs of all leaves, which are those of one job from its beginning."""
        for leaf in leaves:
            if type(leaf) is SiblingSeries:
                yield from self._of_siblings(leaf)
            else:
                yield from self._of_series(leaf)  # type: ignore[arg-type]

    def _of_series(self, leaf: TaskSeries) -> Iterator[Block]:
        base = leaf.base
        if self._whole or not base or leaf.attribute in base or isinstance(base.get("payload"), str):
            yield from self._one_by_one(leaf)
            return
        for run, start in self._joined(leaf):
            if run.longest <= self._codec.longest_line:
                self._tasks += run.tasks
                yield run
            else:  # maybe too long
                yield from self._one_by_one(leaf.part(start, run.tasks))

    def _of_siblings(self, leaf: SiblingSeries) -> Iterator[Block]:
        """The lines of several nodes together, as far as nothing is special about them."""
        base, attribute = leaf.base, leaf.attribute
        if leaf.size > 1 or leaf.outer in base or attribute in base or isinstance(base.get("payload"), str):
            for name in leaf.nodes:
                yield from self._of_series(leaf.of(name))
            return
        edge, join = joiner(leaf.types)
        begin = f"{{{self._attributes.text(base)}{', ' if base else ''}{quoted(leaf.outer)}: ["
        middle, tail = f"], {quoted(attribute)}: [{edge}", f"{edge}]{self._codec.tail}"
        most = self._codec.longest_line
        texts: list[str] = []
        size = tasks = longest = 0
        for name, node in leaf.nodes.items():
            values = node[attribute]
            head = f"{begin}{quoted(name)}{middle}"
            number = len(values)
            if number <= _RUN and number * len(head) <= _BLOCK:
                between = f"{tail}\n{head}"
                text = f"{head}{join(between, values)}{tail}"
                length = len(text) - (number - 1) * len(between)
                if length <= most:
                    texts.append(text)
                    tasks += number
                    size += len(text)
                    longest = max(longest, length)
                    if size < _BLOCK:
                        continue
                    number = 0  # it is in the block
            if texts:
                self._tasks += tasks
                yield Block("\n".join(texts), tasks, longest)
                texts = []
                size = tasks = longest = 0
            if number:
                yield from self._of_series(leaf.of(name))
        if texts:
            self._tasks += tasks
            yield Block("\n".join(texts), tasks, longest)

    def _joined(self, leaf: TaskSeries) -> Iterator[tuple[Block, int]]:
        """The lines of a leaf, and which of its values is the first one in them."""
        head, tail = f"{{{self._attributes.text(leaf.base)}", self._codec.tail
        if leaf.attribute is None:
            line = f"{head}{tail}"
            yield Block(line, 1, len(line)), 0
            return
        head = f"{head}, {quoted(leaf.attribute)}: "
        values, types, size = leaf.values, leaf.types, leaf.size
        room = _BLOCK // len(head)  # lines that a block has room for at the most
        if leaf.ends is not None:
            bounds = leaf.bounds()
            while some := list(islice(bounds, max(1, min(_RUN, room)))):
                lines = [f"{head}{listed(values[start:end], types)}{tail}" for start, end in some]
                yield Block("\n".join(lines), len(lines), max(map(len, lines))), some[0][0]
            return
        if size > 1:
            between = f"{tail}\n{head}"
            together = size * max(1, min(_BATCHED // size, room))
            for start in range(0, len(values), together):
                texts = lists(values[start : start + together], types, size)
                longest = len(head) + max(map(len, texts)) + len(tail)
                yield Block(f"{head}{between.join(texts)}{tail}", len(texts), longest), start
            return
        head, tail = f"{head}[", f"]{tail}"
        between = f"{tail}\n{head}"
        most = max(1, min(_RUN, room))
        for start in range(0, len(values), most):
            part = values[start : start + most]
            text = f"{head}{joined(part, types, between)}{tail}"
            # As if one line had the texts of all these values.
            yield Block(text, len(part), len(text) - (len(part) - 1) * len(between)), start

    def _one_by_one(self, leaf: TaskSeries) -> Iterator[Block]:
        """The same for tasks whose lines have to be made one by one."""
        for task in leaf.tasks():
            line = self._codec.line(task, self._tasks, labourer_first=self._whole)
            if not self._whole and task:
                line = f"{{{self._attributes.text(task)}{self._codec.tail}"
            self._tasks += 1
            yield Block(line, 1, len(line))
