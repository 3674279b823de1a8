"""Runs a subcommand: its errors become messages and exit codes, a closed pipe and Ctrl-C end it quietly."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from sosw_airflow.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, REFUSED, USAGE
from sosw_airflow.cli.terminal import printable
from sosw_airflow.cli.usage import UsageError
from sosw_airflow.exceptions import SoswError

__all__ = ["execute", "output_failed"]

#: A full disk, a closed terminal.
_OUTPUT_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def execute(name: str, module: ModuleType, arguments: argparse.Namespace) -> int:
    """Run the subcommand and return its exit code. It prints an error instead of raising it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows ASCII only shows other characters as escapes.
            stream.reconfigure(errors="backslashreplace")
    try:
        code: int = module.run(arguments)
        _flush(sys.stdout)
    except UsageError as error:
        return _report(f"sosw-airflow {name}: {error}", USAGE)
    except SoswError as error:
        return _report(str(error), REFUSED)
    except OSError as error:
        return output_failed(f"sosw-airflow {name}", error)
    except KeyboardInterrupt:
        return _report("", INTERRUPTED)
    return code


def output_failed(program: str, error: OSError) -> int:
    """The exit code of a program whose output cannot be written. A reader that has gone is no fault.

    :raises OSError: the error has another reason.
    """
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return BROKEN_PIPE
    if error.errno not in _OUTPUT_FAULTS or error.filename is not None:
        raise error
    _discard_output()
    return _report(f"{program}: cannot write the output: {error.strerror}", REFUSED)


def _report(message: str, code: int) -> int:
    with suppress(OSError):  # the reader of stderr may have gone as well
        _flush(sys.stdout)
        print(printable(message), file=sys.stderr)
        _flush(sys.stderr)
    return code


def _flush(stream: Any) -> None:
    if stream is not None:  # Python has no stdout if the shell has closed it
        stream.flush()


def _discard_output() -> None:
    """Let Python's own flush at its end succeed: what remains goes nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
