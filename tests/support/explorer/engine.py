"""Runs one schedule of a scenario, and says what happened and what was broken."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tests.support.deterministic_aws.answers import Reply, Request
from tests.support.deterministic_aws.aws import DeterministicAws, Fate
from tests.support.deterministic_aws.clients import Edge, answered_by
from tests.support.explorer.actors import LONG_SLEEP, Actor, Died, State, current_actor
from tests.support.explorer.schedule import DIES, SLEEPS, Deviation, Schedule
from tests.support.explorer.virtual_time import Timekeeper, keeping_time, virtual_time

__all__ = [
    "Abandoned",
    "Chooser",
    "Ending",
    "Event",
    "Point",
    "Run",
    "Stage",
    "Violation",
    "alone_with",
    "run_schedule",
]

#: Seconds that an actor sleeps whose fate it is.
_HOUR = 3600.0

#: Requests after which a run is given up: two actors wait for each other for ever.
_MOST_REQUESTS = 2000


@dataclass(frozen=True)
class Violation:
    """A broken promise.

    :ivar kind: which one, in one word.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(slots=True)
class Event:
    """One line of a trace. ``number`` is 0 for what is no request."""

    actor: str
    number: int
    what: str
    outcome: str


@dataclass(slots=True)
class Point:
    """A place where a run could have proceeded otherwise.

    :ivar options: possible actions and what each costs; the plain sequence is none of them.
    :ivar state: a digest of all that decides what follows.
    """

    name: str
    options: tuple[tuple[str, int], ...]
    state: int
    taken: str | None


class Chooser(Protocol):
    """Decides how a run proceeds."""

    def choose(self, name: str, options: Sequence[tuple[str, int]], state: int) -> str | None:
        """One of the actions, or None for the plain sequence.

        :raises Abandoned: the rest of this run is not wanted.
        """


class Abandoned(Exception):
    """The rest of a run is known already."""


class Ending(Protocol):
    """What happens when all actors have ended, and what is judged then."""

    aws: DeterministicAws

    def afterwards(self) -> None:
        """What happens: remedies, a clean-up, sosw processing the queue."""

    def violations(self) -> Iterator[Violation]:
        """The promises that are broken in the end."""


class Stage(Protocol):
    """A scenario that is being run: what the engine needs of it."""

    aws: DeterministicAws
    name: str
    fates: frozenset[str]

    def surroundings(self) -> AbstractContextManager[None]:
        """The context in which it is run."""

    def actors(self) -> list[Actor]:
        """The actors, in their plain order."""

    def endings(self) -> Iterator[tuple[str, Ending]]:
        """What may happen when all have ended, each with its name for a trace. All but the last use copies."""


@dataclass
class Run:
    """What a run came to.

    :ivar abandoned: it was not run to its end, since its rest was known.
    :ivar last_state: in which it was abandoned.
    """

    schedule: Schedule
    points: list[Point] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    abandoned: bool = False
    last_state: int = 0

    @property
    def steps(self) -> int:
        """Requests of the actors."""
        return sum(1 for event in self.events if event.number)


def run_schedule(stage: Stage, chooser: Chooser, edge: Edge = Edge.WIRE) -> Run:
    """Run a scenario as the chooser wants it."""
    return _Engine(stage, chooser, edge).run()


