"""The addresses of objects as values: a listing of S3, and the files of an S3 Inventory."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote_plus

from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.sources import Source, moment
from sosw_airflow.sources.objects import SETTING, SourceObject
from sosw_airflow.sources.reading import Items, Reading
from sosw_airflow.sources.texts import unpacked
from sosw_airflow.stores.aws_errors import explain_faults
from sosw_airflow.stores.s3_url import s3_url, split_s3_url

__all__ = ["read_inventory", "read_listing"]

#: Bytes of a manifest: one of ten thousand files has two megabytes.
_LARGEST_MANIFEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class _Wanted:
    """Which objects are values, and in which form."""

    prefix: str
    suffix: str
    since: datetime | None
    before: datetime | None
    as_key: bool

    @classmethod
    def of(cls, source: Source) -> _Wanted:
        since, before = (source.get(name) for name in ("modified_since", "modified_before"))
        return cls(
            prefix=source.get("prefix", ""),
            suffix=source.get("suffix", ""),
            since=moment(since) if since else None,
            before=moment(before) if before else None,
            as_key=source.get("value") == "key",
        )

    @property
    def by_time(self) -> bool:
        return self.since is not None or self.before is not None

    def has(self, key: str, modified: datetime | None) -> bool:
        """Whether the object is wanted. Folders, which a console makes as empty objects, are not."""
        if key.endswith("/") or not key.startswith(self.prefix) or not key.endswith(self.suffix):
            return False
        if not self.by_time:
            return True
        if modified is None:
            return False
        return (self.since is None or modified >= self.since) and (self.before is None or modified < self.before)

    def value(self, bucket: str, key: str) -> str:
        return key if self.as_key else s3_url(bucket, key)


def read_listing(reading: Reading) -> Items:
    """The objects below a prefix, in the order of their keys. The version is a digest of keys and ETags.

    :raises MissingBucket, AccessDenied: S3 refuses.
    """
    reading.unit = "object"
    source = reading.source
    bucket, prefix = split_s3_url(source.settings["url"])
    wanted, digest = _Wanted.of(source), hashlib.sha256()
    for number, found in enumerate(_objects(reading, bucket, prefix), start=1):
        if wanted.has(found["Key"], found["LastModified"]):
            digest.update(f"{found['Key']}\0{found['ETag']}\0".encode())
            yield number, wanted.value(bucket, found["Key"])
    reading.version["listing_sha256"] = digest.hexdigest()


def _objects(reading: Reading, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    s3 = reading.access.s3(reading.source.get("aws_conn_id"))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    with explain_faults(action="s3:ListBucket", resource=bucket, setting=SETTING, bucket=True):
        for page in pages:
            reading.check()
            yield from page.get("Contents", ())


def read_inventory(reading: Reading) -> Items:
    """The objects that an S3 Inventory lists: its current versions, without those that are deleted.

    :raises InvalidSource: the manifest is none, or its files are of a format that is not read.
    :raises MissingSource, SourceChanged: a file of it is not there, or is replaced.
    """
    source = reading.source
    with SourceObject.of(reading) as found:
        manifest = _manifest(found, reading)
        wanted, columns = _Wanted.of(source), _columns(manifest, reading)
        if wanted.by_time and "LastModifiedDate" not in columns:
            raise reading.refuse(
                "has no LastModifiedDate in its fields, so that modified_since and modified_before cannot be answered: "
                "add this field to the inventory"
            )
        bucket = re.sub(r"^arn:[^:]+:s3:::", "", str(manifest.get("destinationBucket", "")))
        for number, name in enumerate(_files(manifest, reading), start=1):
            reading.check()
            with found.beside(name, bucket=bucket or None) as file:
                for row in _rows(file, manifest["fileFormat"], columns, number, reading):
                    key = row["Key"]
                    latest = str(row.get("IsLatest", "true")).lower() != "false"
                    deleted = str(row.get("IsDeleteMarker", "false")).lower() == "true"
                    if latest and not deleted and wanted.has(key, _modified(row.get("LastModifiedDate"))):
                        yield number, wanted.value(row.get("Bucket") or manifest["sourceBucket"], key)


def _manifest(found: SourceObject, reading: Reading) -> dict[str, Any]:
    reading.unit = "file"
    if found.size > _LARGEST_MANIFEST:
        raise reading.refuse(f"has {found.size:,} bytes, so it is no manifest.json of an S3 Inventory")
    try:
        manifest = json.loads(found.readall() or b"")
    except (ValueError, RecursionError):
        raise reading.refuse("is no JSON, so it is no manifest.json of an S3 Inventory") from None
    texts = ("sourceBucket", "destinationBucket", "fileFormat", "fileSchema")
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(name), str) for name in texts):
        raise reading.refuse(f"is no manifest.json of an S3 Inventory, which has {', '.join(texts)} and files")
    return manifest


def _columns(manifest: dict[str, Any], reading: Reading) -> list[str]:
    form, schema = manifest["fileFormat"], manifest["fileSchema"]
    if form == "CSV":
        columns = [each.strip() for each in schema.split(",")]
    elif form == "Parquet":
        names = {"key": "Key", "bucket": "Bucket", "is_latest": "IsLatest", "is_delete_marker": "IsDeleteMarker"}
        found = re.findall(r"(?:required|optional)\s+\w+\s+(\w+)", schema)
        columns = [{**names, "last_modified_date": "LastModifiedDate"}.get(each, each) for each in found]
    else:
        raise reading.refuse(f"has files of the format {excerpt(form)}: make the inventory in CSV or Parquet")
    if "Key" not in columns:
        raise reading.refuse(f"has no column for the key in its fileSchema {excerpt(schema)}")
    return columns


def _files(manifest: dict[str, Any], reading: Reading) -> list[str]:
    files = manifest.get("files")
    if not isinstance(files, list) or not all(
        isinstance(each, dict) and isinstance(each.get("key"), str) for each in files
    ):
        raise reading.refuse("is no manifest.json of an S3 Inventory: its files are no list of objects with a key")
    return [each["key"] for each in files]


def _rows(file: SourceObject, form: str, columns: list[str], number: int, reading: Reading) -> Iterator[dict[str, Any]]:
    if form == "Parquet":
        from sosw_airflow.sources.parquet import rows_of

        wanted = {"key": "Key", "bucket": "Bucket", "is_latest": "IsLatest", "is_delete_marker": "IsDeleteMarker"}
        yield from rows_of(file, {**wanted, "last_modified_date": "LastModifiedDate"}, reading)
        return
    compression = "gzip" if file.url.endswith(".gz") else "none"
    for row in csv.reader(unpacked(file, compression, reading)):
        if len(row) != len(columns):
            reading.bad(number, f"has a row of {len(row)} fields, and the inventory has {len(columns)}: {excerpt(row)}")
            continue
        named = dict(zip(columns, row, strict=True))
        # In CSV, and only there, the keys are written as in an address.
        yield {**named, "Key": unquote_plus(named["Key"])}


def _modified(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return moment(value) if isinstance(value, str) else None
