"""Changes of a scheduled job that orchestrators follow: its limit, its place in the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import JobCancelled, JobDelivered, UnknownJob
from sosw_airflow.jobs.excerpts import printable
from sosw_airflow.jobs.transitions import IN_DELIVERY, JobState
from sosw_airflow.orchestration.turn_note import TurnNote
from sosw_airflow.stores.job_limits import JobLimits
from sosw_airflow.stores.job_places import JobPlaces, Place
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.lease_item import read_lease

__all__ = ["JobChange", "change_job"]


@dataclass(frozen=True)
class JobChange:
    """What was changed of a job.

    :ivar before: its header before the change.
    :ivar max_running: the new limit, 0 for none; None: it was not changed.
    :ivar place: the new place; None: it was not changed.  :ivar place_before: the one before.
    :ivar is_orchestrated: an orchestrator of Airflow processes the labourer's queue now.
    """

    before: Header
    max_running: int | None
    place: Place | None
    place_before: Place
    is_orchestrated: bool

    def texts(self) -> Iterator[str]:
        """Each change in words, such as ``max_running 3 (before: no limit)``."""
        if self.max_running is not None:
            now, then = (f"{limit:,}" if limit else "no limit" for limit in (self.max_running, self.before.max_running))
            yield f"max_running {now} (before: {then})"
        if self.place is not None:
            now, then = (_PLACES[each] for each in (self.place, self.place_before))
            yield f"{now} (before: {then})"

    def warning(self) -> str:
        """What keeps the change from having an effect; empty if nothing does."""
        if self.is_orchestrated:
            return ""
        return (
            f"no orchestrator of Airflow processes the queue of {printable(self.before.labourer_id)} at the moment, "
            f"and sosw's own Orchestrator ignores this. The next one of Airflow keeps it."
        )


_PLACES = {
    "front": "its place before all other jobs that are not moved",
    "back": "its place behind all other jobs",
    "planned": "its planned place",
}


def change_job(
    dynamodb: Any,
    table: str,
    job_id: str,
    *,
    now: float,
    max_running: int | None = None,
    place: Place | None = None,
) -> JobChange:
    """Change the limit of a job, its place or both. Six requests, if no other change comes at once.

    :param table: of the job records.
    :param now: seconds since 1970.
    :param max_running: 0 removes the limit, None leaves it.
    :param place: None leaves it.
    :raises UnknownJob: it has no record.
    :raises JobCancelled, JobDelivered: it has no tasks that an orchestrator of Airflow could move.
    :raises InvalidConfiguration: too many jobs of the labourer are moved.
    :raises JobRecordDamaged: the header cannot be read.
    """
    header = JobRecords(dynamodb, table).header(job_id)
    if header is None:
        raise UnknownJob(job_id, table=table)
    place_before: Place = "planned"
    if place is not None:
        if header.state is JobState.CANCELLED:
            raise JobCancelled(job_id)
        if header.state in IN_DELIVERY:
            raise JobDelivered(job_id)
        places = JobPlaces(dynamodb, table)
        place_before, lease = places.move(header.labourer_id, job_id, place)
        _note(places, header.labourer_id, job_id, place)
    else:
        lease = read_lease(dynamodb, table, header.labourer_id)
    if max_running is not None:
        header = JobLimits(dynamodb, table).change(job_id, max_running) or header
    note = TurnNote.of_lease(lease)
    is_orchestrated = note.is_fresh(now) if note is not None else "owner" in lease
    return JobChange(header, max_running, place, place_before, is_orchestrated)


def _note(places: JobPlaces, labourer_id: str, job_id: str, place: Place) -> None:
    """Keep the place in the job's header. Of two changes at once the one that the lease has is kept in the end."""
    while True:
        places.note(job_id, place)
        followed = places.read(labourer_id).place(job_id)
        if followed == place:
            return
        place = followed
