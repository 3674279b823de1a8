"""Cutting the lines of a queue file into pages: consecutive tasks that are committed in one transaction.

The cut depends on the lines and the limits alone, so that every reader of a queue file finds the same pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sosw_airflow.jobs.blocks import Block
from sosw_airflow.jobs.rows import row_size_of_line

__all__ = ["MAX_PAGE_ROWS", "MAX_PAGE_ROWS_WITH_META", "Page", "PageCutter", "PageLimits", "cut_pages", "write_units"]

#: A DynamoDB transaction has 100 actions: the rows and the page's marker.
MAX_PAGE_ROWS = 99

#: The same if each task also has a row in the meta table.
MAX_PAGE_ROWS_WITH_META = 49

#: A DynamoDB transaction has 4 MB; the rest is room for the marker.
_MAX_PAGE_BYTES = 4_000_000

_UNIT_BYTES = 1024


@dataclass(frozen=True)
class PageLimits:
    """What a page may have.

    :ivar rows: tasks.
    :ivar units: write units of its rows, counted once (see `write_units`); 0 for no limit. A row that needs more makes
        a page of its own.
    """

    rows: int = MAX_PAGE_ROWS
    units: int = 0


@dataclass(slots=True)
class Page:
    """Consecutive tasks of a job.

    :ivar number: of the page in its job, from 0.
    :ivar first: index of its first task in the job.
    :ivar units: write units of its rows, counted once.
    :ivar lines: of the queue file, without newlines.
    """

    number: int
    first: int
    units: int = 0
    lines: list[str] = field(default_factory=list)


def write_units(line_bytes: int) -> int:
    """DynamoDB's write units for one plain write of a task's row: its size in KB. A transaction costs the double."""
    return -(-row_size_of_line(line_bytes) // _UNIT_BYTES)


class PageCutter:
    """Decides where a page ends; it keeps numbers only.

    :ivar pages: pages begun so far.
    :ivar units: write units of the present page; kept by `begins_page` alone.
    """

    def __init__(self, limits: PageLimits) -> None:
        self._limits = limits
        self._most_units = limits.units or _MAX_PAGE_BYTES
        self._rows = self._bytes = self.units = self.pages = 0

    def take(self, block: Block) -> None:
        """Take many lines at once; the pages are those of `begins_page` for every single one."""
        if not self._only_rows_count(block):
            block.measure()
            if not self._only_rows_count(block):
                for line in block.lines():
                    self.begins_page(len(line))
                return
        full = self._limits.rows
        if self.pages == 0:
            self._rows = full  # as if a page had just ended
        begun, last = divmod(self._rows + block.tasks - 1, full)
        self._rows = last + 1
        if begun:
            self.pages += begun
            self._bytes = self.units = 0
        added = min(self._rows, block.tasks)  # lines of the block in what is now the present page
        self._bytes += block.size_of_last(added) + added * row_size_of_line(0)

    def _only_rows_count(self, block: Block) -> bool:
        """Whether pages cannot end for another reason than their number of rows while this block is taken."""
        rows, largest = self._limits.rows, row_size_of_line(block.longest)
        return not self._limits.units and max(rows * largest, self._bytes + (rows - self._rows) * largest) <= (
            _MAX_PAGE_BYTES
        )

    @property
    def room(self) -> int:
        """Lines until the present page has as many rows as it may have; those of a whole page if it has."""
        return self._limits.rows - self._rows % self._limits.rows

    def takes(self, lines: Sequence[str]) -> bool:
        """Take `room` lines or fewer at once, if all have their place in one page; if not, none is taken."""
        sizes = list(map(row_size_of_line, map(len, lines)))
        begins = self.pages == 0 or self._rows == self._limits.rows
        size, units = sum(sizes), sum(-(-each // _UNIT_BYTES) for each in sizes)
        if not begins:
            size, units = size + self._bytes, units + self.units
        if size > _MAX_PAGE_BYTES or units > self._most_units:
            return False
        self.pages += begins
        self._rows = len(lines) + (0 if begins else self._rows)
        self._bytes, self.units = size, units
        return True

    def begins_page(self, line_bytes: int) -> bool:
        """Take the next line; True if it is the first of a page."""
        size = row_size_of_line(line_bytes)
        units = -(-size // _UNIT_BYTES)
        begins = (
            self.pages == 0
            or self._rows == self._limits.rows
            or self.units + units > self._most_units
            or self._bytes + size > _MAX_PAGE_BYTES
        )
        if begins:
            self.pages += 1
            self._rows = self._bytes = self.units = 0
        self._rows += 1
        self._bytes += size
        self.units += units
        return begins


def cut_pages(lines: Iterable[str], limits: PageLimits) -> Iterator[Page]:
    """The pages of the lines, one at a time."""
    cutter = PageCutter(limits)
    page: Page | None = None
    rest, first = iter(lines), 0
    # As many at once as the present page has room for: nearly all pages end for their number of rows alone.
    while some := list(islice(rest, cutter.room)):
        if cutter.takes(some):
            page = page or Page(cutter.pages - 1, first)
            page.lines += some
            page.units = cutter.units
        else:
            for index, line in enumerate(some, first):
                if cutter.begins_page(len(line)):
                    if page is not None:
                        yield page
                    page = Page(cutter.pages - 1, index)
                assert page is not None  # noqa: S101 - the first line begins a page
                page.lines.append(line)
                page.units = cutter.units
        first += len(some)
        if page is not None and len(page.lines) == limits.rows:
            yield page
            page = None
    if page is not None:
        yield page
