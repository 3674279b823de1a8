"""An S3 that counts what it gets and keeps nothing: for plans that no emulator would hold in memory.

It also has lists of any length, ``lists/words-<lines>.csv`` and ``.jsonl``, which it makes as they are read.

Run as a program it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import urlopen

from benchmarks.stub_process import stub_process

__all__ = ["counted", "s3_sink"]

_XML = '<?xml version="1.0" encoding="UTF-8"?><{0} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{1}</{0}>'
_ABOUT_OBJECT = "<Bucket>bucket</Bucket><Key>key</Key>"

#: Format of a list -> what it begins with, and its lines, all of one length.
_LISTS = {
    "csv": ("id,word\n", "{0:08d},word-{0:08d}\n"),
    "jsonl": ("", '{{"id": "{0:08d}", "word": "word-{0:08d}"}}\n'),
}


def s3_sink() -> AbstractContextManager[str]:
    """The URL of a sink in a process of its own."""
    return stub_process(__name__)


def counted(url: str) -> dict[str, int]:
    """The bytes and lines since the last call."""
    with urlopen(f"{url}/counted") as reply:  # noqa: S310 - the sink
        found: dict[str, int] = json.load(reply)
        return found


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bytes = 0
    lines = 0

    def setup(self) -> None:
        """Begin a connection."""
        super().setup()
        self.room = bytearray(1 << 20)

    def do_HEAD(self) -> None:
        """The size of a list."""
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(_size_of(self.path)))
        self.end_headers()

    def do_GET(self) -> None:
        """A part of a list, or what has come since the last time."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        if wanted:
            size = _size_of(self.path)
            start, end = int(wanted[1]), min(int(wanted[2]) + 1, size)
            part = _part_of(self.path, start, end)
            self.send_response(206)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)
            return
        self._answer(json.dumps({"bytes": _Sink.bytes, "lines": _Sink.lines}))
        _Sink.bytes = _Sink.lines = 0

    def do_PUT(self) -> None:
        """An object, or a part of one. Only the signed body is counted, so requests must not be chunked."""
        left = int(self.headers["Content-Length"])
        room = memoryview(self.room)
        while left:  # always into the same memory: fresh memory for each part would take longer than the reading
            read = self.rfile.readinto(room[: min(left, len(room))])  # type: ignore[attr-defined]
            if not read:
                raise ConnectionError("the client has gone")
            left -= read
            _Sink.bytes += read
            _Sink.lines += self.room.count(b"\n", 0, read)
        self._answer("")

    def do_POST(self) -> None:
        """The beginning or the end of a multipart upload."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if re.search(r"[?&]uploads", self.path):
            self._answer(_XML.format("InitiateMultipartUploadResult", f"{_ABOUT_OBJECT}<UploadId>1</UploadId>"))
        else:
            self._answer(_XML.format("CompleteMultipartUploadResult", f"{_ABOUT_OBJECT}<ETag>1</ETag>"))

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Nothing."""


def _list(path: str) -> tuple[int, str, str]:
    lines, form = re.search(r"words-(\d+)\.(\w+)", path).groups()  # type: ignore[union-attr]
    return int(lines), *_LISTS[form]


def _size_of(path: str) -> int:
    lines, head, line = _list(path)
    return len(head) + lines * len(line.format(0))


def _part_of(path: str, start: int, end: int) -> bytes:
    lines, head, line = _list(path)
    width, begun = len(line.format(0)), len(head)
    first, last = max(0, (start - begun) // width), min(lines, (end - begun) // width + 1)
    text = "".join(map(line.format, range(first, last)))
    text, offset = (head + text, 0) if first == 0 else (text, begun + first * width)
    return text[start - offset : end - offset].encode()


def _main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _main()
