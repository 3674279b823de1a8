"""Parquet: one column of text or numbers."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from sosw_airflow import source
from sosw_airflow.exceptions import EmptySource, InvalidConfiguration, InvalidSource, SourceChanged
from sosw_airflow.sources.objects import SourceObject
from tests.integration.sources.conftest import Read

Put = Callable[[str, bytes], str]
Write = Callable[..., str]


@pytest.fixture
def write(put: Put) -> Write:
    """Write a table of these columns; returns its address."""

    def made(**columns: Any) -> str:
        written = io.BytesIO()
        pq.write_table(pa.table(columns), written, row_group_size=1000)
        return put("a.parquet", written.getvalue())

    return made


@pytest.mark.parametrize(
    "values", [["a", "é", ""], [1, 2**60], [0.5, -1e300], pa.array(["a", "b", "a"]).dictionary_encode()]
)
def test_what_is_read(read: Read, write: Write, values: Any) -> None:
    """Text and numbers as they are."""
    expected = values if isinstance(values, list) else values.to_pylist()
    assert read(source.s3(write(id=range(len(values)), word=values), column="word")) == expected
    assert read(source.s3(write(word=values))) == expected


def test_many_row_groups(read: Read, write: Write) -> None:
    """In order."""
    words = [f"word {number}" for number in range(25_000)]
    assert read(source.s3(write(id=range(25_000), word=words), column="word")) == words


@pytest.mark.parametrize(
    ("columns", "settings", "words"),
    [
        ({"a": [1], "b": [2]}, {"column": "c"}, "has no column 'c'; its columns: ['a', 'b']"),
        ({"a": [1], "b": [2]}, {}, "names no column; its columns: ['a', 'b']"),
        ({"a": ["x", None]}, {}, "row 2: has None, which is neither text nor a number"),
        ({"a": [date(2026, 3, 2)]}, {}, "row 1: has datetime.date(2026, 3, 2), which is neither text nor a number"),
    ],
)
def test_what_is_refused(read: Read, write: Write, columns: Any, settings: Any, words: str) -> None:
    """The row and the value, or the columns."""
    with pytest.raises(InvalidSource) as refused:
        read(source.s3(write(**columns), **settings))
    assert words in str(refused.value)


def test_no_parquet(read: Read, put: Put) -> None:
    """It says so."""
    with pytest.raises(InvalidSource, match="cannot be read as Parquet"):
        read(source.s3(put("a.parquet", b"word\na\n" * 100)))


def test_no_rows(read: Read, write: Write) -> None:
    """It is empty."""
    with pytest.raises(EmptySource):
        read(source.s3(write(word=pa.array([], pa.string()))))


def test_a_change_while_it_is_read(read: Read, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is that of every other source."""
    url = write(word=[f"word {number}" for number in range(25_000)])
    monkeypatch.setattr("sosw_airflow.sources.objects._PART", 1000)
    parts, original = iter(range(10**6)), SourceObject._range

    def replace(self: Any) -> bytes:
        if next(parts) == 20:
            write(word=["other"])
        return original(self)

    monkeypatch.setattr(SourceObject, "_range", replace)
    with pytest.raises(SourceChanged):
        read(source.s3(url))


def test_without_the_extra(read: Read, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it."""
    url = write(word=["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidConfiguration, match=r"pip install 'airflow-provider-sosw\[parquet\]'"):
        read(source.s3(url))
