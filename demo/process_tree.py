"""A command whose processes end with the process that started it, however that one ends.

A guard stands between both: it starts the command and reads a pipe that only the starter can write. If the starter
ends, even by SIGKILL, the pipe closes, and the guard ends the command with all its descendants. On Linux the guard
adopts descendants whose parents are gone; elsewhere it remembers those that it has seen.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

__all__ = ["started"]

#: Seconds that the processes have after every signal.
_SIGNALS = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 10.0))

#: Seconds between two checks.
_EVERY = 0.25

_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def started(
    command: Sequence[str], *, cwd: Path, log: IO[str], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command, and end it with all its descendants at the end of the context.

    :param log: file for its output.
    :return: the guard, which ends with the command's exit code once no process of the command is left.
    """
    guard = subprocess.Popen(
        [sys.executable, "-m", __name__, *command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # the terminal's signals are for the starter, which closes the pipe
    )
    try:
        yield guard
    finally:
        if guard.stdin:
            guard.stdin.close()
        try:
            guard.wait(timeout=sum(seconds for _, seconds in _SIGNALS) + 5)
        finally:
            with suppress(ProcessLookupError):  # if the guard itself was killed
                os.killpg(guard.pid, signal.SIGKILL)


def _guard(command: Sequence[str]) -> int:
    """Run the command until it ends or stdin closes; return its exit code."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _close)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    seen: set[psutil.Process] = set()
    while child.poll() is None and not _closed():
        seen |= _descendants()
    for number, seconds in _SIGNALS:
        if _end(child, seen, number, seconds):
            break
    return child.wait()


def _close(*_: object) -> None:
    """Act as if the starter had ended."""
    with suppress(OSError):
        os.close(0)


def _closed() -> bool:
    """Whether stdin has closed; waits a moment for it."""
    try:
        readable, _, _ = select.select([0], [], [], _EVERY)
        return bool(readable) and not os.read(0, 1)
    except OSError:
        return True


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _end(child: subprocess.Popen[bytes], seen: set[psutil.Process], number: signal.Signals, seconds: float) -> bool:
    """Send a signal and wait; whether all processes are gone.

    SIGINT is for the command alone, which may end its own processes in their order.
    """
    seen |= _descendants()
    for process in seen:
        if number is not signal.SIGINT or process.pid == child.pid:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        child.poll()
        seen |= _descendants()
        if not any(_runs(process) for process in seen):
            return True
        if number is signal.SIGINT and child.returncode is not None:
            return False  # what it has left does not wait for anything
        time.sleep(_EVERY / 5)
    return False


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


if __name__ == "__main__":
    sys.exit(abs(_guard(sys.argv[1:])))
