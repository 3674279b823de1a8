"""The exit codes of every command."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping

__all__ = ["BROKEN_PIPE", "DONE", "INTERRUPTED", "REFUSED", "UNFINISHED", "USAGE", "HelpFormatter", "described"]

DONE, REFUSED, USAGE, UNFINISHED = 0, 1, 2, 3

#: As shells report a program that SIGINT or SIGPIPE has ended.
INTERRUPTED, BROKEN_PIPE = 130, 141

_EVERYWHERE = {
    REFUSED: "refused, or failed; the reason is on stderr",
    USAGE: "wrong usage, a file that cannot be read, or no Airflow in this environment",
    INTERRUPTED: "interrupted by Ctrl-C",
}


def described(codes: Mapping[int, str]) -> str:
    """The exit codes of a command for its help.

    :param codes: code -> meaning, where it is the command's own.
    """
    meanings = dict(sorted({**_EVERYWHERE, **codes}.items()))
    return "\n".join(["exit codes:", *(f"  {code:<5}{meaning}" for code, meaning in meanings.items())])


class HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of `described`, each wrapped to the terminal's width below its meaning."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        indented = indent + " " * 7
        return "\n".join(
            textwrap.fill(line, width, subsequent_indent=indented if line.startswith(" ") else indent) for line in lines
        )
