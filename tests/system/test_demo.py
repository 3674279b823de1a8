"""`make demo`, from nothing to the second and the third run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import embedded_aws

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def demo(state: Path, *arguments: str) -> str:
    """Run the command behind `make demo`, which must succeed, and give what it prints."""
    command = [sys.executable, "-m", "demo", "--state", str(state), *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder for the demo's state, with a blank in its name; no server outlives the test."""
    folder = tmp_path / "the demo"
    yield folder
    embedded_aws.stop(folder)


def test_same_run_changes_nothing_and_another_day_adds_its_own(state: Path) -> None:
    """36 rows for a day, none more for the same day, 36 more for the next; dates follow the run and not the clock."""
    first = demo(state, "run", "--date", "2026-03-02")
    assert "36 tasks for sosw_tutorial_pull_tweeter_hashtags: 18 words x 2 days (2026-02-28, 2026-03-01)" in first
    assert "36 of them are new." in first

    again = demo(state, "run", "--date", "2026-03-02")
    assert rows(again) == rows(first)
    assert "0 of them are new" in again
    assert "sosw_tasks holds 36 rows, 0 more than before." in again

    other = demo(state, "run", "--date", "2026-03-03")
    assert "18 words x 2 days (2026-03-01, 2026-03-02)" in other
    assert "36 of them are new." in other
    assert "sosw_tasks holds 72 rows, 36 more than before." in other


def rows(output: str) -> list[str]:
    """The lines of the table that are tasks."""
    return [line for line in output.splitlines() if '"words"' in line]


def test_server_is_found_again_and_ended(state: Path) -> None:
    """The embedded AWS outlives the demo, is found by the next one, and ends when told to."""
    started = embedded_aws.start(state)
    assert embedded_aws.find(state) == started
    assert "has ended" in demo(state, "stop")
    assert embedded_aws.find(state) is None
    assert "No embedded AWS" in demo(state, "stop")


def test_state_of_a_dead_server_is_no_server(state: Path) -> None:
    """A server that was killed is not found, and the next one takes its port."""
    dead = embedded_aws.start(state)
    subprocess.run(["kill", "-KILL", str(dead.pid)], check=True)
    assert embedded_aws.find(state) is None
    assert embedded_aws.start(state).port == dead.port


def test_server_of_another_is_left_alone(state: Path) -> None:
    """A state file that leads to somebody else's process ends nothing."""
    other = embedded_aws.start(state / "other")
    try:
        (state / "aws.json").write_text(f'{{"port": {other.port}, "token": "not its token", "pid": {other.pid}}}')
        assert embedded_aws.stop(state) is False
        assert embedded_aws.find(state / "other") == other
    finally:
        embedded_aws.stop(state / "other")
