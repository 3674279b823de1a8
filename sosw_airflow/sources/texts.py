"""Values in text: CSV, JSON lines, and one JSON array. Read line by line, or element by element."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, cast

from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_documents import NotJson, parse_json
from sosw_airflow.sources.objects import SourceObject
from sosw_airflow.sources.reading import Items, Reading, missing_package

__all__ = ["csv_rows", "read_text", "unpacked"]

#: Characters of one line, or of one element of a JSON array.
LONGEST = 1024 * 1024

#: Bytes that are unpacked, and characters that are parsed at once.
_CHUNK = 64 * 1024

_SPACE = " \t\n\r"
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


def read_text(reading: Reading, form: str) -> Items:
    """The values of the object that a source names.

    :param form: ``csv``, ``jsonl`` or ``json``.
    :raises InvalidSource: a fault of the whole: no such column, no array.
    :raises SoswError: S3 refuses, or the object changes.
    """
    with SourceObject.of(reading) as found:
        compression = reading.source.get("compression") or compression_of(found.url)
        lines = unpacked(found, compression, reading)
        yield from _READERS[form](lines, reading)


def compression_of(url: str) -> str:
    """By the ending of the key."""
    return {"gz": "gzip", "gzip": "gzip", "zst": "zstd", "zstd": "zstd"}.get(url.rpartition(".")[2].lower(), "none")


def unpacked(found: SourceObject, compression: str, reading: Reading) -> io.TextIOBase:
    """The object's text. Bytes that are not UTF-8 become lone surrogates, which no value may have."""
    packed: Any = io.BufferedReader(found, _CHUNK)
    damaged: tuple[type[BaseException], ...] = _DAMAGED
    if compression == "gzip":
        packed = gzip.GzipFile(fileobj=packed)
    elif compression == "zstd":
        with missing_package("zstd", "zstandard", f"{reading.place}: a source compressed with zstd"):
            import zstandard
        packed = _Zstandard(packed, zstandard.ZstdDecompressor().decompressobj)
        damaged = (*_DAMAGED, zstandard.ZstdError)
    readable = io.BufferedReader(cast("io.RawIOBase", _Unpacked(packed, reading, damaged)), _CHUNK)
    return io.TextIOWrapper(readable, encoding="utf-8-sig", errors="surrogateescape", newline="")


class _Zstandard:
    """Unpacks frames one behind the other. The package's own reader takes a file that is cut off for a whole one."""

    def __init__(self, packed: Any, frame: Callable[[], Any]) -> None:
        self._packed, self._new_frame = packed, frame
        self._frame = frame()
        self._rest, self._begun, self._data = b"", False, b""

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end.

        :raises EOFError: the last frame is not whole.
        """
        while not self._data:
            packed = self._rest or self._packed.read(_CHUNK // 4)
            if not packed:
                if self._begun:
                    raise EOFError("Compressed file ended before the end of its last frame")
                return b""
            self._data, self._begun = self._frame.decompress(packed), True
            self._rest = b""
            if self._frame.eof:
                self._rest, self._begun, self._frame = self._frame.unused_data, False, self._new_frame()
        data, self._data = self._data[:size], self._data[size:]
        return data


class _Unpacked(io.RawIOBase):
    """Explains what a damaged compressed file raises."""

    def __init__(self, packed: Any, reading: Reading, damaged: tuple[type[BaseException], ...]) -> None:
        super().__init__()
        self._packed, self._reading, self._damaged = packed, reading, damaged

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._packed.read(len(buffer))
        except self._damaged as error:
            problem = f"cannot be unpacked ({error}): it is damaged, or its compression is another one"
            raise self._reading.refuse(problem) from None
        buffer[: len(data)] = data
        return len(data)


class _Lines:
    """Lines of text with their numbers; a line of more than `LONGEST` characters is a bad one.

    :ivar first: the first line since this was empty.
    """

    def __init__(self, text: io.TextIOBase, reading: Reading) -> None:
        self._text, self._reading = text, reading
        self.number = 0
        self.first = ""

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST):
            self.number += 1
            if len(line) == LONGEST and not line.endswith("\n"):
                while (rest := self._text.readline(LONGEST)) and not rest.endswith("\n"):
                    pass
                self._reading.bad(self.number, f"is longer than {LONGEST:,} characters: {excerpt(line[:100])}")
                continue
            if not self.first:
                self.first = line
            yield line


def _read_csv(text: io.TextIOBase, reading: Reading) -> Items:
    source = reading.source
    lines = _Lines(text, reading)
    rows = csv_rows(lines, reading)
    column, position = source.get("column"), None
    if source.get("header", True):
        first = next(rows, None)
        if first is None:
            return
        position = _position(reading, first[1], column)
    elif isinstance(column, int):
        position = column - 1
    elif column is not None:
        raise reading.refuse(f"has no header (header=false), so column must be a number from 1, not {excerpt(column)}")
    as_number = source.get("type") == "number"
    for number, row in rows:
        if position is None:
            position = _position(reading, row, None)
        if position >= len(row):
            reading.bad(number, f"has {len(row)} columns, and the wanted one is number {position + 1}: {_shown(row)}")
            continue
        value: Any = row[position]
        if not value:
            reading.bad(number, f"has no value in the column: {_shown(row)}")
            continue
        if as_number:
            value = _number(value)
            if value is None:
                reading.bad(number, f"has no number in the column: {_shown(row)}")
                continue
        yield number, value


def _position(reading: Reading, names: list[str], column: Any) -> int:
    """The place of a column in the rows."""
    if isinstance(column, int):
        if column <= len(names):
            return column - 1
        raise reading.refuse(f"has no column {column}; it has {len(names)}: {_shown(names)}")
    if column is None:
        if len(names) == 1:
            return 0
        raise reading.refuse(f"has {len(names)} columns ({_shown(names)}), and the source names none: give it a column")
    if names.count(column) == 1:
        return names.index(column)
    many = "several columns" if column in names else "no column"
    raise reading.refuse(f"has {many} {column!r}; its columns: {_shown(names)}")


def csv_rows(lines: _Lines, reading: Reading) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, and the number of their first line."""
    rows = csv.reader(iter(lines), delimiter=reading.source.get("delimiter", ","), strict=True)
    while True:
        begun, lines.first = lines.number + 1, ""
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reading.bad(
                begun,
                f"is no CSV ({error}): {excerpt(lines.first.rstrip())}",
                lines=lines.number - begun + 1,
                last=lines.number,
            )
            continue
        if row:
            yield begun, row


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _read_jsonl(text: io.TextIOBase, reading: Reading) -> Items:
    lines, column = _Lines(text, reading), reading.source.get("column")
    for line in lines:
        stripped = line.strip(_SPACE)
        if not stripped:
            continue
        try:
            # An object with a key twice is refused; other values cannot have that fault, and are read quicker.
            value = parse_json(stripped) if stripped[0] == "{" else _plain(stripped)
        except NotJson as error:
            reading.bad(lines.number, f"{'; '.join(fault.problem for fault in error.at(''))}: {excerpt(stripped)}")
            continue
        yield from _picked(lines.number, value, column, reading)


