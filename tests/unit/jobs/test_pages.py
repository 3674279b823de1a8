"""Cutting lines into pages."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.jobs.blocks import Block
from sosw_airflow.jobs.pages import MAX_PAGE_ROWS, PageCutter, PageLimits, cut_pages, write_units
from sosw_airflow.jobs.rows import row_size_of_line

#: Lines of all sizes that a row may have: many small ones, some of hundreds of kilobytes.
lengths = st.lists(st.integers(20, 2000) | st.integers(20, 400_000), max_size=60)
limits = st.builds(PageLimits, rows=st.integers(1, MAX_PAGE_ROWS), units=st.sampled_from([0, 1, 2, 5, 100]))


def lines_of(sizes: list[int]) -> list[str]:
    """A line of each length, each with a content of its own."""
    return [f"{number:0{size}d}" for number, size in enumerate(sizes)]


@given(lengths, limits)
def test_pages_put_together_are_the_lines(sizes: list[int], limits: PageLimits) -> None:
    """All of them, in order; numbers and first indexes count them."""
    lines, pages = lines_of(sizes), list(cut_pages(lines_of(sizes), limits))
    assert lines == list(itertools.chain.from_iterable(page.lines for page in pages))
    assert list(range(len(pages))) == [page.number for page in pages]
    assert [0, *itertools.accumulate(len(page.lines) for page in pages)][:-1] == [page.first for page in pages]


@given(lengths, limits)
def test_no_page_exceeds_a_limit(sizes: list[int], limits: PageLimits) -> None:
    """Rows, bytes of a DynamoDB transaction, and write units, unless a single row needs more."""
    for page in cut_pages(lines_of(sizes), limits):
        assert 1 <= len(page.lines) <= limits.rows
        assert sum(row_size_of_line(len(line)) for line in page.lines) <= 4_000_000
        if limits.units and len(page.lines) > 1:
            assert page.units <= limits.units


@given(lengths, limits)
def test_no_page_ends_before_it_must(sizes: list[int], limits: PageLimits) -> None:
    """The first line of a page would not have fitted into the page before."""
    for page, following in itertools.pairwise(cut_pages(lines_of(sizes), limits)):
        line = following.lines[0]
        size = row_size_of_line(len(line)) + sum(row_size_of_line(len(each)) for each in page.lines)
        full = len(page.lines) == limits.rows
        assert full or size > 4_000_000 or (limits.units and page.units + write_units(len(line)) > limits.units)


@given(lengths, limits)
def test_the_cut_follows_from_the_lengths_alone(sizes: list[int], limits: PageLimits) -> None:
    """Whoever reads the file again finds the same pages; planning needs no lines."""
    cutter = PageCutter(limits)
    begins = [cutter.begins_page(size) for size in sizes]
    pages = list(cut_pages(lines_of(sizes), limits))
    assert [page.first for page in pages] == [index for index, first in enumerate(begins) if first]
    assert len(pages) == cutter.pages


@given(lengths, limits)
def test_a_page_knows_its_write_units(sizes: list[int], limits: PageLimits) -> None:
    """Those of its rows, each rounded up."""
    for page in cut_pages(lines_of(sizes), limits):
        assert sum(write_units(len(line)) for line in page.lines) == page.units


def test_99_small_rows_make_a_page() -> None:
    """A transaction has 100 actions, one of them for the page's marker."""
    assert [99, 99, 2] == [len(page.lines) for page in cut_pages(["x" * 100] * 200, PageLimits())]


def test_no_lines_make_no_page() -> None:
    """An empty file has none."""
    assert [] == list(cut_pages([], PageLimits()))


def test_a_row_above_the_unit_limit_has_a_page_of_its_own() -> None:
    """It has to be written all the same."""
    lines = ["x" * 100, "y" * 10_000, "z" * 100]
    assert [1, 1, 1] == [len(page.lines) for page in cut_pages(lines, PageLimits(units=5))]


@pytest.mark.parametrize(("line_bytes", "units"), [(100, 1), (800, 1), (1000, 2), (400_000, 391)])
def test_write_units_are_kilobytes_begun(line_bytes: int, units: int) -> None:
    """As DynamoDB charges a plain write of a row."""
    assert units == write_units(line_bytes)


def test_pages_come_one_at_a_time() -> None:
    """A page is given out before the line after the next is read."""
    read = 0

    def endless() -> itertools.repeat[str]:
        return itertools.repeat("x" * 100)

    def counted() -> object:
        nonlocal read
        for line in endless():
            read += 1
            yield line

    pages = cut_pages(counted(), PageLimits(rows=10))  # type: ignore[arg-type]
    assert [0, 1, 2] == [page.number for page in itertools.islice(pages, 3)]
    assert 30 == read


@given(st.lists(st.tuples(lengths, st.booleans()), max_size=12), limits)
def test_many_lines_at_once(parts: list[tuple[list[int], bool]], limits: PageLimits) -> None:
    """Blocks, alone and between single lines, are cut into the same pages; their longest line may be a guess."""
    cutter, line_by_line = PageCutter(limits), PageCutter(limits)
    for sizes, guessed in parts:
        expected = [line_by_line.begins_page(size) for size in sizes]
        if sizes:
            cutter.take(Block("\n".join(lines_of(sizes)), len(sizes), max(sizes) + 5000 * guessed))
        assert line_by_line.pages == cutter.pages
        assert line_by_line.begins_page(100) == cutter.begins_page(100), expected


def test_the_names_of_attributes_count_in_blocks_too() -> None:
    """A transaction has 4 MB: with the overhead of the rows the last of these does not fit, without it would."""
    beside = row_size_of_line(0)
    large, small = [400_000] * 9, [4000] * 30
    left = 4_000_000 - sum(size + beside for size in (*large, *small))
    sizes = [*large, *small, *[left // 60 - beside + 1] * 60]
    cutter = PageCutter(PageLimits())
    for part in (sizes[:9], sizes[9:39], sizes[39:]):
        cutter.take(Block("\n".join(lines_of(part)), len(part), max(part)))
    assert (cutter.pages, [len(page.lines) for page in cut_pages(lines_of(sizes), PageLimits())]) == (2, [98, 1])


def test_blocks_of_small_lines_are_counted() -> None:
    """As many pages as single lines would make, whatever the blocks."""
    for size in (1, 98, 99, 100, 1000):
        cutter = PageCutter(PageLimits())
        for _ in range(3):
            cutter.take(Block("\n".join(["x" * 100] * size), size, 100))
        assert -(-3 * size // MAX_PAGE_ROWS) == cutter.pages


@pytest.mark.parametrize(("tasks", "size"), [(0, 0), (1, 3), (2, 5), (3, 6)])
def test_the_size_of_the_last_lines(tasks: int, size: int) -> None:
    """Without newlines."""
    assert size == Block("a\nbb\nccc", 3, 3).size_of_last(tasks)
