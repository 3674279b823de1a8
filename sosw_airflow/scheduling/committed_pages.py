"""The pages of a job that are committed, by their markers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sosw_airflow.exceptions import JobRecordDamaged
from sosw_airflow.exceptions.faults import new_job
from sosw_airflow.jobs.pages import Page
from sosw_airflow.stores.job_record import Header, JobRecords, Marker

__all__ = ["committed_pages", "uncommitted_pages"]


def committed_pages(records: JobRecords, header: Header) -> dict[int, Marker]:
    """The markers of the pages. A marker of a page that the job does not have counts for none.

    :raises JobRecordDamaged: they belong to another record than this header.
    """
    markers = {marker.page: marker for marker in records.markers(header.job_id) if marker.page < header.pages}
    known = [len(marker.tasks) for marker in markers.values() if marker.tasks is not None]
    # Two headers of one job expire at different times, unless both were made in the same second.
    foreign = any(marker.expires_at != header.expires_at for marker in markers.values())
    if foreign or (len(known) == header.pages and sum(known) != header.tasks):
        raise _foreign(header)
    return markers


def uncommitted_pages(header: Header, pages: Iterator[Page], committed: Mapping[int, Marker]) -> Iterator[Page]:
    """The pages that have no marker.

    :raises JobRecordDamaged: a marker stands for other tasks.
    """
    for page in pages:
        marker = committed.get(page.number)
        if marker is None:
            yield page
        elif marker.tasks not in (None, range(page.first, page.first + len(page.lines))):
            raise _foreign(header)


def _foreign(header: Header) -> JobRecordDamaged:
    return JobRecordDamaged(
        f"The markers of the job {header.job_id} belong to another record than its header: the header was removed "
        f"before its markers, so which tasks are in the queue is unknown. Fix: "
        f"{new_job(header.job_id, repairs=header.repairs)}."
    )
