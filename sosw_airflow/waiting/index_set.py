"""A set of tasks of one job: one bit a task, so that a job of a million tasks takes 125 kB."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["IndexSet"]


class IndexSet:
    """A set of indexes from 0 to ``size`` - 1 that knows its length. Adding one twice counts once."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._bits = bytearray(-(-size // 8))
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self.size and bool(self._bits[index >> 3] >> (index & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        """In ascending order."""
        for place, bits in enumerate(self._bits):
            if bits:
                yield from (place * 8 + bit for bit in range(8) if bits >> bit & 1)

    def add(self, index: int) -> bool:
        """Add an index; False if the set has it, or the job has not."""
        if not 0 <= index < self.size or index in self:
            return False
        self._bits[index >> 3] |= 1 << (index & 7)
        self._length += 1
        return True

    def discard(self, index: int) -> None:
        """Take an index out, if it is in."""
        if index in self:
            self._bits[index >> 3] &= ~(1 << (index & 7))
            self._length -= 1
