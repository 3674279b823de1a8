"""A progress bar on stderr for commands that write or wait, and the signals that stop them between two requests."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sosw_airflow.waiting.progress_log import ProgressFactory, ProgressLog

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["progress_bars", "stop_on_signals"]


@contextmanager
def progress_bars() -> Iterator[ProgressFactory]:
    """Gives what makes a bar for a piece of work; without a terminal on stderr, nothing is shown."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield ProgressLog
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, markup=False)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[share]}", markup=False),
        TextColumn("{task.fields[counts]}", markup=False),
        *([TimeRemainingColumn()] if console.width >= 80 else []),
        console=console,
        transient=True,
    )
    with progress:

        def bar(what: str, total: int | None, *, done: int = 0) -> ProgressLog:
            return _Bar(progress, what, total, done=done)

        yield bar


class _Bar(ProgressLog):
    """Shows in a bar what a `ProgressLog` writes into the log."""

    def __init__(self, progress: Progress, what: str, total: int | None, *, done: int) -> None:
        super().__init__(what, total, done=done)
        self._progress = progress
        self._task = progress.add_task(what.partition(" job ")[0], total=total, completed=done, counts="", share="")
        self.report()

    def report(self, *, throttled: int = 0, failed: int = 0, at_once: bool = False) -> None:  # noqa: ARG002
        """Move the bar."""
        counts = [f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"]
        if failed:
            counts.append(f"{failed:,} failed")
        if throttled:
            counts.append(f"{throttled:,} throttled")
        # Rounded down, as in the log: only all tasks are 100 %.
        share = "" if self.total is None else f"{100 * self.done // max(self.total, 1):>3} %"
        text = ", ".join(counts)
        with suppress(OSError):  # the terminal may be closed while tasks are written
            self._progress.update(self._task, completed=self.done, total=self.total, counts=text, share=share)


@contextmanager
def stop_on_signals(stop: threading.Event, message: str = "") -> Iterator[None]:
    """Inside, the first SIGINT, SIGTERM or SIGHUP sets ``stop``, so that what is in flight is finished.

    The second one raises `KeyboardInterrupt`.

    :param message: written to stderr at the first signal.
    """

    def receive(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        with suppress(OSError):  # not through Python's buffer, which the signal may have interrupted
            os.write(2, message.encode())

    former: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
                    former[number] = signal.signal(number, receive)
        yield
    finally:
        for changed, handler in former.items():
            signal.signal(changed, handler)
