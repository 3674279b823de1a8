"""A server in a child process: started, waited for, stopped; its output goes to a file."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class ServerStartError(RuntimeError):
    """The child process ended, or did not answer in time. The message carries the end of its log."""


def free_port() -> int:
    """Find a free loopback port (another process may take it before it is used)."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """One server process. It ends with its parent, however that ends: its standard input is a pipe of ours.

    The launcher scripts beside this module watch that pipe and exit when it closes, so that a killed test run leaves
    no server behind.
    """

    def __init__(
        self, command: Sequence[str], *, port: int, ready_path: str, log_path: Path, env: Mapping[str, str]
    ) -> None:
        self.port = port
        self.log_path = log_path
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                list(command),
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the test run: it still needs the server while it tears down.
                start_new_session=True,
            )
        try:
            self._wait_until_ready(ready_path)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The id of the child process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the child process still lives."""
        return self._process.poll() is None

    def _wait_until_ready(self, ready_path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        pause = 0.01
        while time.monotonic() < deadline:
            if not self.is_running():
                raise ServerStartError(self._describe(f"ended with code {self._process.returncode}"))
            with contextlib.suppress(OSError, http.client.HTTPException):
                if request(self.port, "GET", ready_path) == 200:
                    return
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        raise ServerStartError(self._describe(f"did not answer GET {ready_path} within {START_SECONDS:.0f} s"))

    def _describe(self, fault: str) -> str:
        end_of_log = self.log_path.read_text(errors="replace")[-2000:]
        return f"{self._process.args!r} {fault}. The end of {self.log_path}:\n{end_of_log}"

    def stop(self) -> None:
        """End the process: SIGTERM, then SIGKILL when that does not help. Safe to call twice."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def request(port: int, method: str, path: str, *, timeout: float = 30.0) -> int:
    """Send one request without a body and give the status. Never goes through a proxy of the environment."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
