"""Actors: greenlets that stop before each request until the engine lets them proceed.

A switch between greenlets takes a microsecond, between threads a hundred. Each has its own context (`contextvars`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from typing import Any

from greenlet import getcurrent, greenlet

from tests.support.deterministic_aws.aws import Call
from tests.support.explorer.virtual_time import Timekeeper, keeping_time

__all__ = ["Actor", "Died", "State", "current_actor"]

#: Seconds from which a sleep lets others proceed; a shorter one only moves the clock.
LONG_SLEEP = 30.0


class Died(BaseException):
    """The process of the actor is dead. Not an `Exception`, as nothing can handle a kill."""


class State(str, Enum):
    """What an actor does."""

    NEW = "new"
    PARKED = "parked"  # before a request
    SLEEPING = "sleeping"
    ENDED = "ended"
    DEAD = "dead"


_current: ContextVar[Actor | None] = ContextVar("actor", default=None)


def current_actor() -> Actor | None:
    """The actor that calls this."""
    return _current.get()


class Actor:
    """One entry point that is run.

    :param label: one capital letter, for schedules.
    :param name: for people.
    :param body: what it does.
    :param disturbed: its requests may have fates.
    :ivar call: the request that it is stopped before.
    :ivar requests: how many it has come to, this one included.
    :ivar wakes_at: the end of its sleep, in seconds since 1970.
    :ivar seen: a digest of all that it was answered; with the state of AWS it says what it will do next.
    """

    def __init__(self, label: str, name: str, body: Callable[[], Any], *, disturbed: bool = True) -> None:
        self.label, self.name, self.disturbed = label, name, disturbed
        self.state = State.NEW
        self.call: Call | None = None
        self.requests = 0
        self.wakes_at = 0.0
        self.seen = 0
        self.result: Any = None
        self.error: BaseException | None = None
        self._body = body
        self._greenlet: greenlet | None = None

    def __str__(self) -> str:
        return f"{self.label} ({self.name})"

    @property
    def alive(self) -> bool:
        """It has not ended."""
        return self.state not in (State.ENDED, State.DEAD)

    def see(self, *what: object) -> None:
        """Add to the digest of what it knows."""
        self.seen = hash((self.seen, *what))

    # -- called by the engine ------------------------------------------------------------------------------------------

    def proceed(self, decision: object, keeper: Timekeeper) -> None:
        """Let it proceed until it stops again. `decision` is what `stop_before` returns."""
        if self._greenlet is None:
            self._greenlet = greenlet(self._run, getcurrent())
            self._greenlet.switch(keeper)
        else:
            self._greenlet.switch(decision)

    # -- called by itself ---------------------------------------------------------------------------------------------

    def stop_before(self, call: Call) -> Any:
        """Stop before this request; returns what the engine has decided about it.

        :raises Died: it is dead.
        """
        if self.state is State.DEAD:
            raise Died
        self.call = call
        self.requests += 1
        return self._stop(State.PARKED)

    def sleep_until(self, moment: float) -> None:
        """Stop until the engine's clock has come to this moment.

        :raises Died: it is dead.
        """
        if self.state is State.DEAD:
            raise Died
        self.wakes_at = moment
        self._stop(State.SLEEPING)

    def die(self) -> None:
        """End here.

        :raises Died: always.
        """
        self.state = State.DEAD
        raise Died

    def _stop(self, state: State) -> Any:
        self.state = state
        decision = getcurrent().parent.switch()
        if decision is Died:
            self.die()
        return decision

    def _run(self, keeper: Timekeeper) -> None:
        _current.set(self)
        try:
            with keeping_time(keeper):
                self.result = self._body()
        except BaseException as error:  # noqa: BLE001 - whatever ends it is its outcome
            self.error = error
        finally:
            if self.state is not State.DEAD:
                self.state = State.ENDED
