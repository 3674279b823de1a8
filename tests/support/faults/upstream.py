"""One connection from the proxy to the emulator."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.support.faults.request import Response
from tests.support.faults.wire import (
    BUFFERED_BYTES,
    Head,
    WireError,
    copy_body,
    message,
    read_chunks,
    read_exactly,
    read_head,
)

if TYPE_CHECKING:
    from tests.support.faults.request import Request

_BODILESS = frozenset({204, 304})


class EmulatorGoneError(Exception):
    """The emulator ended the connection without a complete answer. Whether it has done the request is not known."""


class Upstream:
    """A connection that is opened when it is needed, and again after the emulator has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: Request) -> Response:
        """Send a request and read the answer; of a large one `remaining` bytes are left for `pass_on`.

        Raises EmulatorGoneError. A request is never sent twice: the emulator may have applied the first one.
        """
        reader, writer = await self._open()
        try:
            writer.write(message(request.head.first_line, request.head.passed_on(), request.body))
            await writer.drain()
            head = await read_head(reader)
            while head is not None and head.first_line.split(b" ")[1].startswith(b"1"):
                head = await read_head(reader)  # 100 Continue
            response = None if head is None else await self._read_response(reader, head, request)
        except (WireError, OSError) as error:
            self.close()
            raise EmulatorGoneError(str(error)) from error
        if response is None:
            self.close()
            raise EmulatorGoneError("the emulator closed the connection without an answer")
        return response

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None:
            reader, writer = self._streams
            # An idle connection which the emulator has closed meanwhile: nothing was sent on it, so open another.
            if not reader.at_eof() and not writer.is_closing():
                return self._streams
            self.close()
        try:
            self._streams = await asyncio.open_connection(*self._address)
        except OSError as error:
            raise EmulatorGoneError(str(error)) from error
        return self._streams

    async def _read_response(self, reader: asyncio.StreamReader, head: Head, request: Request) -> Response:
        status = int(head.first_line.split(b" ")[1])
        headers = head.passed_on()
        if request.method == "HEAD":
            # Its length is that of a body which does not follow.
            headers = [*headers, *((n, v) for n, v in head.headers if n.lower() == b"content-length")]
        response = Response(status, headers, b"")
        if status in _BODILESS or request.method == "HEAD":
            pass
        elif head.is_chunked:
            response.body = await read_chunks(reader)
        elif head.length is None:
            response.body = await reader.read()
        elif head.length > BUFFERED_BYTES:
            response.remaining = head.length
        else:
            response.body = await read_exactly(reader, head.length)
        if response.remaining == 0 and (head.closes or (head.length is None and not head.is_chunked)):
            self.close()
        return response

    async def pass_on(self, response: Response, writer: asyncio.StreamWriter) -> None:
        """Let the rest of a large answer flow to the client. Raises EmulatorGoneError."""
        if self._streams is None or not response.remaining:
            return
        try:
            await copy_body(self._streams[0], writer, response.remaining)
        except WireError as error:
            raise EmulatorGoneError(str(error)) from error
        finally:
            self.close()

    def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].close()
            self._streams = None
