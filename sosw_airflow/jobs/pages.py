"""Cutting the lines of a queue file into pages: consecutive tasks that are committed in one transaction.

The cut depends on the lines alone, so that every reader of a queue file finds the same pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["MAX_PAGE_BYTES", "MAX_PAGE_ROWS", "MAX_PAGE_ROWS_WITH_META", "Page", "PageCutter", "cut_pages"]

#: A DynamoDB transaction has 100 actions: the rows and the page's marker.
MAX_PAGE_ROWS = 99

#: The same where each task also has a row in the meta table.
MAX_PAGE_ROWS_WITH_META = 49

#: A DynamoDB transaction has 4 MB; the rest is room for what a row has beside its line.
MAX_PAGE_BYTES = 3_800_000


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive tasks of a job.

    :ivar number: of the page in its job, from 0.
    :ivar first: index of its first task in the job.
    :ivar lines: of the queue file, without newlines.
    """

    number: int
    first: int
    lines: list[str]


class PageCutter:
    """Decides, line by line, where a page ends; it keeps numbers only.

    :param max_rows: tasks a page, at the most.
    :param max_bytes: bytes of lines a page, at the most; a longer line makes a page of its own.
    :ivar pages: pages begun so far.
    """

    def __init__(self, max_rows: int, max_bytes: int = MAX_PAGE_BYTES) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._rows = 0
        self._bytes = 0
        self.pages = 0

    def begins_page(self, length: int) -> bool:
        """Take the next line, of this length in bytes; True where it is the first of a page."""
        begins = self.pages == 0 or self._rows == self._max_rows or self._bytes + length > self._max_bytes
        if begins:
            self.pages += 1
            self._rows = self._bytes = 0
        self._rows += 1
        self._bytes += length
        return begins


def cut_pages(lines: Iterable[str], *, max_rows: int, max_bytes: int = MAX_PAGE_BYTES) -> Iterator[Page]:
    """The pages of the lines, one at a time."""
    cutter = PageCutter(max_rows, max_bytes)
    page: Page | None = None
    for index, line in enumerate(lines):
        if cutter.begins_page(len(line)):
            if page is not None:
                yield page
            page = Page(cutter.pages - 1, index, [])
        page.lines.append(line)  # type: ignore[union-attr]
    if page is not None:
        yield page
