"""sosw's Orchestrator and Scavenger, started again and again as EventBridge does, at an accelerated pace."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from typing_extensions import Self

from tests.support.upstream.components import Upstream

__all__ = ["UpstreamCron"]


@dataclass
class UpstreamCron:
    """Starts both at the same instant, each in a thread of its own; a run that takes longer delays the next one.

    :ivar minute: seconds from one start to the next.
    :ivar orchestrator: and ``scavenger``: whether each is switched on.
    :ivar alone: held during a run, by which other programs can keep out of its way.
    :ivar failures: what their runs have raised.
    """

    sosw: Upstream
    minute: float = 0.5
    orchestrator: bool = True
    scavenger: bool = True
    alone: AbstractContextManager[object] = field(default_factory=nullcontext)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        programs = []
        if self.orchestrator:
            programs.append(self.sosw.orchestrator)  # made here: it registers its labourers
        if self.scavenger:
            programs.append(self.sosw.scavenger)
        self._threads = [threading.Thread(target=self._repeat, args=(each,), daemon=True) for each in programs]
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(60)
            assert not each.is_alive()

    def _repeat(self, program: object) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                with self.alone:
                    program({})  # type: ignore[operator]
            except Exception as failure:  # noqa: BLE001 - the test reads it
                self.failures.append(failure)
            self._stop.wait(max(0.0, begun + self.minute - time.monotonic()))
