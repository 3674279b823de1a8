"""Values from a SQL query: its single column, fetched in batches through a cursor of the server where there is one."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sosw_airflow.exceptions import SourceUnreadable
from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.sources.reading import Items, Reading

__all__ = ["read_query"]

#: Rows of one fetch.
_BATCH = 10_000

#: Characters of a database's message that ours repeats.
_LONGEST = 1000
_MASKED = 20_000


def read_query(reading: Reading) -> Items:
    """The values of a query of one column. The version is a digest of the query and its parameters.

    :raises InvalidSource: the query gives no column, or several.
    :raises SourceUnreadable: the database refuses it, or does not answer.
    """
    reading.unit = "row"
    source = reading.source
    query, parameters = source.settings["query"], source.get("parameters")
    text = json.dumps([query, parameters], sort_keys=True)
    reading.version["query_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    hook = reading.access.sql(source.settings["conn_id"])
    number = 0
    with _explained(reading):
        connection = hook.get_conn()
    with closing(connection), _explained(reading), closing(_cursor(connection)) as cursor:
        cursor.execute(query, *(() if parameters is None else (_bound(parameters),)))
        rows = cursor.fetchmany(_BATCH)
        # Only now a cursor of the server knows its columns.
        columns = [str(each[0]) for each in cursor.description or ()]
        if len(columns) != 1:
            names = f"{len(columns)} columns ({', '.join(columns)})" if columns else "no column"
            raise reading.refuse(f"gives {names}, and a source needs one: select the one whose values are wanted")
        while rows:
            reading.check()
            for row in rows:
                number += 1
                yield number, row[0] if not isinstance(row, dict) else next(iter(row.values()))
            rows = cursor.fetchmany(_BATCH)


def _bound(parameters: Any) -> Any:
    return tuple(parameters) if isinstance(parameters, list) else parameters


def _cursor(connection: Any) -> Any:
    """A cursor whose rows stay with the server, if the driver is one whose ordinary cursor fetches all of them.

    Other drivers, such as those of SQLite, Oracle, Snowflake or BigQuery, fetch as they are asked.
    """
    driver = type(connection).__module__.partition(".")[0]
    if driver in ("psycopg", "psycopg2"):
        return connection.cursor(name="sosw_source")
    if driver in ("pymysql", "MySQLdb"):
        return connection.cursor(sys.modules[f"{driver}.cursors"].SSCursor)
    return connection.cursor()


@contextmanager
def _explained(reading: Reading) -> Iterator[None]:
    """Explain what a driver raises: each has errors of its own, and those of DB-API have no common base."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith("sosw_airflow"):
            raise
        detail = redacted(f"{type(error).__name__}: {error}"[:_MASKED])[:_LONGEST]
        raise SourceUnreadable(reading.source.name, place=reading.place, detail=detail) from None
