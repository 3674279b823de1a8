"""Errors of a command line: it says too little or too much, or names what does not exist here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Arguments", "NoAirflowError", "UsageError", "read_bytes"]


class Arguments(Protocol):
    """Where arguments are declared: a parser, or a group of one."""

    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """Declare an argument."""


class UsageError(Exception):
    """The command line does not say enough, says too much, or names a file that cannot be read."""


class NoAirflowError(UsageError):
    """The command needs an Airflow, and this environment has none."""


def read_bytes(name: str) -> bytes | str:
    """The content of a file; ``-`` for standard input. What it has to be, the reader of the document checks.

    :raises UsageError: it cannot be read.
    """
    try:
        return getattr(sys.stdin, "buffer", sys.stdin).read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        message = f"cannot read {name}: {error.strerror or error}"
    except ValueError:
        message = f"cannot read {name!r}: a file name has no zero byte"
    raise UsageError(message)
