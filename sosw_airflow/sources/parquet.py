"""Values in a Parquet file: one column, read in batches."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.sources.objects import SourceObject
from sosw_airflow.sources.reading import Items, Reading, missing_package

__all__ = ["read_parquet", "rows_of"]

#: Values of a batch.
_BATCH = 10_000

#: Bytes that are read ahead.
_BUFFER = 64 * 1024


def read_parquet(reading: Reading) -> Items:
    """The values of a column of text or numbers. The numbers of rows begin with 1.

    :raises InvalidSource: the file is no Parquet, or has no such column.
    :raises InvalidConfiguration: the extra ``parquet`` is not installed.
    """
    reading.unit = "row"
    with SourceObject.of(reading) as found, _opened(found, reading) as file:
        if not file.metadata.num_rows:
            return
        column = _column(file.schema_arrow.names, reading)
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH, columns=[column]):
            reading.check()
            for value in batch.column(0).to_pylist():
                number += 1
                yield number, value


def rows_of(found: SourceObject, columns: Mapping[str, str], reading: Reading) -> Iterator[dict[str, Any]]:
    """The rows of a file, with those of the columns that it has.

    :param columns: name in the file -> name in the rows.
    """
    with _opened(found, reading) as file:
        there = [name for name in file.schema_arrow.names if name in columns]
        for batch in file.iter_batches(batch_size=_BATCH, columns=there):
            for row in batch.to_pylist():
                yield {columns[name]: value for name, value in row.items()}


@contextmanager
def _opened(found: SourceObject, reading: Reading) -> Iterator[Any]:
    with missing_package("parquet", "pyarrow", f"{reading.place}: a source in Parquet"):
        import pyarrow as pa
        from pyarrow import parquet
    # What is read directly from the object may be less than is asked for, which Arrow takes for its end.
    whole_reads = io.BufferedReader(found, _BUFFER)
    try:
        with parquet.ParquetFile(pa.PythonFile(whole_reads, mode="r"), pre_buffer=False) as file:
            yield file
    except pa.ArrowException as error:
        raise reading.refuse(f"cannot be read as Parquet: {excerpt(str(error))}") from None


def _column(names: list[str], reading: Reading) -> str:
    column = reading.source.get("column")
    if column is None and len(names) == 1:
        return names[0]
    if isinstance(column, str) and names.count(column) == 1:
        return column
    has = f"its columns: {excerpt(names)}"
    raise reading.refuse(f"has no column {excerpt(column)}; {has}" if column is not None else f"names no column; {has}")
