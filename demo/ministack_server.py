"""ministack for the demo: a script for ministack's own interpreter, `ministack_server.py TOKEN`.

It answers `/_demo` with the token and its process id, so that the demo knows its own server again.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ministack import app as ministack  # type: ignore[import-not-found]

_application = ministack.app


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http" or scope["path"] != "/_demo":
        await _application(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"{_token} {os.getpid()}".encode()})


if __name__ == "__main__":
    _token = sys.argv.pop()  # ministack reads the command line, too
    ministack.app = _app
    ministack.main()
