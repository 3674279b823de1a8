"""Time that passes only when an actor sleeps, for the actors of a run; other threads keep the real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

__all__ = ["Timekeeper", "keeping_time", "timekeeper", "virtual_time"]


@dataclass(frozen=True)
class Timekeeper:
    """Time for one actor.

    :ivar now: seconds since 1970.  :ivar sleep: called with seconds.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]


_keeper: ContextVar[Timekeeper | None] = ContextVar("keeper", default=None)
_REAL_TIME, _REAL_MONOTONIC, _REAL_SLEEP = time.time, time.monotonic, time.sleep
_REAL_WAIT, _REAL_SUBMIT = threading.Event.wait, ThreadPoolExecutor.submit


def timekeeper() -> Timekeeper | None:
    """What keeps the time of the caller; None for the real time."""
    return _keeper.get()


@contextmanager
def keeping_time(keeper: Timekeeper) -> Iterator[None]:
    """Inside, the caller has virtual time, and what it gives to thread pools is done by itself at once."""
    token = _keeper.set(keeper)
    try:
        yield
    finally:
        _keeper.reset(token)


@contextmanager
def virtual_time() -> Iterator[None]:
    """Inside, actors that have a `Timekeeper` get their time from it."""
    if time.time is _time:  # a search is run inside of it, so that not each run has to begin it
        yield
        return
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
