"""Sources for DAG files: what gives the values of a chunkable attribute when the job is planned.

A function returns the document that stands in the job; you may write it by hand, in a template or in ``dag_run.conf``.
Nothing is read when a DAG file is parsed.

>>> from sosw_airflow import source
>>> source.s3("s3://lists/words.csv", column="word")
{'$source': {'kind': 's3', 'url': 's3://lists/words.csv', 'column': 'word'}}
"""

from __future__ import annotations

from typing import Any

__all__ = ["s3"]


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


def _document(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in settings.items() if value is not None}
    return {"$source": {"kind": kind, **given}}
