"""A temporary file with the values of a job's sources, which the expansion walks through as often as it needs.

The operating system removes the file when it is closed, or when the process dies. A part of it is in memory at a time.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any

from sosw_airflow.jobs.json_texts import encode
from sosw_airflow.jobs.list_types import joined_types, types_of
from sosw_airflow.jobs.streamed_values import StreamedValues

__all__ = ["Spool", "SpooledValues"]

#: Values of a block, and characters after which it ends earlier: what is read and parsed at once.
_BLOCK_VALUES = 1000
_BLOCK_TEXT = 256 * 1024


class Spool:
    """One temporary file, for all sources of a job. Close it, or use it as a context manager."""

    def __init__(self) -> None:
        self._file: IO[bytes] = TemporaryFile(prefix="sosw-source-", buffering=0)  # noqa: SIM115 - closed by `close`
        self.size = 0

    def __enter__(self) -> Spool:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def append(self, text: bytes) -> None:
        """Add text at the end."""
        self._file.seek(self.size)
        written = 0
        while written < len(text):
            written += self._file.write(text[written:])
        self.size += len(text)

    def read(self, start: int, size: int) -> bytes:
        """The text of a place."""
        self._file.seek(start)
        text = b""
        while len(text) < size and (more := self._file.read(size - len(text))):
            text += more
        return text


class SpooledValues(StreamedValues):
    """The values of one source. First `add` them, then `complete`; then they are a sequence.

    :ivar digest: the SHA-256 of their JSON texts.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._digest = hashlib.sha256()
        self._block: list[Any] = []
        self._block_text = 0
        # Of each block: the number of its first value, its place in the file, its size.
        self._firsts, self._places, self._sizes = array("Q"), array("Q"), array("Q")
        self._total = 0
        self._read_block, self._read_values = -1, list[Any]()
        self.types: frozenset[type] = frozenset()
        self.text_bytes = 0

    @property
    def digest(self) -> str:
        """Of what was added so far."""
        return self._digest.hexdigest()

    def add(self, value: Any, size: int) -> None:
        """Add a value.

        :param size: characters of its text, about.
        """
        self._block.append(value)
        self._block_text += size
        if len(self._block) >= _BLOCK_VALUES or self._block_text >= _BLOCK_TEXT:
            self._write_block()

    def complete(self) -> None:
        """No more values follow."""
        if self._block:
            self._write_block()

    def _write_block(self) -> None:
        values = self._block
        types = types_of(values)
        # Text that needs no escape anywhere is quicker to write: that of all values together decides.
        self.types = types if not self._total or types == self.types else joined_types(self.types, types)
        text = encode(values).encode("ascii")
        self._firsts.append(self._total)
        self._places.append(self._spool.size)
        self._sizes.append(len(text))
        self._spool.append(text)
        self._digest.update(text)
        self.text_bytes += len(text)
        self._total += len(values)
        self._block, self._block_text = [], 0

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            position = range(self._total)[index]
            block = self._block_of(position)
            return self._values_of(block)[position - self._firsts[block]]
        start, stop, step = index.indices(self._total)
        if step != 1:
            return [self[position] for position in range(start, stop, step)]
        if start >= stop:
            return []
        block = self._block_of(start)
        first = self._firsts[block]
        values = self._values_of(block)[start - first : stop - first]
        while len(values) < stop - start:
            block += 1
            values = values + self._values_of(block)[: stop - self._firsts[block]]
        return values

    def __iter__(self) -> Iterator[Any]:
        for block in range(len(self._firsts)):
            yield from self._values_of(block)

    def _block_of(self, position: int) -> int:
        return bisect_right(self._firsts, position) - 1

    def _values_of(self, block: int) -> list[Any]:
        if block != self._read_block:
            text = self._spool.read(self._places[block], self._sizes[block])
            self._read_values = json.loads(text)
            self._read_block = block
        return self._read_values
