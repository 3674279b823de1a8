"""Queries: through a SQLite database, and the cursors that other drivers are asked for."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sosw_airflow import source
from sosw_airflow.exceptions import EmptySource, InvalidSource, SourceUnreadable
from sosw_airflow.jobs.sources import SourcedJob
from sosw_airflow.sources.job_sources import read_sources
from sosw_airflow.sources.queries import _cursor
from tests.integration.sources.conftest import AccessInTests

Query = Callable[..., list[Any]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Three words with their numbers."""
    file = tmp_path / "words.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE words (id INTEGER, word TEXT)")
        connection.executemany("INSERT INTO words VALUES (?, ?)", [(1, "a"), (2, "b"), (3, "é")])
    connection.close()
    return file


@pytest.fixture
def query(database: Path) -> Query:
    """The values of a query."""

    def values(text: str, **settings: Any) -> list[Any]:
        access = AccessInTests(None, warehouse=SimpleNamespace(get_conn=lambda: sqlite3.connect(database)))
        sourced = SourcedJob.of({"words": source.sql("warehouse", text, **settings)}, {"chunkable_attrs": ["word"]})
        with read_sources(sourced, access) as read:
            return list(read.job["words"])

    return values


def test_a_column(query: Query) -> None:
    """Text or numbers, in the order of the query."""
    assert query("SELECT word FROM words ORDER BY id DESC") == ["é", "b", "a"]
    assert query("SELECT id FROM words ORDER BY id") == [1, 2, 3]


def test_parameters(query: Query) -> None:
    """A list, or an object for named placeholders."""
    assert query("SELECT word FROM words WHERE id > ? ORDER BY id", parameters=[1]) == ["b", "é"]
    assert query("SELECT word FROM words WHERE id = :id", parameters={"id": 1}) == ["a"]


def test_more_rows_than_one_fetch(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them."""
    monkeypatch.setattr("sosw_airflow.sources.queries._BATCH", 2)
    assert query("SELECT id FROM words ORDER BY id") == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT id, word FROM words", "gives 2 columns (id, word), and a source needs one"),
        ("CREATE TABLE other (id INTEGER)", "gives no column"),
        ("SELECT NULL UNION ALL SELECT 'a'", "row 1: has None, which is neither text nor a number"),
        ("SELECT x'00'", "row 1: has b'\\x00', which is neither text nor a number"),
        ("SELECT 1 UNION ALL SELECT 'a'", "mixes text and numbers"),
    ],
)
def test_what_is_refused(query: Query, text: str, words: str) -> None:
    """The columns, or the row."""
    with pytest.raises(InvalidSource) as refused:
        query(text)
    assert words in str(refused.value)


def test_rows_that_are_left_out(query: Query) -> None:
    """NULL is no value."""
    assert query("SELECT NULL UNION ALL SELECT 'a'", on_bad_line="skip") == ["a"]


def test_no_rows(query: Query) -> None:
    """The Connection is named, and not the query, which may be long."""
    with pytest.raises(EmptySource, match="the query of the Connection 'warehouse' gives no value"):
        query("SELECT word FROM words WHERE id > 9")


def test_a_query_that_the_database_refuses(query: Query) -> None:
    """In the words of the database; a later attempt may succeed."""
    says = "The database says: OperationalError: no such table: elsewhere"
    with pytest.raises(SourceUnreadable, match=says) as failed:
        query("SELECT a FROM elsewhere")
    assert failed.value.retryable


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("psycopg2", {"name": "sosw_source"}),
        ("psycopg", {"name": "sosw_source"}),
        ("pymysql", "server's"),
        ("MySQLdb", "server's"),
        ("sqlite3", None),
    ],
)
def test_the_cursor(monkeypatch: pytest.MonkeyPatch, driver: str, expected: Any) -> None:
    """Drivers whose ordinary cursor fetches all rows are asked for one whose rows stay with the server."""
    cursors = ModuleType(f"{driver}.cursors")
    cursors.SSCursor = "server's"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"{driver}.cursors", cursors)
    kind = type("Connection", (), {"cursor": lambda self, *given, **named: named or (given or (None,))[0]})
    kind.__module__ = f"{driver}.connections"
    assert _cursor(kind()) == expected
