"""`make demo`, from nothing to the second and the third run; the end of `make up`, whatever ends it."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from demo import __main__ as commands
from demo import embedded_aws

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def demo(state: Path, *arguments: str) -> str:
    """Run the command behind `make demo`, which must succeed, and give what it prints."""
    command = [sys.executable, "-m", "demo", "--state", str(state), *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *(["run", "--date", wrong] for wrong in ("tomorrow", "2026-13-01", "0001-01-01", "9999-12-31")),
        *(["up", "--port", wrong] for wrong in ("http", "0", "-1", "65536", "\u0663")),
    ],
    ids=str,
)
def test_what_is_no_date_and_no_port(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says it, before anything is started."""
    monkeypatch.setattr(sys, "argv", ["demo", *arguments])
    with pytest.raises(SystemExit) as ended:
        commands._arguments()
    assert ended.value.code == 2
    assert f"argument {arguments[1]}: {arguments[2]!r} is not a " in capsys.readouterr().err


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
    assert "Lambda has run them: 36 completed." in first
    assert re.match(r'0 +completed +1 +\{"toyota": \d+\} ', rows(first)[0])

    again = demo(state, "run", "--date", "2026-03-02")
    assert rows(again) == rows(first)
    assert "0 of them are new" in again
    assert "sosw's tables hold 36 tasks, 0 more than before." in again

    other = demo(state, "run", "--date", "2026-03-03")
    assert "18 words x 2 days (2026-03-01, 2026-03-02)" in other
    assert "36 of them are new." in other
    assert "sosw's tables hold 72 tasks, 36 more than before." in other


def rows(output: str) -> list[str]:
    """The lines of the table that are tasks."""
    return [line for line in output.splitlines() if '"words"' in line]


def test_server_is_found_again_and_ended(state: Path) -> None:
    """The embedded AWS outlives the demo, is found by the next one, and ends with `make demo-stop`."""
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
    """A state file that leads to another demo's process ends nothing."""
    other = embedded_aws.start(state / "other")
    try:
        (state / "aws.json").write_text(f'{{"port": {other.port}, "token": "not its token", "pid": {other.pid}}}')
        assert embedded_aws.stop(state) is False
        assert embedded_aws.find(state / "other") == other
    finally:
        embedded_aws.stop(state / "other")


#: Starts a command, which has a descendant of another session that ignores every signal that can be ignored.
STARTER = """
import sys, time
from pathlib import Path
from demo.__main__ import Ended, _end_on_signals
from demo.process_tree import started
_end_on_signals()
with open(sys.argv[1], "w") as log:
    try:
        with started([sys.executable, "-c", sys.argv[2]], cwd=Path.cwd(), log=log):
            time.sleep(100)
    except Ended:
        pass
"""
TREE = """
import os, subprocess, sys, time
orphan = "import signal, time; [signal.signal(each, signal.SIG_IGN) for each in (1, 2, 15)]; time.sleep(100)"
orphan = [sys.executable, "-c", orphan]
middle = f"import subprocess; print(subprocess.Popen({orphan}, start_new_session=True).pid, flush=True)"
subprocess.run([sys.executable, "-c", middle])
print(os.getpid(), flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_processes_end_with_their_starter(number: signal.Signals, tmp_path: Path) -> None:
    """Whatever signal ends the starter, even in the background; descendants in sessions of their own end as well."""
    log = tmp_path / "log"
    command = [sys.executable, "-c", STARTER, str(log), TREE]
    starter = subprocess.Popen(
        # As a shell starts a background process.
        command,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
    )
    until(lambda: log.exists() and len(log.read_text().split()) == 2)
    pids = [int(pid) for pid in log.read_text().split()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    starter.send_signal(number)
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    starter.wait(timeout=20)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def processes_of(state: Path) -> list[str]:
    """The command lines of all processes that work with this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get("AIRFLOW_HOME", "")
            if str(state) in home or any(str(state) in word for word in process.cmdline()):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:  # noqa: PERF203 - of another user, or gone
            continue
    return found


def test_up_ends_with_make_and_with_its_terminal(state: Path) -> None:
    """Neither SIGTERM to `make` nor a closed terminal leaves a process, or the port in use."""
    port = free_port()
    make = [
        *("make", "--no-print-directory", "-f", "-", "up"),
        f"PORT={port}",
    ]
    recipe = f"up:\n\t@exec {sys.executable} -u -m demo --state '{state}' up --port '$(PORT)'\n"

    ended = subprocess.Popen(make, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert ended.stdin is not None
    ended.stdin.write(recipe)
    ended.stdin.close()
    try:
        wait_for_airflow(port)
    finally:
        ended.terminate()
        ended.wait(timeout=60)
    until(lambda: processes_of(state) == [])
    assert not answers(port)

    pid, terminal = pty.fork()
    if pid == 0:
        command = [sys.executable, "-u", "-m", "demo", "--state", str(state), "up", "--port", str(port)]
        os.chdir(ROOT)
        os.execv(sys.executable, command)  # noqa: S606
    try:
        wait_for_airflow(port)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    until(lambda: processes_of(state) == [])
    assert not answers(port)


def free_port() -> int:
    """A port that no process uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether a server listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for_airflow(port: int) -> None:
    """Wait until the UI answers."""
    until(lambda: answers(port), seconds=900)
