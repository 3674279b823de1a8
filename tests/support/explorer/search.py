"""Which schedules of a scenario are run: all with few deviations, or random ones."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.support.deterministic_aws.clients import Edge
from tests.support.explorer.engine import Abandoned, Run, Stage, run_schedule
from tests.support.explorer.schedule import Deviation, Replay, Schedule
from tests.support.explorer.virtual_time import virtual_time

__all__ = ["Found", "Search", "explore", "minimise", "replay", "wander"]

#: Makes a scenario in its beginning.
MakeStage = Callable[[], Stage]


#: What follows the last point of a run.
_END = -1


@dataclass
class Found:
    """What a search came to.

    :ivar schedules: that were run.  :ivar whole: those that came to their end, and not to a state that is known.
    :ivar known: for each state, the actions that were run there, what each costs and the state that it leads to; None
        is the plain sequence.
    :ivar failures: the first run that broke each kind of promise.
    :ivar found_at: for each kind, after how many schedules and seconds that was.
    :ivar complete: every schedule of the wanted number of deviations was run.
    """

    schedules: int = 0
    whole: int = 0
    requests: int = 0
    states: set[int] = field(default_factory=set)
    known: dict[int, dict[str | None, tuple[int, int]]] = field(default_factory=dict)
    seconds: float = 0.0
    failures: dict[str, Run] = field(default_factory=dict)
    found_at: dict[str, tuple[int, float]] = field(default_factory=dict)
    complete: bool = False
    first: int = 0

    def covered(self, deviations: int) -> int:
        """Schedules with so many deviations of which every state was run: two that meet in a state continue alike."""
        counts: dict[tuple[int, int], int] = {}

        def count(state: int, left: int) -> Iterator[tuple[int, int]]:
            """Asks for what it needs first, so that a long schedule needs no deep stack."""
            actions = [(after, left - price) for price, after in self.known[state].values() if price <= left]
            for each in actions:
                if each[0] != _END and each not in counts:
                    yield each
            counts[state, left] = sum(1 if after == _END else counts[after, rest] for after, rest in actions)

        begin = (self.first, deviations)
        waiting = [(begin, count(*begin))]
        while waiting:
            needed = next(waiting[-1][1], None)
            if needed is None:
                waiting.pop()
            elif needed not in counts:
                waiting.append((needed, count(*needed)))
        return counts[begin]

    def take(self, run: Run, seconds: float) -> None:
        """Count a run, which has ended so many seconds after the beginning."""
        self.schedules, self.seconds = self.schedules + 1, seconds
        self.whole += not run.abandoned
        self.requests += run.steps
        self.states.update(point.state for point in run.points)
        following = [point.state for point in run.points[1:]] + [run.last_state if run.abandoned else _END]
        for point, after in zip(run.points, following, strict=False):
            price = 0 if point.taken is None else dict(point.options)[point.taken]
            self.known.setdefault(point.state, {})[point.taken] = (price, after)
        if run.points:
            self.first = run.points[0].state
        for violation in run.violations:
            self.failures.setdefault(violation.kind, run)
            self.found_at.setdefault(violation.kind, (self.schedules, seconds))


@dataclass(frozen=True)
class Search:
    """How far a search goes.

    :ivar deviations: that a schedule may have.  :ivar schedules: and ``seconds``: after which it ends.
    :ivar goal: ends it once it holds.
    :ivar edge: where requests are answered.
    :ivar leave_out_known: a run ends where it comes to a state from which as much was tried before.
    """

    deviations: int = 2
    schedules: int = 1_000_000
    seconds: float = 3600.0
    goal: Callable[[Found], bool] = lambda found: False
    leave_out_known: bool = True
    edge: Edge = Edge.WIRE

    def over(self, found: Found) -> bool:
        """The search ends here."""
        return self.goal(found) or found.schedules >= self.schedules or found.seconds >= self.seconds


def explore(make: MakeStage, search: Search, into: Found | None = None) -> Found:
    """Run every schedule with so many deviations, those with few first; states that are known are not run again.

    :param into: counts the runs.
    """
    with virtual_time():
        return _explore(make, search, into or Found())


def _explore(make: MakeStage, search: Search, found: Found) -> Found:
    begun = time.perf_counter()
    levels: list[list[tuple[Deviation, ...]]] = [[()]] + [[] for _ in range(search.deviations)]
    known: dict[int, int] = {}
    for cost, level in enumerate(levels):
        for deviations in level:  # it grows meanwhile: which actor follows another costs nothing
            if not search.leave_out_known:
                known.clear()
            chooser = _Bounded(deviations, known, left=search.deviations - cost)
            run = run_schedule(make(), chooser, search.edge)
            found.take(run, time.perf_counter() - begun)
            if search.over(found):
                return found
            for point in run.points[chooser.first_free :]:
                for action, price in point.options:
                    if cost + price < len(levels):
                        levels[cost + price].append((*deviations, Deviation(point.name, action)))
        level.clear()
    found.complete = True
    return found


class _Bounded:
    """Replays deviations; then nothing deviates, until a state comes that has been run with as many left."""

    def __init__(self, deviations: Sequence[Deviation], known: dict[int, int], *, left: int) -> None:
        self._replay, self._known, self._left = Replay(deviations), known, left
        self._points = 0
        self.first_free = 0

    def choose(self, name: str, options: Sequence[tuple[str, int]], state: int) -> str | None:
        if not self._replay.used_up:
            self._points += 1
            self.first_free = self._points
            return self._replay.action(name, [action for action, _ in options])
        if self._known.get(state, -1) >= self._left:
            raise Abandoned
        self._known[state] = self._left
        return None


def wander(make: MakeStage, search: Search, *, seed: int) -> Found:
    """Run random schedules: priorities decide who continues, and change at random requests; fates are rare."""
    found, begun = Found(), time.perf_counter()
    with virtual_time():
        while not search.over(found):
            chooser = _Wandering(random.Random(f"{seed} {found.schedules}"), search.deviations)
            run = run_schedule(make(), chooser, search.edge)
            found.take(run, time.perf_counter() - begun)
    return found


class _Wandering:
    """PCT: at `changes` random requests the actor that runs falls behind all others, or its request has a fate.

    :param changes: of priorities and fates in one run.
    """

    #: Requests of a run, about; a change that is due later does not happen.
    _LENGTH = 60

    def __init__(self, chance: random.Random, changes: int) -> None:
        self._chance = chance
        self._at = {chance.randrange(self._LENGTH) for _ in range(changes)}
        self._step = 0

    def choose(self, name: str, options: Sequence[tuple[str, int]], state: int) -> str | None:
        free = [action for action, price in options if not price]
        if free and self._chance.random() < 0.5:
            return self._chance.choice(free)
        self._step += 1
        if self._step in self._at and options:
            return self._chance.choice(options)[0]
        return None


def replay(make: MakeStage, schedule: Schedule) -> Run:
    """Run one schedule."""
    return run_schedule(make(), _Replaying(schedule.deviations))


class _Replaying:
    def __init__(self, deviations: Sequence[Deviation]) -> None:
        self._replay = Replay(deviations)

    def choose(self, name: str, options: Sequence[tuple[str, int]], state: int) -> str | None:
        return self._replay.action(name, [action for action, _ in options])


def minimise(make: MakeStage, run: Run, kind: str) -> Run:
    """The same broken promise with as few deviations, and then requests, as leaving some out can reach."""
    best = run
    shrunk = True
    while shrunk:
        shrunk = False
        deviations = best.schedule.deviations
        for number in range(len(deviations)):
            shorter = Schedule(best.schedule.scenario, deviations[:number] + deviations[number + 1 :])
            tried = replay(make, shorter)
            if any(violation.kind == kind for violation in tried.violations):
                best, shrunk = tried, True
                break
    return best
