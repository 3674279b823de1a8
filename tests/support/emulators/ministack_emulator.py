"""ministack in a child process of another interpreter: it pins botocore, so it has an environment of its own."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.emulators.emulator import Emulator
from tests.support.emulators.server_process import HOST, ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PYTHON_VARIABLE = "SOSW_TEST_MINISTACK_PYTHON"
_REPOSITORY = Path(__file__).resolve().parents[3]
_DEFAULT_PYTHON = _REPOSITORY / ".venv-ministack" / "bin" / "python"
_LAUNCHER = Path(__file__).with_name("ministack_launcher.py")


class MinistackMissingError(RuntimeError):
    """There is no interpreter with ministack. The message says how to get one."""


def ministack_python() -> Path:
    """Find the interpreter that has ministack installed.

    Raises MinistackMissingError: a suite that silently leaves out half of its emulators proves nothing, so this is a
    failure and not a skip.
    """
    python = Path(os.environ.get(PYTHON_VARIABLE) or _DEFAULT_PYTHON)
    if not python.exists():
        raise MinistackMissingError(
            f"There is no {python}. Run `make ministack` to create it, or set {PYTHON_VARIABLE} to the Python of an "
            f"environment that has ministack."
        )
    return python


@contextmanager
def ministack_server(log_path: Path, environment: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """Run ministack, stopped at the end of the block.

    environment: further variables for ministack, such as `{"LAMBDA_EXECUTOR": "local"}`.
    """
    python = ministack_python()
    port = free_port()
    scratch = log_path.parent / f"{log_path.stem}-scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    settings = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        # Its PID file and its stored objects: two servers at once must not share them.
        "TMPDIR": str(scratch),
        "S3_DATA_DIR": str(scratch / "s3"),
        "LOG_LEVEL": "WARNING",
        # Listeners on fixed ports, which no test uses.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        **(environment or {}),
    }
    # -I: the launcher's own directory must not be importable, its module names are ours.
    command = [str(python), "-I", str(_LAUNCHER)]
    with ServerProcess(command, port=port, ready_path="/_ministack/ready", log_path=log_path, env=settings) as server:
        yield Emulator("ministack", server, reset_path="/_ministack/reset")
