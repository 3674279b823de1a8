"""Demo workers: do what sosw's Orchestrator, the labourers and the Scavenger would do with the embedded AWS."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection

from demo.queue import Queue

__all__ = ["Workers"]


class Workers:
    """Complete tasks, some a second, in a thread of their own; every so often one fails.

    :param labourers: whose tasks.
    :param every: seconds between two rounds.
    :param at_once: tasks of a labourer that are completed in a round.
    :param failures: share of rounds that let a task of a labourer fail, from 0 to 1.
    """

    def __init__(
        self, queue: Queue, labourers: Collection[str], *, every: float = 1.0, at_once: int = 3, failures: float = 0.0
    ) -> None:
        self._queue, self._sosw, self._labourers = queue, queue.sosw(), set(labourers)
        self._every, self._at_once, self._failures = every, at_once, failures
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name="demo-workers")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(self._every):
            for labourer_id in sorted(self._queue.busy_labourers() & self._labourers):
                if random.random() < self._failures:  # noqa: S311
                    self._sosw.fail(labourer_id, limit=1)
                self._sosw.finish(labourer_id, limit=self._at_once)
