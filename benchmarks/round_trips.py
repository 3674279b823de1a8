"""Counts the requests of a boto3 session, and how many of them had to wait for one another."""

from __future__ import annotations

import threading
import time
from typing import Any

__all__ = ["RoundTrips", "longest_sequence"]


class RoundTrips:
    """The requests of the clients that a session makes from now on, each with its begin and end.

    Make it before anything that delays requests: the delay belongs to them.
    """

    def __init__(self, session: Any) -> None:
        self._begun = threading.local()
        self.spans: list[tuple[float, float]] = []
        session.events.register_first("before-send", self._begin)
        session.events.register_last("response-received", self._end)

    def _begin(self, **_: Any) -> None:
        self._begun.at = time.perf_counter()

    def _end(self, **_: Any) -> None:
        self.spans.append((self._begun.at, time.perf_counter()))

    def figures(self) -> dict[str, float]:
        """How many there were, and how many of them one after the other."""
        return {"requests": len(self.spans), "round_trips": longest_sequence(self.spans)}


def longest_sequence(spans: list[tuple[float, float]]) -> int:
    """The largest number of spans of which no two overlap."""
    number, free = 0, float("-inf")
    for begin, end in sorted(spans, key=lambda span: span[1]):
        if begin >= free:
            number, free = number + 1, end
    return number
