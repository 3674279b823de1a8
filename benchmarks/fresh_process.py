"""Measures a function in a process of its own, so that no measurement inherits memory or caches of another."""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Figures", "measured", "medians", "peak_growth", "repeated", "spread"]

Figures = dict[str, float]

_ROOT = Path(__file__).resolve().parent.parent
_STATUS = Path("/proc/self/status")


def measured(function: str, **arguments: Any) -> Figures:
    """The figures that ``function`` ("module:name") gives for these arguments in a fresh process.

    The hash seed is fixed: sosw's result depends on it. What is compiled is kept.
    """
    done = subprocess.run(  # noqa: S603 - this interpreter, on this module
        [sys.executable, "-m", __name__, function, json.dumps(arguments)],
        cwd=_ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def medians(runs: list[Figures]) -> Figures:
    """The median of each figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def spread(values: Sequence[float]) -> float:
    """How far repetitions differ: the largest minus the smallest, in percent of the median."""
    return 100 * (max(values) - min(values)) / statistics.median(values)


def repeated(work: Callable[[], Figures], seconds: float) -> Figures:
    """The figures of work that is done again until it has had so much processor time, each time from nothing.

    Their ``processor_seconds`` are those of once: a short time alone is measured with too much noise.
    """
    begun, times = time.process_time(), 0
    while True:
        figures = work()
        times += 1
        taken = time.process_time() - begun
        if taken >= seconds:
            return {**figures, "processor_seconds": taken / times}


def peak_growth(work: Callable[[], Mapping[str, float]]) -> Figures:
    """What ``work`` gives, with its ``seconds``, its ``processor_seconds``, and its ``peak_mb``.

    ``peak_mb`` is how far the process grew above where it began. Seconds that ``work`` has measured itself are kept.
    Memory is the resident set. Linux's high-water mark is set back before the work; elsewhere a peak before the work
    hides one of the same height in it.
    """
    gc.collect()
    _forget_peak()
    before = _resident_mb()
    start, processor = time.perf_counter(), time.process_time()
    figures = dict(work())
    taken = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - processor}
    return {**taken, **figures, "peak_mb": max(_peak_mb() - before, 0.0)}


def _forget_peak() -> None:
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def _resident_mb() -> float:
    return _status_mb("VmRSS") if _STATUS.exists() else _peak_mb()


def _peak_mb() -> float:
    if _STATUS.exists():
        return _status_mb("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _status_mb(name: str) -> float:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6


def _main() -> None:
    module, _, name = sys.argv[1].partition(":")
    figures = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    sys.stdout.write(f"{json.dumps(figures)}\n")


if __name__ == "__main__":
    _main()
