"""How long a process waited for a processor: such moments prove nothing about its event loop."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

#: Seconds between two samples.
_EVERY = 0.05

_BLOCKED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)[^\n]*async thread was blocked for ([\d.]+) seconds")


@dataclass
class RunQueue:
    """Samples how long the threads of these processes were ready to run and got no processor.

    Linux counts that for each thread. While one that holds Python's lock waits, no other one of its process runs.
    """

    pids: list[int]
    samples: list[tuple[float, dict[tuple[int, str], float]]] = field(default_factory=list, init=False)
    _end: threading.Event = field(default_factory=threading.Event, init=False)

    @classmethod
    def of(cls, pid: int) -> Self:
        """Of a process and all that it has started."""
        return cls([pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))])

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def waited(self, begun: float, ended: float) -> float:
        """The seconds that all threads of one process have waited in this time, in seconds since 1970.

        The lock passes from one to the other, so that their waits add up; of several processes, the longest.
        """
        by_process: dict[int, float] = {}
        for (pid, _), seconds in self._between(begun, ended).items():
            by_process[pid] = by_process.get(pid, 0.0) + seconds
        return max(by_process.values(), default=0.0)

    def share(self) -> float:
        """The share of all of the time that the thread which waited most has waited."""
        (begun, _), (ended, _) = self.samples[0], self.samples[-1]
        return max(self._between(begun, ended).values(), default=0.0) / max(ended - begun, _EVERY)

    def _between(self, begun: float, ended: float) -> dict[tuple[int, str], float]:
        within = [waits for at, waits in self.samples if begun - 2 * _EVERY <= at <= ended + 2 * _EVERY]
        if not within:
            return {}
        return {thread: seconds - within[0].get(thread, 0.0) for thread, seconds in within[-1].items()}

    def _sample(self) -> None:
        while not self._end.wait(_EVERY):
            self.samples.append((time.time(), dict(_waits(self.pids))))


def _waits(pids: list[int]) -> Iterator[tuple[tuple[int, str], float]]:
    """Each thread of these processes, and the seconds for which it has waited so far."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError, IndexError):  # it has ended
                yield (pid, thread.parent.name), int(thread.read_text().split()[1]) / 1e9


def blocked_by_itself(log: str, queue: RunQueue, *, most: float) -> list[tuple[datetime, float, float]]:
    """When a triggerer's loop was blocked for longer than `most` seconds beside its waits for a processor.

    Gives the moment, the seconds, and those that it waited for a processor.
    """
    found = []
    for moment, seconds in _BLOCKED.findall(log):
        at = datetime.fromisoformat(moment[:26]).replace(tzinfo=timezone.utc)
        waited = queue.waited(at.timestamp() - float(seconds), at.timestamp())
        if float(seconds) - waited > most:
            found.append((at, float(seconds), round(waited, 2)))
    return found