class _Engine:
    def __init__(self, stage: Stage, chooser: Chooser, edge: Edge) -> None:
        self._stage, self._chooser, self._aws, self._edge = stage, chooser, stage.aws, edge
        with stage.surroundings():
            self._actors = stage.actors()
        self._by_label = {actor.label: actor for actor in self._actors}
        self._keepers = {actor.label: self._keeper_of(actor) for actor in self._actors}
        self._taken: list[Deviation] = []
        self._run = Run(Schedule(stage.name))
        self._naps: set[str] = set()
        self._not_served: dict[str, Fate] = {}

    def run(self) -> Run:
        random.seed(0)  # the pauses between repeats are shortened at random
        self._aws.dynamodb.freeze_lagging_view()
        with self._stage.surroundings(), virtual_time(), answered_by(self._answer, self._edge):
            try:
                self._play()
            except Abandoned:
                self._run.abandoned = True
            finally:
                self._end_all()
            if not self._run.abandoned:
                for name, ending in self._stage.endings():
                    with self._alone(ending.aws, name):
                        ending.afterwards()
                    self._run.violations += ending.violations()
        self._run.schedule = Schedule(self._stage.name, tuple(self._taken))
        return self._run

    # -- who continues -----------------------------------------------------------------------------------------------

    def _play(self) -> None:
        current: Actor | None = None
        while any(actor.alive for actor in self._actors):
            if current is None or current.state is not State.PARKED:
                if current is not None and not current.alive:
                    current.see("ends", self._aws.digest())
                current = self._after(current)
                self._wake(current)
            else:
                current = self._before_request(current)

    def _after(self, former: Actor | None) -> Actor:
        """Who continues when the former one has ended, or sleeps."""
        alive = [actor for actor in self._actors if actor.alive]
        ready = [actor for actor in alive if actor.state is not State.SLEEPING]
        plain = ready[0] if ready else min(alive, key=lambda actor: actor.wakes_at)
        point = "^" if former is None else f"{former.label}{'$' if not former.alive else f'~{former.requests}'}"
        options = [(f">{actor.label}", int(actor not in ready)) for actor in alive if actor is not plain]
        action = self._choose(point, options, plain)
        return plain if action is None else self._by_label[action[1:]]

    def _before_request(self, actor: Actor) -> Actor:
        """Decide about the request that the actor is stopped before. Returns who continues."""
        assert actor.call is not None
        # No actor changes a table, so who continues before one is described makes no difference.
        others = [] if actor.call.operation == "DescribeTable" else self._actors
        options = [(f">{other.label}", 1) for other in others if other.alive and other is not actor]
        options += [(f"!{fate}", 1) for fate in self._possible_fates(actor)]
        action = self._choose(f"{actor.label}{actor.requests}", options, actor)
        if action is None:
            actor.proceed(Fate.DONE, self._keepers[actor.label])
        elif action.startswith(">"):
            other = self._by_label[action[1:]]
            self._wake(other)
            return other
        elif action == f"!{SLEEPS}":
            self._naps.add(actor.label)
            actor.state, actor.wakes_at = State.SLEEPING, self._aws.clock + _HOUR
            self._note(actor, "sleeps for an hour", "")
        else:
            actor.proceed(action[1:], self._keepers[actor.label])
        return actor

    def _possible_fates(self, actor: Actor) -> Iterator[str]:
        """The fates that make a difference: the loss of an answer to a read, for one, is like a refusal."""
        call = actor.call
        assert call is not None
        if not actor.disturbed:
            return
        for fate in (Fate.LOST, Fate.REFUSED, Fate.DENIED, Fate.LAGS, Fate.REPEATED):
            rule = {Fate.LOST: not call.reads, Fate.LAGS: call.may_lag, Fate.REPEATED: call.operation == "Invoke"}
            useful = rule.get(fate, True)
            if fate.value in self._stage.fates and useful:
                yield fate.value
        if DIES in self._stage.fates and not call.reads:
            yield DIES
        if SLEEPS in self._stage.fates:
            yield SLEEPS

    def _choose(self, name: str, options: list[tuple[str, int]], plain: Actor) -> str | None:
        if len(self._run.events) > _MOST_REQUESTS:
            raise RuntimeError(f"no end after {_MOST_REQUESTS} requests: {self._stage.name} {self._taken}")
        state = self._run.last_state = self._state(name, plain)
        action = self._chooser.choose(name, options, state)
        self._run.points.append(Point(name, tuple(options), state, action))
        if action is not None:
            self._taken.append(Deviation(name, action))
        return action

    def _state(self, name: str, plain: Actor) -> int:
        actors = tuple((actor.state.value, actor.seen, actor.requests, actor.wakes_at) for actor in self._actors)
        return hash((name, plain.label, self._aws.digest(), self._aws.clock, actors))

    def _wake(self, actor: Actor) -> None:
        """Let an actor come to its next request."""
        if actor.state is State.SLEEPING:
            self._aws.clock = max(self._aws.clock, actor.wakes_at)
        if actor.label in self._naps:
            self._naps.discard(actor.label)
            actor.state = State.PARKED
        elif actor.state is not State.PARKED:
            if actor.state is State.NEW:  # promises compare what was there at the begin and at the end of an attempt
                actor.see("begins", self._aws.digest(), *(other.alive for other in self._actors))
            actor.proceed(None, self._keepers[actor.label])

    def _end_all(self) -> None:
        for actor in self._actors:
            if actor.state in (State.PARKED, State.SLEEPING):
                actor.proceed(Died, self._keepers[actor.label])

    def _keeper_of(self, actor: Actor) -> Timekeeper:
        def sleep(seconds: float) -> None:
            if seconds < LONG_SLEEP:
                self._aws.clock += seconds
            else:
                actor.sleep_until(self._aws.clock + seconds)

        return Timekeeper(self._aws.now, sleep)

    # -- what becomes of a request -------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Reply:
        call = self._aws.call(request)
        actor = current_actor()
        assert actor is not None
        if call.attempt_of in self._not_served:  # the repeats that botocore makes of a refused request
            return self._aws.answer(call, self._not_served[call.attempt_of])
        decision = actor.stop_before(call)
        dies = decision == DIES
        fate = Fate.DONE if dies else Fate(decision)
        if fate in (Fate.REFUSED, Fate.DENIED):
            self._not_served[call.attempt_of] = fate
        self._aws.sender = actor.label
        try:
            reply = self._aws.answer(call, fate)
        except Exception:
            actor.see(call.content, fate.value)
            self._note(actor, str(call), "done, the answer is lost", actor.requests)
            raise
        actor.see(call.content, reply.content)
        brief = str(reply) if fate is Fate.DONE else f"{reply} ({fate.value})"
        self._note(actor, str(call), f"{brief}, and {actor.label} dies" if dies else brief, actor.requests)
        if dies:
            actor.die()
        return reply

    def _note(self, actor: Actor, what: str, outcome: str, number: int = 0) -> None:
        self._run.events.append(Event(actor.label, number, what, outcome))

    @contextmanager
    def _alone(self, aws: DeterministicAws, name: str) -> Iterator[None]:
        """Inside, this thread sends requests that are all done, and its sleeping moves the clock."""

        def respond(request: Request) -> Reply:
            call = aws.call(request)
            aws.sender = "-"
            reply = aws.answer(call)
            self._run.events.append(Event(name, 0, str(call), str(reply)))
            return reply

        with answered_by(respond, self._edge), keeping_time(_alone_in_time(aws)):
            yield


@contextmanager
def alone_with(aws: DeterministicAws, edge: Edge = Edge.WIRE) -> Iterator[None]:
    """Inside, the caller's thread uses this AWS by itself: to prepare a scenario."""

    def respond(request: Request) -> Reply:
        return aws.answer(aws.call(request))

    with virtual_time(), answered_by(respond, edge), keeping_time(_alone_in_time(aws)):
        yield


def _alone_in_time(aws: DeterministicAws) -> Timekeeper:
    def sleep(seconds: float) -> None:
        aws.clock += seconds

    return Timekeeper(aws.now, sleep)
