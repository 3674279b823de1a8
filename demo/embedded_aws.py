"""ministack in a process of its own, which may outlive the command that started it. It runs Lambda functions.

A state file has its port. Whether the file is still true, the server itself answers (`GET /_demo`) by a token that no
other server knows: a process that got the dead server's id or port later is never mistaken for it, nor ended.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.process_tree import started

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class EmbeddedAwsError(RuntimeError):
    """The server did not start or did not end. The message says where its log is."""


@dataclass(frozen=True)
class EmbeddedAws:
    """A running server."""

    port: int
    token: str
    pid: int

    @property
    def url(self) -> str:
        """What boto3 takes as `endpoint_url`."""
        return f"http://{HOST}:{self.port}"


def find(state: Path) -> EmbeddedAws | None:
    """Return the server that the state folder knows, if it still answers."""
    known = _read(state)
    return known if known and _answers(known) else None


def start(state: Path) -> EmbeddedAws:
    """Start a server that outlives this process, and wait until it answers.

    It takes the former one's port if that is free, so that a Connection made for that one stays good.
    """
    token, port = secrets.token_hex(16), _port(state)
    with _log(state).open("w") as log:
        process = subprocess.Popen(
            _command(token),
            cwd=ROOT,
            env=_environment(state, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
    try:
        return _answering(state, port, token, process)
    except BaseException:
        process.kill()
        raise


@contextmanager
def running(state: Path) -> Iterator[EmbeddedAws]:
    """The server that the state folder knows, or a new one, which ends with this process, however that ends."""
    known = find(state)
    if known:
        yield known
        return
    token, port = secrets.token_hex(16), _port(state)
    environment = _environment(state, port)
    with (
        _log(state).open("w") as log,
        started(_command(token), cwd=ROOT, log=log, environment=environment) as process,
    ):
        yield _answering(state, port, token, process)


def _log(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    return state / "aws.log"


def _command(token: str) -> list[str]:
    """Ministack pins botocore, so it has an environment of its own.

    :raises EmbeddedAwsError: it was not made.
    """
    python = ROOT / ".venv-ministack" / "bin" / "python"
    if not python.exists():
        message = f"There is no {python}. Fix: run `make ministack`."
        raise EmbeddedAwsError(message)
    return [str(python), "-I", str(Path(__file__).with_name("ministack_server.py")), token]


def _environment(state: Path, port: int) -> dict[str, str]:
    """What ministack needs; nothing of a former server is left."""
    files = state / "aws-files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    return {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(files),
        "S3_DATA_DIR": str(files / "s3"),
        # Listeners on fixed ports, which the demo does not use.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def _port(state: Path) -> int:
    """The former server's port if it is free, or any that is."""
    former = _read(state)
    for wanted in (former.port if former else 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    message = "No port is free on this machine."
    raise EmbeddedAwsError(message)


def _answering(state: Path, port: int, token: str, process: subprocess.Popen[bytes]) -> EmbeddedAws:
    """The server, once it answers; from then on the state folder knows it.

    :raises EmbeddedAwsError: it has ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        answer = _answer(port)
        if answer and answer[0] == token:
            server = EmbeddedAws(port, token, int(answer[1]))
            new = _state_file(state).with_suffix(".new")
            new.write_text(json.dumps(asdict(server)))
            new.replace(_state_file(state))
            return server
        time.sleep(0.05)
    message = f"The embedded AWS did not start. The end of {_log(state)}:\n{_log(state).read_text()[-2000:]}"
    raise EmbeddedAwsError(message)


def stop(state: Path) -> bool:
    """End the server of this state folder; False if there was none."""
    running = find(state)
    if running:
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _answers(running):
            if time.monotonic() > deadline:
                message = f"The embedded AWS (process {running.pid}) does not end."
                raise EmbeddedAwsError(message)
            time.sleep(0.05)
    _state_file(state).unlink(missing_ok=True)
    return running is not None


def _state_file(state: Path) -> Path:
    return state / "aws.json"


def _read(state: Path) -> EmbeddedAws | None:
    try:
        return EmbeddedAws(**json.loads(_state_file(state).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _answers(known: EmbeddedAws) -> bool:
    return _answer(known.port) == [known.token, str(known.pid)]


def _answer(port: int) -> list[str]:
    """The token and the process id of the server at this port; empty if there is none."""
    # Straight to the loopback port, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}/_demo", timeout=5) as answer:
            return str(answer.read(1000), "utf-8", "replace").split()
    except (urllib.error.URLError, OSError):
        return []
