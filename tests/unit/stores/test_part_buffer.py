"""The memory of the parts of an upload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.stores.part_buffer import PartBuffer

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(pieces=st.lists(st.binary(max_size=12), max_size=20), sizes=SIZES)
def test_all_bytes_are_in_the_parts_in_order(pieces: list[bytes], sizes: list[int]) -> None:
    """Whatever was in the memory before, and however the bytes come; each part but the last has its size."""
    buffer, parts = PartBuffer(sizes[0]), []
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = buffer.take(rest)
            if buffer.is_full:
                parts.append(bytes(buffer.content()))
                buffer.empty(sizes[len(parts) % len(sizes)])
    assert [len(part) for part in parts] == [sizes[number % len(sizes)] for number in range(len(parts))]
    assert b"".join(parts) + bytes(buffer.content()) == b"".join(pieces)


def test_the_memory_is_used_again() -> None:
    """A part of the same size takes none, also while the former one is still read."""
    buffer = PartBuffer(4)
    buffer.take(memoryview(b"1234"))
    former = buffer.content()
    seen = memoryview(former)
    buffer.empty(4)
    buffer.take(memoryview(b"abcd"))
    assert buffer.content() is former
    buffer.empty(8)
    assert bytes(buffer.take(memoryview(b"12345678more"))) == b"more"
    assert (bytes(seen), bytes(buffer.content())) == (b"abcd", b"12345678")
