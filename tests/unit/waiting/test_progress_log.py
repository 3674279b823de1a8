"""Lines of progress in the log."""

from __future__ import annotations

import pytest

from sosw_airflow.waiting.progress_log import ProgressLog
from tests.support.simulated_tables import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


@pytest.mark.parametrize(
    ("total", "before", "done", "seconds", "line"),
    [
        pytest.param(100, 0, 0, 0, "Work: 0 of 100 tasks (0.0 %)", id="before the first task"),
        pytest.param(100, 40, 0, 60, "Work: 40 of 100 tasks (40.0 %)", id="nothing moved"),
        pytest.param(100, 100, 0, 0, "Work: 100 of 100 tasks (100.0 %)", id="all done before"),
        pytest.param(100, 0, 100, 10, "Work: 100 of 100 tasks (100.0 %), 10 tasks/s", id="all done"),
        pytest.param(0, 0, 0, 10, "Work: 0 of 0 tasks (0.0 %)", id="no task at all"),
        pytest.param(None, 0, 0, 10, "Work: 0 tasks", id="no total, nothing done"),
        pytest.param(None, 0, 5000, 10, "Work: 5,000 tasks, 500 tasks/s", id="no total"),
        pytest.param(1000, 500, 100, 10, "Work: 600 of 1,000 tasks (60.0 %), 40 s left, 10 tasks/s", id="a resume"),
        pytest.param(10**6, 0, 999_999, 10, "Work: 999,999 of 1,000,000 tasks (99.9 %), 0 s left, 100,000 tasks/s",
                     id="nearly all"),
        pytest.param(100, 0, 30, 60, "Work: 30 of 100 tasks (30.0 %), 2 min left, 30 tasks/min", id="by the minute"),
        pytest.param(100, 0, 2, 600, "Work: 2 of 100 tasks (2.0 %), 8.2 h left, 12 tasks/h", id="by the hour"),
        pytest.param(9, 0, 1, 90_000, "Work: 1 of 9 tasks (11.1 %), 200.0 h left, 1.0 tasks/day", id="by the day"),
    ],
)  # fmt: skip
def test_no_rate_and_no_time_left_without_progress(
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    total: int | None,
    before: int,
    done: int,
    seconds: float,
    line: str,
) -> None:
    """Neither "0 tasks/s" nor "time left unknown" says anything."""
    progress = ProgressLog("Work", total, done=before, every=10**6)
    clock.now += seconds
    progress.add(done)
    with caplog.at_level("INFO"):
        progress.report(at_once=True)
    assert caplog.messages == [line]


def test_a_line_every_few_seconds(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """However often tasks are added; what was throttled and what failed stands behind."""
    progress = ProgressLog("Work", 100, every=5.0)
    with caplog.at_level("INFO"):
        for _ in range(10):
            clock.now += 1
            progress.add(10, throttled=3, failed=2)
    assert caplog.messages == [
        "Work: 50 of 100 tasks (50.0 %), 5 s left, 10 tasks/s, 3 requests throttled, 2 failed",
        "Work: 100 of 100 tasks (100.0 %), 10 tasks/s, 3 requests throttled, 2 failed",
    ]


def test_only_a_task_that_is_done_is_progress(clock: Clock) -> None:
    """The writer gives up when nothing has moved for too long."""
    progress = ProgressLog("Work", 100)
    begun = clock.now
    clock.now += 60
    progress.add(0)
    unmoved = progress.moved_at
    progress.add(1)
    assert (unmoved, progress.moved_at) == (begun, begun + 60)
