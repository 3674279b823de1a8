"""What ends a deployment's processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.system.airflow_runs.deployment import PROCESS_TREE

#: Its grandchild has a session of its own and ignores SIGTERM, as the processes of running Airflow tasks may.
STUBBORN = """
import os, signal, subprocess, sys, time
grandchild = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
started = subprocess.Popen([sys.executable, "-c", grandchild], start_new_session=True)
open(sys.argv[1], "w").write(str(started.pid))
if sys.argv[2] == "die":
    os._exit(3)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere an orphan in a session of its own escapes")
@pytest.mark.parametrize(("way", "code"), [("live", 0), ("die", 3)])
def test_nothing_is_left(tmp_path: Path, way: str, code: int) -> None:
    """Neither when standard input closes nor when the command itself ends before its children."""
    note = tmp_path / "pid"
    command = [sys.executable, str(PROCESS_TREE), sys.executable, "-c", STUBBORN, str(note), way]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    deadline = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if way == "live":
        process.stdin.close()
    assert code == process.wait(60)
    assert not psutil.pid_exists(int(note.read_text()))


def test_the_exit_code_is_the_commands() -> None:
    """While it may run to its end."""
    command = [sys.executable, str(PROCESS_TREE), sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert 7 == process.wait(60)
