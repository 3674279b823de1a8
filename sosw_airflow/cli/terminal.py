"""Tables and labelled lines that fit the terminal, coloured by state; in a pipe the same text, not wrapped, no colour.

rich is imported for a terminal only. It honours NO_COLOR, TERM and COLUMNS.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = [
    "Column",
    "Line",
    "is_terminal",
    "live_table",
    "plain_rows",
    "printable",
    "show_lines",
    "show_table",
    "show_text",
    "terminal_width",
]

#: The colour of the state of a job or a labourer, of a finding's level and of its mark.
_STYLES = {
    **dict.fromkeys(("closed", "idle", "✓"), "green"),
    **dict.fromkeys(("error", "✗"), "bold red"),
    **dict.fromkeys(("planned", "writing", "delivering", "invoking", "paused", "warning", "!"), "yellow"),
    **dict.fromkeys(("written", "working"), "cyan"),
    **dict.fromkeys(("delivered", "elsewhere"), "blue"),
    "cancelled": "magenta",
}

#: The narrowest that a folded column may get before the rows are shown below each other.
_FOLDED = 12

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    :ivar right: aligned to the right, for numbers.
    :ivar folds: long values may take several lines; others are never broken.
    """

    header: str
    right: bool = False
    folds: bool = False


@dataclass(frozen=True)
class Line:
    """A label, and a text beside it that wraps below itself.

    :ivar style: a word of `_STYLES` that colours the text. The label has its own colour if it is such a word.
    """

    label: str
    text: str
    style: str = ""


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def terminal_width() -> int:
    """Columns of the terminal."""
    return _console().width


def printable(text: str) -> str:
    """The text with its control characters escaped: what was read from AWS must not steer a terminal."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def show_text(text: str, style: str = "") -> None:
    """Print a text, wrapped between words to the terminal's width."""
    if not is_terminal():
        print(printable(text))
        return
    _console().print(_text(text, style))


def show_lines(lines: Iterable[Line], *, indent: int = 0) -> None:
    """Print labelled lines below each other, with the texts aligned."""
    lines = list(lines)
    if not lines:
        return
    if not is_terminal():
        width = max(len(line.label) for line in lines)
        for line in lines:
            print(f"{' ' * indent}{line.label:<{width}}  {printable(line.text)}".rstrip())
        return
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(_text(" " * indent + line.label, line.label), _text(line.text, line.style))
    _console().print(grid)


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. On a terminal too narrow for its columns, the values of a row stand below each other."""
    if not is_terminal():
        plain_rows(columns, rows)
        return
    console = _console()
    console.print(_fitting_table(columns, rows, console))


@contextmanager
def live_table(
    columns: Sequence[Column], rows: Callable[[], Sequence[Sequence[str]]], footer: Callable[[], str], *, stderr: bool
) -> Iterator[None]:
    """Keep a table on the terminal up to date; it is removed at the end of the context.

    :param rows: called several times a second, from another thread.
    :param footer: a line below the table, likewise.
    """
    from rich.console import Group
    from rich.live import Live

    console = _console(stderr=stderr)

    def table() -> RenderableType:
        return Group(_fitting_table(columns, rows(), console), _text(footer()))

    # Nothing else prints inside; streams that rich replaces would hide a closed pipe.
    with Live(get_renderable=table, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
        yield


def _fitting_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], console: Console) -> RenderableType:
    from rich.console import group
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.header,
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            min_width=_FOLDED if column.folds else None,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_text(cell, cell) for cell in row))
    # Within the console's own options, rich would never need more than the width.
    if console.measure(table, options=console.options.update(width=10_000)).minimum <= console.width:
        return table

    @group()
    def below_each_other() -> Iterable[Table | str]:
        for number, row in enumerate(rows):
            if number:
                yield ""
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(no_wrap=True, style="bold")
            grid.add_column(overflow="fold")
            for column, cell in zip(columns, row, strict=True):
                grid.add_row(_text(column.header), _text(cell, cell))
            yield grid

    return below_each_other()


def plain_rows(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for other programs: a header and one line a row, aligned, never wrapped."""
    cells = [[column.header for column in columns], *([_one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[number]) for row in cells) for number in range(len(columns))]
    for row in cells:
        aligned = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for column, cell, width in zip(columns, row, widths, strict=True)
        )
        print("  ".join(aligned).rstrip())


def _one_line(cell: str) -> str:
    return printable(cell).replace("\n", "\\n").replace("\t", "\\t")


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(text), style=_STYLES.get(style.strip(), ""))
