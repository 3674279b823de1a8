"""Run a command until standard input closes, and leave nothing of it behind: `python process_tree.py COMMAND...`.

Airflow's tasks have process groups of their own, and outlive a scheduler that is killed. On Linux this process adopts
them, so that the end of the test run, however it comes, is the end of all of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time

import psutil

STOP_SECONDS = 20.0
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run the command; return its exit code, or 0 when it was told to stop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    told = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(told,), daemon=True).start()
    while process.poll() is None and not told.is_set():
        told.wait(0.2)
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    _end_all()
    return 0 if told.is_set() else process.returncode


def _wait_for_the_end(told: threading.Event) -> None:
    # Not through a buffered reader: its lock would stop the interpreter's end.
    while os.read(0, 4096):
        pass
    told.set()


def _end_all() -> None:
    """SIGKILL whatever is left, until nothing is; what dies leaves its children to us."""
    me = psutil.Process()
    deadline = time.monotonic() + STOP_SECONDS
    while (rest := me.children(recursive=True)) and time.monotonic() < deadline:
        for each in rest:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(rest, timeout=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