def _plain(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return parse_json(text)  # which explains it


def _picked(number: int, value: Any, column: Any, reading: Reading) -> Items:
    """The value of a line or an element: itself, or its attribute."""
    if column is None:
        if isinstance(value, dict):
            reading.bad(number, f"is an object, and the source names no column: {excerpt(value)}")
        else:
            yield number, value
    elif not isinstance(value, dict) or column not in value:
        what = "has no attribute" if isinstance(value, dict) else "is no object with the attribute"
        reading.bad(number, f"{what} {excerpt(column)}: {excerpt(value)}")
    else:
        yield number, value[column]


class _Array:
    """The text of a JSON array, of which the next element is parsed when it is wanted."""

    def __init__(self, text: io.TextIOBase, reading: Reading) -> None:
        self._text, self._reading = text, reading
        self._buffer, self._at, self._ended = "", 0, False
        self._decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode

    def next_character(self) -> str:
        """The next character that is no space, which stays; empty at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._buffer) or not self._more():
                return self._buffer[self._at : self._at + 1]

    def skip(self) -> None:
        """Pass the next character over."""
        self._at += 1

    def element(self, number: int) -> Any:
        """The next element.

        :raises InvalidSource: there is none.
        """
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
                # A number may continue in what was not read yet.
                if end < len(self._buffer) or self._ended:
                    self._at = end
                    return value
            except (ValueError, RecursionError) as error:
                if self._ended or len(self._buffer) - self._at > LONGEST:
                    begins = excerpt(self._buffer[self._at : self._at + 100])
                    problem = f"element {number:,} is no JSON ({str(error).partition(':')[0]}): {begins}"
                    raise self._reading.refuse(problem) from None
            self._more()

    def _more(self) -> bool:
        text = self._text.read(max(_CHUNK, len(self._buffer) - self._at))
        self._ended = not text
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return not self._ended


def _no_constant(name: str) -> float:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _read_array(text: io.TextIOBase, reading: Reading) -> Items:
    reading.unit = "element"
    array, column, number = _Array(text, reading), reading.source.get("column"), 0
    first = array.next_character()
    if not first:
        return
    if first != "[":
        raise reading.refuse("is no JSON array: it must begin with [")
    array.skip()
    if array.next_character() == "]":
        array.skip()
    else:
        while True:
            number += 1
            array.next_character()
            yield from _picked(number, array.element(number), column, reading)
            following = array.next_character()
            array.skip()
            if following == "]":
                break
            if following != ",":
                found = excerpt(following) if following else "the end"
                raise reading.refuse(f"is no JSON array: {found} follows element {number:,} in place of , or ]")
    if rest := array.next_character():
        raise reading.refuse(f"is no JSON array: {excerpt(rest)} follows its end")


def _shown(row: list[str]) -> str:
    return excerpt([each.encode("utf-8", "backslashreplace").decode() for each in row])


_READERS: dict[str, Callable[[io.TextIOBase, Reading], Items]] = {
    "csv": _read_csv,
    "jsonl": _read_jsonl,
    "json": _read_array,
}
