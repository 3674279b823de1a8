"""moto's server in a child process of the running interpreter."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.emulators.emulator import Emulator
from tests.support.emulators.server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAUNCHER = Path(__file__).with_name("moto_launcher.py")


@contextmanager
def moto_server(log_path: Path) -> Iterator[Emulator]:
    """Run moto's server, stopped at the end of the block."""
    port = free_port()
    # -I: the launcher's own directory must not be importable, its module names are ours.
    command = [sys.executable, "-I", str(_LAUNCHER), str(port)]
    with ServerProcess(command, port=port, ready_path="/moto-api/", log_path=log_path, env=os.environ) as server:
        yield Emulator("moto", server, reset_path="/moto-api/reset")
