"""HTTP/1.1 messages on asyncio streams: just what botocore, moto and ministack say to each other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property

# They belong to one connection and are never passed on. "expect" is answered by the proxy itself.
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"}
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Responses up to this size are read before they are passed on; larger ones flow through.
BUFFERED_BYTES = 1 << 20
_CHUNK = 1 << 16

Headers = list[tuple[bytes, bytes]]


class WireError(Exception):
    """The other side sent something that is no complete HTTP message."""


@dataclass
class Head:
    """The first line of a message and its headers."""

    first_line: bytes
    headers: Headers

    @cached_property
    def by_name(self) -> dict[bytes, bytes]:
        """The headers by their names in lower case."""
        return {name.lower(): value for name, value in self.headers}

    def header(self, name: bytes) -> bytes:
        """Give the value of a header (`name` in lower case), empty if it is not there."""
        return self.by_name.get(name, b"")

    @property
    def length(self) -> int | None:
        """The value of Content-Length, None if there is none."""
        value = self.by_name.get(b"content-length")
        return None if value is None else int(value)

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.header(b"transfer-encoding").lower().endswith(b"chunked")

    @property
    def closes(self) -> bool:
        """Whether the sender ends the connection after this message."""
        connection = self.header(b"connection").lower()
        return connection == b"close" or (b"HTTP/1.0" in self.first_line and connection != b"keep-alive")

    def passed_on(self) -> Headers:
        """The headers without those which belong to one connection, and without the length of the body."""
        return [
            (name, value)
            for name, value in self.headers
            if name.lower() not in _HOP_BY_HOP and name.lower() != b"content-length"
        ]


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read up to the empty line; None if the connection ended before the first byte."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise WireError("the connection ended inside of the headers") from error
        return None
    lines = raw[:-4].split(b"\r\n")
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        headers.append((name, value.strip()))
    return Head(lines[0], headers)


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a chunked body to its end and give it in one piece."""
    parts = []
    try:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
    except asyncio.IncompleteReadError as error:
        raise WireError("the connection ended inside of a chunked body") from error
    return b"".join(parts)


async def read_exactly(reader: asyncio.StreamReader, length: int) -> bytes:
    """Read a body of known length."""
    if not length:
        return b""
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise WireError("the connection ended inside of the body") from error


async def read_request_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    """Read the body of a request."""
    if head.is_chunked:
        return await read_chunks(reader)
    return await read_exactly(reader, head.length or 0)


async def copy_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int) -> None:
    """Let a body of known length flow from one side to the other."""
    while length:
        part = await reader.read(min(length, _CHUNK))
        if not part:
            raise WireError("the connection ended inside of the body")
        length -= len(part)
        writer.write(part)
        await writer.drain()


def message(first_line: bytes, headers: Headers, body: bytes, *, length: int | None = None) -> bytes:
    """Build a message with its length. `length` is the one of a body that is sent later."""
    lines = [first_line, *(name + b": " + value for name, value in headers)]
    lines.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
