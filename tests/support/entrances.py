"""What the fuzz tests of the entrances share: how an input is given, and what no input may do."""

from __future__ import annotations

import gc
import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sosw_airflow.exceptions import SoswError
from sosw_airflow.jobs.json_values import is_utf8

__all__ = ["INPUTS", "bounded_memory", "enter", "many", "own_folder", "patient", "seeds", "unfit"]

INPUTS = int(os.environ.get("SOSW_TEST_INPUTS", "300"))

#: Processor seconds for one input, and megabytes that all inputs of an entrance may add to the process.
MOST_SECONDS, MOST_MEGABYTES = 1.0, 300

#: Seconds for one entrance: the large run takes minutes for each.
patient = pytest.mark.timeout(max(600, INPUTS // 5))

seeds = given(st.integers(0, 2**64))
many = settings(
    max_examples=INPUTS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Fails the test if its inputs have made the process grow."""
    _forget_peak()
    before = _megabytes()
    yield
    assert _megabytes() - before < MOST_MEGABYTES


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of an input are written here."""
    monkeypatch.chdir(tmp_path)


def _forget_peak() -> None:
    """Begin the peak of this process at its present size; elsewhere than on Linux it stays that of all tests before."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _megabytes() -> float:
    """The peak of the process's memory."""
    if Path("/proc/self/status").exists():
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
        if peak is not None:
            return int(peak[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def enter(entrance: Callable[[], Any], *, also: tuple[type[BaseException], ...] = ()) -> Any:
    """Give one input. Returns what the entrance makes of it, None if it refuses.

    The clock counts this thread on a processor, without the garbage of the inputs before, whose collection can
    take longer than any input.

    :param also: Airflow's ways to say that an Airflow task waits, skips or fails.
    """
    gc.disable()
    began = time.thread_time()
    made, problem = None, None
    try:
        made = entrance()
    except (SoswError, *also) as error:
        problem = unfit(str(error))
    finally:
        seconds = time.thread_time() - began
        gc.enable()
    assert problem is None
    assert seconds < MOST_SECONDS
    return made


def unfit(message: str) -> str | None:
    """Why a log or a terminal cannot show the message."""
    if len(message) > 20_000:
        return f"{len(message)} characters, from {message[:200]}"
    return None if is_utf8(message) else f"not UTF-8: {ascii(message)[:200]}"
