"""Run ministack until standard input closes. A script for ministack's own interpreter, without arguments."""

from __future__ import annotations

import os
import sys
import threading

from ministack.app import main  # type: ignore[import-not-found]


def _exit_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    main()
