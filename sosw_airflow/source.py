"""Sources for DAG files: what gives the values of a chunkable attribute when the job is planned.

A function returns the document that stands in the job; you may write it by hand, in a template or in ``dag_run.conf``.
Nothing is read when a DAG file is parsed.

>>> from sosw_airflow import source
>>> source.s3("s3://lists/words.csv", column="word")
{'$source': {'kind': 's3', 'url': 's3://lists/words.csv', 'column': 'word'}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["s3", "s3_inventory", "s3_listing", "sql"]


def s3(
    url: str,
    *,
    column: str | int | None = None,
    format: str | None = None,  # noqa: A002 - the name in the document
    compression: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    type: str | None = None,  # noqa: A002 - the name in the document
    version_id: str | None = None,
    aws_conn_id: str | None = None,
    on_empty: str | None = None,
    on_bad_line: str | None = None,
) -> dict[str, Any]:
    """The values in one object: CSV, JSON lines, one JSON array, or Parquet.

    :param url: ``s3://bucket/key``.
    :param column: of CSV and Parquet; of JSON the attribute of each object. A file with one column needs none. A number
        counts the columns of CSV from 1.
    :param format: ``"csv"``, ``"jsonl"``, ``"json"``, ``"parquet"``; by default what the key ends with.
    :param compression: ``"none"``, ``"gzip"``, ``"zstd"``; by default what the key ends with.
    :param header: CSV begins with the names of its columns; by default True.
    :param delimiter: of CSV; by default a comma.
    :param type: of the values in CSV: ``"text"`` (the default) or ``"number"``.
    :param version_id: of the object, in a versioned bucket; by default the current one.
    :param aws_conn_id: AWS Connection that reads it; by default that of the sosw Connection. The operator must allow
        it, with ``source_conn_ids``.
    :param on_empty: what happens without a value: ``"fail"`` (the default), ``"skip"`` the Airflow task, ``"succeed"``.
    :param on_bad_line: ``"fail"`` (the default) or ``"skip"``, which counts the lines that cannot be used.
    """
    return _document("s3", locals())


def s3_listing(
    url: str,
    *,
    suffix: str | None = None,
    modified_since: datetime | str | None = None,
    modified_before: datetime | str | None = None,
    value: str | None = None,
    aws_conn_id: str | None = None,
    on_empty: str | None = None,
) -> dict[str, Any]:
    """The addresses of the objects below a prefix, in the order of their keys.

    :param url: ``s3://bucket/prefix``.
    :param suffix: that their keys must have, such as ``".csv"``.
    :param modified_since: the first moment of their last change, as a datetime or a text of ISO 8601; without a time
        zone in UTC.
    :param modified_before: the moment that their last change must lie before.
    :param value: ``"url"`` (the default), ``s3://bucket/key``; or ``"key"``.
    :param aws_conn_id: as for `s3`; so is ``on_empty``.
    """
    return _document("s3_listing", locals())


def s3_inventory(
    url: str,
    *,
    prefix: str | None = None,
    suffix: str | None = None,
    modified_since: datetime | str | None = None,
    modified_before: datetime | str | None = None,
    value: str | None = None,
    aws_conn_id: str | None = None,
    on_empty: str | None = None,
    on_bad_line: str | None = None,
) -> dict[str, Any]:
    """The addresses of the objects that an S3 Inventory in CSV or Parquet lists, for buckets with very many of them.

    Of a versioned bucket the current objects, without those that are deleted.

    :param url: of its ``manifest.json``.
    :param prefix: that the keys must have.
    :param aws_conn_id: as for `s3_listing`; so are ``suffix``, ``value`` and the two moments, which need the field
        ``LastModifiedDate`` in the inventory. ``on_empty`` and ``on_bad_line`` are as for `s3`.
    """
    return _document("s3_inventory", locals())


def sql(
    conn_id: str,
    query: str,
    *,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
    on_empty: str | None = None,
    on_bad_line: str | None = None,
) -> dict[str, Any]:
    """The values of a query of one column. Give it an ORDER BY, so that the order does not depend on the database.

    :param conn_id: a Connection of a SQL database, which the operator must allow, with ``source_conn_ids``.
    :param query: SQL. What a template puts into it is a part of the SQL: give values as parameters.
    :param parameters: for the placeholders of the database's driver.
    :param on_empty: as for `s3`; so is ``on_bad_line``: a row without text or a number, such as NULL.
    """
    return _document("sql", locals())


def _document(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    given = {name: _plain(value) for name, value in settings.items() if value is not None}
    return {"$source": {"kind": kind, **given}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
