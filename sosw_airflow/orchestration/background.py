"""An orchestrator beside those who wait: one thread for each labourer in a process, however many wait for its tasks."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import overload

from sosw_airflow.jobs.cost import Usage
from sosw_airflow.orchestration.orchestrator import Orchestrator
from sosw_airflow.orchestration.turn_report import TurnReport

__all__ = ["Background", "Seat", "log_turn", "take_seat"]

log = logging.getLogger(__name__)


def log_turn(report: TurnReport) -> None:
    """One line for a turn that did something."""
    if report.news:
        log.info("%s: %s.", report.labourer_id, report.news)


class Background:
    """An orchestrator in a daemon thread, which logs in the context of its starter.

    :ivar failure: the exception that ended the thread, None if it runs or has ended in order.
    """

    def __init__(self, orchestrator: Orchestrator, *, on_end: Callable[[], None] = lambda: None) -> None:
        self.orchestrator = orchestrator
        self.failure: BaseException | None = None
        self._on_end = on_end
        self._thread: threading.Thread | None = None

    def start(self, *, until_idle: bool = False, deadline: float | None = None) -> None:
        """Begin to take turns; the arguments are those of `Orchestrator.run`."""
        context = contextvars.copy_context()

        def work() -> None:
            try:
                context.run(self.orchestrator.run, until_idle=until_idle, deadline=deadline)
            except BaseException as failure:  # noqa: BLE001 - raised by `check`, in the thread that waits
                self.failure = failure
            finally:
                self._on_end()

        self._thread = threading.Thread(target=work, name=f"sosw-{self.orchestrator.owner}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the turns under way; returns at once."""
        self.orchestrator.stop.set()

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end. Synchronous invocations under way are waited for, as long as the function may run."""
        if self._thread is not None:
            self._thread.join(seconds)

    def check(self) -> None:
        """Raise what ended the thread, if something did."""
        if self.failure is not None:
            raise self.failure


@dataclass(eq=False)
class Seat:
    """The place of one who waits beside an orchestrator. The orchestrator ends when the last one leaves."""

    background: Background
    _key: Hashable
    _on_news: Callable[[], None]
    _failures: bool = False
    _before: Usage = field(default_factory=Usage)

    @property
    def usage(self) -> Usage:
        """What the orchestrator has used since the seat was taken, for all who wait beside it."""
        return self.background.orchestrator.usage() - self._before

    def leave(self) -> None:
        """Give the place back; returns at once. A second call does nothing."""
        with _lock:
            shared = _shared.get(self._key)
            if shared is None or self not in shared.seats:
                return
            shared.seats.remove(self)
            if not shared.seats:
                del _shared[self._key]
                self.background.stop()


@dataclass
class _SharedBackground:
    background: Background
    seats: list[Seat] = field(default_factory=list)

    def on_turn(self, report: TurnReport) -> None:
        log_turn(report)
        for seat in list(self.seats):
            if report.idle or (report.failed and seat._failures):  # noqa: SLF001 - this module's own
                seat._on_news()  # noqa: SLF001


_lock = threading.Lock()
_shared: dict[Hashable, _SharedBackground] = {}


def take_seat(
    key: Hashable, make: Callable[[], Orchestrator], *, on_news: Callable[[], None], failures: bool = False
) -> Seat:
    """A place beside the orchestrator of this key, which is started if it does not run yet.

    :param key: equal for all who want the same orchestrator.
    :param make: makes it; may do I/O, and be called in vain when two ask at once.
    :param on_news: called in the orchestrator's thread after each turn that finds the labourer without any task.
    :param failures: and after each turn that closes a task as failed.
    """
    seat = _beside(key, on_news, failures)
    if seat is None:
        made = Background(make())  # outside of the lock, since it asks Airflow and AWS's credentials
        seat = _beside(key, on_news, failures, made)
        if seat.background is made:
            made.start()
    return seat


@overload
def _beside(key: Hashable, on_news: Callable[[], None], failures: bool) -> Seat | None: ...
@overload
def _beside(key: Hashable, on_news: Callable[[], None], failures: bool, made: Background) -> Seat: ...
def _beside(key: Hashable, on_news: Callable[[], None], failures: bool, made: Background | None = None) -> Seat | None:
    """A seat beside the orchestrator that runs, or beside the one that was made if none runs."""
    with _lock:
        shared = _shared.get(key)
        if shared is None or shared.background.failure is not None:
            if made is None:
                return None
            shared = _shared[key] = _SharedBackground(made)
            made.orchestrator.on_turn = shared.on_turn
        seat = Seat(shared.background, key, on_news, failures, shared.background.orchestrator.usage())
        shared.seats.append(seat)
        return seat
