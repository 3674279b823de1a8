"""An SMTP server on this machine that keeps the mails."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes
from email.message import Message
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MailServer"]


class _Session(socketserver.StreamRequestHandler):
    """The replies that a client needs to hand over a mail (RFC 5321)."""

    def handle(self) -> None:
        """Talk until the client leaves."""
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            command = line.split()[0].upper() if line.split() else b""
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.mails.append(self._mail())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            if command == b"QUIT":
                return

    def _mail(self) -> Message:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return message_from_bytes(b"".join(lines))


class MailServer(socketserver.ThreadingTCPServer):
    """Use it in ``with``.

    :ivar mails: in the order of their arrival.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[Message] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.shutdown()
        super().__exit__(kind, error, at)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])
