"""moto's server in a process of its own, which lives on when the command that started it ends.

Its state file says where it listens. Whether the file still tells the truth is asked from the server itself (`GET
/_demo`), by a token that only this server knows: a process that got the dead server's id or port later is never taken
for it, nor ended.
"""

from __future__ import annotations

import contextlib
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    """Start a server and wait until it answers.

    It takes the former one's port if that is free, so that a Connection made for that one stays good.
    """
    state.mkdir(parents=True, exist_ok=True)
    former = _read(state)
    token = secrets.token_hex(16)
    log_path = state / "aws.log"
    command = [sys.executable, "-m", __name__, str(state), token, str(former.port if former else 0)]
    with log_path.open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        known = _read(state)
        if known and known.token == token and _answers(known):
            return known
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    message = f"The embedded AWS did not start. The end of {log_path}:\n{log_path.read_text()[-2000:]}"
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
