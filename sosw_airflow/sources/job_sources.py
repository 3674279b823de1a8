"""Reads every source of a job into one temporary file, and puts the values into the job."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from sosw_airflow.exceptions import EmptySource, Fault, InvalidJob
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.sources import Source, SourcedJob
from sosw_airflow.sources.reading import Access, Items, Reading
from sosw_airflow.sources.spool import Spool, SpooledValues

__all__ = ["ReadJob", "read_sources", "reader_of"]

log = logging.getLogger(__name__)

#: Values after which the reading asks whether it is to end.
_CHECKED = 10_000

#: Sources whose versions a job record has. More are only counted.
_RECORDED = 50

#: Object formats by the ending of the key.
_FORMATS = {"csv": "csv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet"}

Reader = Callable[[Reading], Items]


@dataclass(frozen=True)
class ReadJob:
    """A job whose sources were read.

    :ivar job: with the values of the sources in their places.
    :ivar versions: for the job's record, JSON text: of each source what it read, the number and a digest of its values.
    :ivar sampled: of the sources that have more values than were read, the places.
    :ivar skipped: place and number of the lines that were left out.
    """

    job: dict[str, Any]
    versions: str
    sampled: tuple[str, ...]
    skipped: Mapping[str, int]
    _empty: tuple[EmptySource, ...]

    def refuse_no_tasks(self) -> None:
        """Call it if the job has no task.

        :raises EmptySource: as one of its sources wants it: ``skip`` comes before ``succeed``.
        """
        for on_empty in ("skip", "succeed"):
            for error in self._empty:
                if error.on_empty == on_empty:
                    raise error


@contextmanager
def read_sources(
    sourced: SourcedJob, access: Access, *, sample: int | None = None, check: Callable[[], None] = lambda: None
) -> Iterator[ReadJob]:
    """Read the sources of a job. Inside, the job's values can be read; then they are removed.

    :param sample: read only the first so many values of each.
    :param check: called now and then; may raise to end the reading.
    :raises EmptySource: a source is empty, and ``on_empty`` is ``fail``.
    :raises InvalidSource, MissingSource, SourceChanged, SourceUnreadable: it cannot be read.
    :raises AccessDenied, MissingBucket, InvalidConfiguration: likewise.
    :raises InvalidJob: a source does not say what it lacks.
    """
    values: dict[Source, SpooledValues] = {}
    versions, sampled, empty = [], [], []
    skipped: dict[str, int] = {}
    with Spool() as spool:
        for source, place in sourced.sources.items():
            reading = Reading(source, place, access, check=check)
            values[source], more = _spooled(reading, SpooledValues(spool), sample)
            number = len(values[source])
            if more:
                sampled.append(place)
            if reading.skipped:
                skipped[place] = reading.skipped
                log.warning("%s: %s left out.", place, counted(reading.skipped, "bad line was", "bad lines were"))
            if not number:
                error = EmptySource(source.name, place=place, on_empty=source.on_empty, skipped=reading.skipped)
                if source.on_empty == "fail":
                    raise error
                empty.append(error)
                log.warning("%s: %s gives no value.", place, source.name)
            log.info("%s: read %s of %s (%s).", place, counted(number, "value"), source.name, _said(reading.version))
            versions.append(
                {
                    "place": place,
                    "kind": source.kind,
                    **{name: source.settings[name] for name in ("url", "conn_id") if name in source.settings},
                    **reading.version,
                    "values": number,
                    **({"skipped": reading.skipped} if reading.skipped else {}),
                    "sha256": values[source].digest,
                }
            )
        if len(versions) > _RECORDED:
            versions[_RECORDED:] = [{"more": len(versions) - _RECORDED}]
        job = sourced.with_values(values.__getitem__)
        yield ReadJob(job, json.dumps(versions), tuple(sampled), skipped, tuple(empty))


def _spooled(reading: Reading, values: SpooledValues, sample: int | None) -> tuple[SpooledValues, bool]:
    """Add the values of a source, and whether it has more than are wanted."""
    items = reader_of(reading)(reading)
    size_of, add = reading.size_of, values.add
    more = False
    wanted = items if sample is None else islice(items, sample + 1)
    for read, (number, value) in enumerate(wanted):
        if read == sample:
            more = True
            break
        size = size_of(number, value)
        if size:
            add(value, size)
        if not read % _CHECKED:
            reading.check()
    reading.finish()
    values.complete()
    return values, more


def reader_of(reading: Reading) -> Reader:
    """What reads a source. Modules of kinds that no job uses are not loaded.

    :raises InvalidJob: the format of an object is not known.
    """
    source = reading.source
    if source.kind == "sql":
        from sosw_airflow.sources.queries import read_query

        return read_query
    if source.kind != "s3":
        from sosw_airflow.sources.listings import read_inventory, read_listing

        return read_listing if source.kind == "s3_listing" else read_inventory
    form = source.get("format") or _format_of(source.settings["url"])
    if form is None:
        problem = f"is missing, and the key does not end with {', '.join(f'.{each}' for each in _FORMATS)}"
        raise InvalidJob([Fault(f"{reading.place}.$source.format", problem)])
    if form == "parquet":
        from sosw_airflow.sources.parquet import read_parquet

        return read_parquet
    from sosw_airflow.sources.texts import read_text

    return partial(read_text, form=form)


def _format_of(url: str) -> str | None:
    *_, last = url.rpartition("/")
    endings = last.lower().split(".")[1:]
    if endings and endings[-1] in ("gz", "gzip", "zst", "zstd"):
        endings.pop()
    return _FORMATS.get(endings[-1]) if endings else None


def _said(version: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in version.items()) or "no version"
