"""The bytes of one part of an upload, in memory that a later part uses again.

A new block of several megabytes for each part would leave holes that the allocator does not give back: a process that
plans ten million tasks would grow by twice what it holds.
"""

from __future__ import annotations

__all__ = ["PartBuffer"]


class PartBuffer:
    """Bytes up to the size of a part.

    :ivar size: of the part, in bytes. Memory is taken as it is filled, so that a short file costs no more than it has.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._bytes = bytearray()
        self._filled = 0

    def __len__(self) -> int:
        return self._filled

    @property
    def is_full(self) -> bool:
        """Nothing more can be taken."""
        return self._filled == self.size

    def take(self, data: memoryview) -> memoryview:
        """Take as many of these bytes as there is room for, and return the others."""
        taken = data[: self.size - self._filled]
        # What an earlier part has left is overwritten; beyond its end the bytes are added.
        self._bytes[self._filled : self._filled + len(taken)] = taken
        self._filled += len(taken)
        return data[len(taken) :]

    def content(self) -> bytes | bytearray:
        """What was taken. A full part is not copied: it must not be filled again while it is sent."""
        if self._filled == len(self._bytes):
            return self._bytes
        return bytes(memoryview(self._bytes)[: self._filled])

    def empty(self, size: int) -> None:
        """Begin another part, in the same memory if it has the same size."""
        if size != self.size:
            self._bytes = bytearray()  # the former one may still be sent, so that it cannot grow
        self.size, self._filled = size, 0
