"""A schedule as the places where it deviates from a plain sequence, and its text.

Without deviations the actors run one after the other, in their order, and every request is done. A deviation names a
point and what happens there:

=========  =============================================================================================
``A7>B``   before its 7th request actor A waits, and B continues
``A7!x``   the 7th request of A has the fate ``x`` (see `Fate`); ``dies``: it is done, and A ends there;
           ``sleeps``: A waits an hour before it
``A$>C``   after the end of A, C continues instead of the next in order; ``A~7>C`` the same while A sleeps
``^>B``    B begins
=========  =============================================================================================
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["DIES", "SLEEPS", "Deviation", "Replay", "Schedule"]

DIES, SLEEPS = "dies", "sleeps"

_TEXT = re.compile(r"(?P<point>\^|[A-Z](?:\$|~?\d+))(?P<action>[>!]\w+)")


@dataclass(frozen=True)
class Deviation:
    """One deviation: at a point, an action, such as ``>B`` or ``!lost``."""

    point: str
    action: str

    def __str__(self) -> str:
        return f"{self.point}{self.action}"

    @classmethod
    def of(cls, text: str) -> Deviation:
        """From its text.

        :raises ValueError: it is none.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no deviation, such as A7>B or A7!lost")
        return cls(match["point"], match["action"])


@dataclass(frozen=True)
class Schedule:
    """A scenario's name and deviations, in the order in which they happen."""

    scenario: str
    deviations: tuple[Deviation, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.scenario, *map(str, self.deviations)])

    @classmethod
    def of(cls, text: str) -> Schedule:
        """From its text, such as ``deliver-twice B3>A A5>B``."""
        scenario, *deviations = text.split()
        return cls(scenario, tuple(map(Deviation.of, deviations)))


class Replay:
    """Gives the action of each point of one schedule, in the order in which the points are reached."""

    def __init__(self, deviations: Iterable[Deviation]) -> None:
        self._actions: defaultdict[str, deque[str]] = defaultdict(deque)
        self._left = 0
        for each in deviations:
            self._actions[each.point].append(each.action)
            self._left += 1

    @property
    def used_up(self) -> bool:
        """Every deviation has happened."""
        return self._left == 0

    def action(self, point: str, possible: Iterable[str]) -> str | None:
        """The action at this point, None for none; one that is not possible any more is left out."""
        waiting = self._actions.get(point)
        options = set(possible)
        while waiting:
            self._left -= 1
            action = waiting.popleft()
            if action in options:
                return action
        return None
