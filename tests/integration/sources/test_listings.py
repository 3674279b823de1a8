"""Addresses of objects as values: listings and inventories."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from sosw_airflow import source
from sosw_airflow.exceptions import EmptySource, InvalidSource, MissingBucket, MissingSource
from sosw_airflow.jobs.sources import SourcedJob
from sosw_airflow.sources.job_sources import read_sources
from tests.conftest import BUCKET
from tests.integration.sources.conftest import Read

Put = Callable[[str, bytes], str]
PREFIX = f"s3://{BUCKET}/in/"


def test_a_listing(read: Read, put: Put) -> None:
    """In the order of the keys, without folders and what is below other prefixes."""
    urls = [put(key, b"") for key in ("in/b ü.csv", "in/a.csv", "in/c.txt", "in/", "in/sub/d.csv", "out/e.csv")]
    assert read(source.s3_listing(PREFIX)) == [*sorted(urls[:3]), urls[4]]
    assert read(source.s3_listing(PREFIX, suffix=".csv", value="key")) == ["in/a.csv", "in/b ü.csv", "in/sub/d.csv"]


def test_a_listing_by_time(read: Read, put: Put, s3: Any) -> None:
    """From the first moment on, and before the last one."""
    url = put("in/a.csv", b"")
    modified = s3.head_object(Bucket=BUCKET, Key="in/a.csv")["LastModified"]
    later = datetime(2999, 1, 1, tzinfo=timezone.utc)
    assert read(source.s3_listing(PREFIX, modified_since=modified, modified_before=later)) == [url]
    for moments in ({"modified_since": later}, {"modified_before": modified}):
        with pytest.raises(EmptySource):
            read(source.s3_listing(PREFIX, **moments))


def test_the_version_of_a_listing(access: Any, put: Put) -> None:
    """A digest of keys and ETags: an object that is replaced gives another one."""
    job = {"words": source.s3_listing(PREFIX)}

    def version() -> str:
        with read_sources(SourcedJob.of(job, {"chunkable_attrs": ["word"]}), access) as read:
            return str(json.loads(read.versions)[0]["listing_sha256"])

    put("in/a.csv", b"1")
    first = version()
    assert version() == first
    put("in/a.csv", b"2")
    assert version() != first


def test_a_listing_of_no_bucket(read: Read) -> None:
    """The bucket is named."""
    with pytest.raises(MissingBucket, match="'elsewhere'"):
        read(source.s3_listing("s3://elsewhere/in/"))


Inventory = Callable[..., dict[str, Any]]
ROWS = [
    ("uploads", "in/a b.csv", "2026-03-01T00:00:00.000Z", "true", "false"),
    ("uploads", "in/b.csv", "2026-03-02T00:00:00.000Z", "true", "false"),
    ("uploads", "in/b.csv", "2026-02-02T00:00:00.000Z", "false", "false"),
    ("uploads", "in/gone.csv", "2026-03-02T00:00:00.000Z", "true", "true"),
    ("uploads", "out/c.csv", "2026-03-03T00:00:00.000Z", "true", "false"),
]


def _as_csv(row: tuple[str, ...]) -> str:
    bucket, key, modified, latest, deleted = row
    return f'"{bucket}","{key.replace(" ", "+")}","{latest}","{deleted}","1","{modified}"\n'


@pytest.fixture(params=["CSV", "Parquet"])
def inventory(request: pytest.FixtureRequest, put: Put) -> Inventory:
    """An inventory of two files, as S3 writes it."""

    def made(**settings: Any) -> dict[str, Any]:
        if request.param == "CSV":
            schema = "Bucket, Key, IsLatest, IsDeleteMarker, Size, LastModifiedDate"
            for number, rows in enumerate((ROWS[:2], ROWS[2:])):
                put(f"i/data/{number}", gzip.compress("".join(map(_as_csv, rows)).encode()))
                put(f"i/data/{number}.csv.gz", gzip.compress("".join(map(_as_csv, rows)).encode()))
        else:
            schema = (
                "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional boolean "
                "is_latest; optional boolean is_delete_marker; optional int64 last_modified_date (TIMESTAMP_MILLIS);}"
            )
            for number, rows in enumerate((ROWS[:2], ROWS[2:])):
                columns = list(zip(*rows, strict=True))
                table = {
                    "bucket": columns[0],
                    "key": columns[1],
                    "is_latest": [each == "true" for each in columns[3]],
                    "is_delete_marker": [each == "true" for each in columns[4]],
                    "last_modified_date": pa.array(
                        [datetime.fromisoformat(each.replace("Z", "+00:00")) for each in columns[2]], pa.timestamp("ms")
                    ),
                }
                written = io.BytesIO()
                pq.write_table(pa.table(table), written)
                put(f"i/data/{number}.parquet", written.getvalue())
        ending = "csv.gz" if request.param == "CSV" else "parquet"
        manifest = {
            "sourceBucket": "uploads",
            "destinationBucket": f"arn:aws:s3:::{BUCKET}",
            "fileFormat": request.param,
            "fileSchema": schema,
            "files": [{"key": f"i/data/{number}.{ending}"} for number in (0, 1)],
        }
        return source.s3_inventory(put("i/manifest.json", json.dumps(manifest).encode()), **settings)

    return made


def test_an_inventory(read: Read, inventory: Inventory) -> None:
    """Current objects, in the order of the files; their keys as they are."""
    assert read(inventory()) == ["s3://uploads/in/a b.csv", "s3://uploads/in/b.csv", "s3://uploads/out/c.csv"]
    assert read(inventory(prefix="in/", suffix=".csv", value="key")) == ["in/a b.csv", "in/b.csv"]
    between = {"modified_since": "2026-03-02", "modified_before": "2026-03-03"}
    assert read(inventory(**between)) == ["s3://uploads/in/b.csv"]


MANIFEST = {
    "sourceBucket": "uploads",
    "destinationBucket": f"arn:aws:s3:::{BUCKET}",
    "fileFormat": "CSV",
    "fileSchema": "Bucket, Key",
    "files": [{"key": "i/1.csv"}],
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (None, "is no JSON, so it is no manifest.json"),
        ({"sourceBucket": None}, "is no manifest.json of an S3 Inventory, which has sourceBucket"),
        ({"fileFormat": "ORC"}, "has files of the format 'ORC': make the inventory in CSV or Parquet"),
        ({"fileSchema": "Bucket"}, "has no column for the key"),
        ({"files": [1]}, "its files are no list of objects"),
        ({"modified_since": "2026-01-01"}, "has no LastModifiedDate in its fields"),
        ({}, "file 1: has a row of 1 fields, and the inventory has 2: ['only']"),
    ],
)
def test_an_inventory_that_is_none(read: Read, put: Put, changes: Any, words: str) -> None:
    """It says what is missing."""
    put("i/1.csv", b'"only"\n')
    settings = {name: value for name, value in (changes or {}).items() if name.startswith("modified")}
    manifest = {**MANIFEST, **{name: value for name, value in (changes or {}).items() if name not in settings}}
    body = b"<xml>" if changes is None else json.dumps(manifest).encode()
    with pytest.raises(InvalidSource) as refused:
        read(source.s3_inventory(put("i/manifest.json", body), **settings))
    assert words in str(refused.value)


def test_a_file_of_an_inventory_that_is_missing(read: Read, put: Put) -> None:
    """It is named."""
    with pytest.raises(MissingSource, match=f"s3://{BUCKET}/i/1.csv"):
        read(source.s3_inventory(put("i/manifest.json", json.dumps(MANIFEST).encode())))
