"""A stub of AWS in a process of its own, so that its work does not count as that of what is measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["stub_process"]

_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def stub_process(module: str, *arguments: object) -> Iterator[str]:
    """The URL of the stub that a module is when it is run: it prints its port, and ends with its standard input."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
