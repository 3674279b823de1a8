"""When the machine itself kept an idle event loop waiting: such moments prove nothing about any other loop."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

#: As Airflow's own watchdog: it sleeps for 100 ms and warns after 200.
_WATCH = """
import asyncio, time

async def watch():
    while True:
        begun = time.monotonic()
        await asyncio.sleep(0.1)
        if time.monotonic() - begun > 0.2:
            print(time.time(), flush=True)

asyncio.run(watch())
"""

_BLOCKED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)[^\n]*async thread was blocked for ([\d.]+) seconds")


@dataclass
class IdleLoop:
    """An event loop in a process of its own that does nothing but notice when it waits for the machine."""

    output: Path
    begun: float = field(default=0.0, init=False)
    ended: float = field(default=0.0, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-c", _WATCH], stdout=self.output.open("wb"))
        self.begun = time.time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended = time.time()
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stalls(self) -> list[float]:
        """The seconds since 1970 at which it had waited."""
        return [float(line) for line in self.output.read_text().splitlines()]

    def quiet_share(self) -> float:
        """The share of its time's seconds without a stall."""
        seconds = max(1, int(self.ended - self.begun))
        return 1 - len({int(each) for each in self.stalls()}) / seconds


def blocked_without_stall(log: str, idle: IdleLoop, *, within: float = 1.0) -> list[tuple[datetime, float]]:
    """When a triggerer's loop was blocked, and for how long, while the idle loop was not."""
    stalls = idle.stalls()
    found = []
    for moment, seconds in _BLOCKED.findall(log):
        at = datetime.fromisoformat(moment[:26]).replace(tzinfo=timezone.utc)
        begun = at.timestamp() - float(seconds)
        if not any(begun - within <= stall <= at.timestamp() + within for stall in stalls):
            found.append((at, float(seconds)))
    return found
