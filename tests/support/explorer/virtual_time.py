"""Time that passes only when an actor sleeps, for the threads of a run; others keep the real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

__all__ = ["Timekeeper", "keeping_time", "timekeeper", "virtual_time"]


@dataclass(frozen=True)
class Timekeeper:
    """Time for one thread.

    :ivar now: seconds since 1970.  :ivar sleep: called with seconds.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]


_of_thread = threading.local()
_REAL_TIME, _REAL_MONOTONIC, _REAL_SLEEP = time.time, time.monotonic, time.sleep
_REAL_WAIT, _REAL_SUBMIT = threading.Event.wait, ThreadPoolExecutor.submit


def timekeeper() -> Timekeeper | None:
    """What keeps the time of this thread; None for the real time."""
    return getattr(_of_thread, "keeper", None)


@contextmanager
def keeping_time(keeper: Timekeeper) -> Iterator[None]:
    """Inside, this thread has virtual time, and what it gives to thread pools is done by itself at once."""
    former = timekeeper()
    _of_thread.keeper = keeper
    try:
        yield
    finally:
        _of_thread.keeper = former


@contextmanager
def virtual_time() -> Iterator[None]:
    """Inside, threads that have a `Timekeeper` get their time from it."""
    with ExitStack() as patches:
        for target, name, replacement in (
            (time, "time", _time),
            (time, "monotonic", _monotonic),
            (time, "sleep", _sleep),
            (threading.Event, "wait", _wait),
            (ThreadPoolExecutor, "submit", _submit),
        ):
            patches.enter_context(patch.object(target, name, replacement))
        yield


def _time() -> float:
    keeper = timekeeper()
    return keeper.now() if keeper else _REAL_TIME()


def _monotonic() -> float:
    keeper = timekeeper()
    return keeper.now() if keeper else _REAL_MONOTONIC()


def _sleep(seconds: float) -> None:
    keeper = timekeeper()
    if keeper:
        keeper.sleep(seconds)
    else:
        _REAL_SLEEP(seconds)


def _wait(event: threading.Event, timeout: float | None = None) -> bool:
    keeper = timekeeper()
    if keeper is None:
        return _REAL_WAIT(event, timeout)
    if not event.is_set() and timeout is not None:
        keeper.sleep(timeout)
    return event.is_set()


def _submit(pool: ThreadPoolExecutor, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
    if timekeeper() is None:
        return _REAL_SUBMIT(pool, call, *args, **kwargs)
    future: Future[Any] = Future()
    try:
        future.set_result(call(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - as a thread of the pool does
        future.set_exception(error)
    return future
