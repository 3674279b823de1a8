"""Several requests at once, in the threads that all labourers share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["SideBySide"]


@dataclass(frozen=True)
class SideBySide:
    """Calls a function for each of several arguments.

    :ivar workers: threads.
    :ivar threads: that one call uses at most.
    """

    workers: Executor
    threads: int

    def __call__(self, act: Callable[[Any], Any], each_of: Iterable[Any]) -> Iterator[Any]:
        """What ``act`` returns for each. A failure is raised when all have ended and the others were taken."""
        waiting = deque(enumerate(each_of))
        outcomes: list[Any] = [None] * len(waiting)

        def work() -> None:
            # A thread takes the next one itself: to hand one over takes a tenth of the processor time of its requests.
            with suppress(IndexError):
                while True:
                    number, each = waiting.popleft()
                    outcomes[number] = _outcome(act, each)

        for future in [self.workers.submit(work) for _ in range(min(len(waiting), self.threads))]:
            future.result()
        failures = []
        for result, failure in outcomes:
            if failure is not None:
                failures.append(failure)
            else:
                yield result
        if failures:
            raise failures[0]


def _outcome(act: Callable[[Any], Any], each: Any) -> tuple[Any, Exception | None]:
    try:
        return act(each), None
    except Exception as failure:  # noqa: BLE001 - raised for the caller
        return None, failure
