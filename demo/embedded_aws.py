"""moto's server in a process of its own, which may outlive the command that started it.

Its state file has its port. Whether the file is still true, the server itself answers (`GET /_demo`) by a token that no
other server knows: a process that got the dead server's id or port later is never mistaken for it, nor ended.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    token = secrets.token_hex(16)
    with _log(state).open("w") as log:
        process = subprocess.Popen(
            _command(state, token),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
    try:
        return _answering(state, token, process)
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
    token = secrets.token_hex(16)
    with _log(state).open("w") as log, started(_command(state, token), cwd=ROOT, log=log) as process:
        yield _answering(state, token, process)


def _log(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    return state / "aws.log"


def _command(state: Path, token: str) -> list[str]:
    former = _read(state)
    return [sys.executable, "-m", __name__, str(state), token, str(former.port if former else 0)]


def _answering(state: Path, token: str, process: subprocess.Popen[bytes]) -> EmbeddedAws:
    """The server of this token, once it answers.

    :raises EmbeddedAwsError: it has ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        known = _read(state)
        if known and known.token == token and _answers(known):
            return known
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
    # Straight to the loopback port, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{known.url}/_demo", timeout=5) as answer:
            return bool(answer.read().decode() == known.token)
    except (urllib.error.URLError, OSError):
        return False


class _OneAtATime:
    """WSGI middleware: answers `/_demo`, and lets one request at a time into moto, which has no locks of its own."""

    def __init__(self, application: Any, token: str) -> None:
        self._application = application
        self._token = token
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/_demo":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [self._token.encode()]
        with self._lock:
            return [b"".join(self._application(environ, start_response))]


def _serve(state: Path, token: str, wanted_port: int) -> None:
    from moto.core.config import default_user_config
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    class QuietRequestHandler(MotoRequestHandler):
        # Without it each response waits for the client's delayed acknowledgement.
        disable_nagle_algorithm = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Log nothing: the log is for what goes wrong."""

    default_user_config["lambda"] = {"use_docker": False}  # a function answers with its event
    application = _OneAtATime(DomainDispatcherApplication(create_backend_app), token)
    try:
        server = make_server(HOST, wanted_port, application, threaded=True, request_handler=QuietRequestHandler)
    except (OSError, SystemExit):  # werkzeug turns a port in use into an exit
        server = make_server(HOST, 0, application, threaded=True, request_handler=QuietRequestHandler)
    known = EmbeddedAws(port=server.server_port, token=token, pid=os.getpid())
    os.environ["MOTO_PORT"] = str(known.port)
    new = _state_file(state).with_suffix(".new")
    new.write_text(json.dumps(asdict(known)))
    new.replace(_state_file(state))
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
