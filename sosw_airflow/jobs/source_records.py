"""What the record of a job says about its sources: what each was when it was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sosw_airflow.jobs.json_documents import NotJson, parse_json

__all__ = ["source_records", "source_text"]


def source_records(text: str) -> list[dict[str, Any]]:
    """The records in a header; nothing of what another program has written in their place."""
    try:
        found = parse_json(text) if text else []
    except NotJson:
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def source_text(source: Mapping[str, Any]) -> str:
    """One record for people.

    >>> source_text({"place": "words", "url": "s3://b/words.csv", "etag": "5d41", "values": 3, "skipped": 1})
    'words: 3 values of s3://b/words.csv (5d41), bad lines left out: 1'
    """
    if "place" not in source:
        return f"and {source.get('more')} more"
    name = source.get("url") or f"the Connection {source.get('conn_id')}"
    version = source.get("version_id") or source.get("etag")
    skipped = f", bad lines left out: {source['skipped']}" if "skipped" in source else ""
    return f"{source['place']}: {source.get('values')} values of {name}{f' ({version})' if version else ''}{skipped}"
