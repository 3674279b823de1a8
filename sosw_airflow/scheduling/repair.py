"""Schedules the failed tasks of a job again, as a job of its own that says whose repair it is.

A job has one repair, whichever operator or person asks for it: its id follows from the repaired job's. So two people
who repair the same job, or a retry in the middle, schedule each failed task once. What fails again is for the repair of
the repair: the chain is followed to its end, and only the last one is repaired.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from typing import Any, Protocol

from sosw_airflow.exceptions import JobCancelled, JobConflict, JobRecordDamaged, JobUnfinished, UnknownJob
from sosw_airflow.jobs.blocks import Block, blocks_of_lines
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.transitions import UNWRITTEN, JobState
from sosw_airflow.scheduling.requests import QueuePosition
from sosw_airflow.scheduling.scheduler import JobScheduler, Outcome, ScheduleResult
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.closed_tasks import ClosedTasks
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.waiting.progress import JobProgress, ProgressReader
from sosw_airflow.waiting.progress_log import ProgressLog

__all__ = ["Guard", "RepairRequest", "chain_of", "identity_of", "is_asked_by", "last_of_chain", "repair", "resume"]


class Guard(Protocol):
    """Gives the context in which a job is written."""

    def __call__(self, job_id: str, /) -> AbstractContextManager[Any]:
        """The context for the job of this id."""


@dataclass(frozen=True)
class RepairRequest:
    """The failed tasks of a job, with the payloads that they had.

    :ivar reader: of the repaired job.
    :ivar fingerprint: identifies the tasks.
    """

    identity: JobIdentity
    reader: ProgressReader
    reference_date: date
    fingerprint: str
    queue_position: QueuePosition = "back"
    backoff: Callable[[], Backoff] = Backoff
    max_running: int = 0
    place: str = ""
    sources = ""
    varies = False

    def outline(self) -> dict[str, str]:
        """What a conflict compares."""
        return {"repairs": self.identity.repairs, "tasks": self.fingerprint[:12]}

    def blocks(self, codec: LineCodec) -> Iterator[Block]:
        """The failed tasks as lines of the queue file, in the order that they had in the repaired job.

        :raises JobRecordDamaged: a failed task's row is gone, or cannot be read.
        """
        return blocks_of_lines(self._lines(codec))

    def _lines(self, codec: LineCodec) -> Iterator[str]:
        reader = self.reader
        if reader.header is None:
            reader.read_patiently(self.backoff())
        closed_tasks = ClosedTasks(reader.dynamodb, reader.tables, self.identity.labourer_id, backoff=self.backoff)
        done = ProgressLog(f"Reading the failed tasks of the job {reader.job_id}", sum(1 for _ in reader.failed()))
        wanted = reader.failed()
        index = 0
        for index, row in enumerate(closed_tasks.rows(reader.failed()), start=1):
            done.add(1)
            if row.task_id != next(wanted, None) or row.payload is None:
                break
            # An attribute of this name would be merged into the others again (sosw rule D9).
            task = {"payload": row.payload} if "payload" in row.payload else row.payload
            yield codec.line(task, index - 1)
        else:
            if next(wanted, None) is None:
                return
        raise JobRecordDamaged(
            f"The failed tasks of the job {reader.job_id} cannot be scheduled again: number {index + 1} of them "
            f"has no row in {reader.tables.closed_tasks_table} any more, or one without a payload that can be "
            f"read. Fix: clear the Airflow task with on_clear='reschedule' to schedule the whole job."
        )


def chain_of(records: JobRecords, job_id: str) -> Iterator[Header]:
    """The job, its repair, the repair of that, and so on.

    :raises UnknownJob: there is no such job.
    """
    header = records.header(job_id)
    if header is None:
        raise UnknownJob(job_id, table=records.table)
    while header is not None:
        yield header
        header = _repair_of(records, header)[1]


def last_of_chain(records: JobRecords, job_id: str) -> Header:
    """The last repair of this job; the job itself where it was never repaired.

    :raises UnknownJob: there is no such job.
    """
    *_, last = chain_of(records, job_id)
    return last


def resume(scheduler: JobScheduler, header: Header, guard: Guard = nullcontext) -> ScheduleResult:
    """Finish the writing of a repair that was planned, or find it as it is."""
    reader = _reader(scheduler, header.repairs.split("#")[0])
    identity = replace(identity_of(header), repairs=header.repairs)
    request = RepairRequest(
        identity,
        reader,
        date.fromisoformat(header.reference_date),
        header.fingerprint,
        backoff=scheduler.backoff,
    )
    with guard(header.job_id):
        return scheduler.schedule(request)


def repair(
    scheduler: JobScheduler,
    job_id: str,
    *,
    asked_by: JobIdentity | None = None,
    first: bool = False,
    queue_position: QueuePosition = "back",
    max_running: int | None = None,
    unfinished: str = "refuse",
    guard: Guard = nullcontext,
) -> ScheduleResult:
    """Schedule again what has failed of a job and of its former repairs, once.

    :param asked_by: the identity that asks; if it asked for the last repair too, that repair is resumed.
    :param first: it has not asked before in its DAG run. So a repair that a run of another start asked for is that of
        a run which was deleted, and is repaired in its turn.
    :param max_running: of the repair; None: that of the job.
    :param unfinished: what happens while some tasks are not closed yet: ``refuse``; ``leave`` them and repair what has
        failed so far; ``wait``: resume the job as it is.
    :param guard: called with the id of the job that is written, gives the context in which that is done.
    :raises UnknownJob: there is no such job.
    :raises JobCancelled: it was cancelled.
    :raises JobUnfinished: it is not over.
    :raises JobRecordDamaged: a failed task's row is gone.
    :raises SoswError: as `JobScheduler.schedule`.
    """
    records = scheduler.records
    last = last_of_chain(records, job_id)
    if last.state is JobState.CANCELLED:
        raise JobCancelled(last.job_id)
    if last.repairs and (last.state in UNWRITTEN or is_asked_by(last, asked_by, first=first)):
        return resume(scheduler, last, guard)
    repairs, _, cancelled = _repair_of(records, last)
    if cancelled is not None and is_asked_by(cancelled, asked_by, first=first):
        raise JobCancelled(cancelled.job_id)
    reader = _reader(scheduler, last.job_id)
    progress = reader.read_patiently(scheduler.backoff())
    if not progress.over and unfinished == "refuse":
        raise JobUnfinished(job_id=last.job_id, total=progress.total, closed=progress.closed, failed=progress.failed)
    if not progress.failed or (not progress.over and unfinished == "wait"):
        return ScheduleResult(last, Outcome.FOUND)
    identity = replace(asked_by or identity_of(last), labourer_id=last.labourer_id, repairs=repairs)
    request = RepairRequest(
        identity,
        reader,
        date.fromisoformat(last.reference_date),
        _digest(last, reader, progress),
        queue_position,
        scheduler.backoff,
        last.max_running if max_running is None else max_running,
        last.position,
    )
    try:
        with guard(identity.job_id):
            return scheduler.schedule(request)
    except JobConflict:
        # Another process planned it in this moment, and has seen one failure more or less.
        winner = records.header(identity.job_id)
        if winner is None:
            raise
        return resume(scheduler, winner, guard)


def _repair_of(records: JobRecords, header: Header) -> tuple[str, Header | None, Header | None]:
    """What names the job's repair, its header if it was planned, and the header of the cancelled one before it."""
    cancelled = None
    for attempt in count():
        repairs = f"{header.job_id}#{attempt}" if attempt else header.job_id
        found = records.header(replace(identity_of(header), repairs=repairs).job_id)
        if found is None or found.state is not JobState.CANCELLED:
            return repairs, found, cancelled
        cancelled = found
    raise AssertionError  # for the type checker: count() has no end


def identity_of(header: Header) -> JobIdentity:
    """The identity of a job that repairs no other one; of a repair, that of the first job of its chain."""
    return JobIdentity(
        header.dag_id,
        header.run_id,
        header.task_id,
        header.map_index,
        header.generation,
        header.labourer_id,
        namespace=header.namespace,
        rerun=header.rerun,
        run_started=header.run_started,
    )


def is_asked_by(header: Header, by: JobIdentity | None, *, first: bool = False) -> bool:
    """Whether this Airflow task instance has asked for the repair, in the same DAG run.

    :param first: as for `repair`.
    """
    if by is None or replace(identity_of(header), labourer_id="") != replace(by, labourer_id="", repairs=""):
        return False
    known = bool(header.run_started and by.run_started)
    return not (first and known and header.run_started != by.run_started)


def _reader(scheduler: JobScheduler, job_id: str) -> ProgressReader:
    return ProgressReader(scheduler.deployment.dynamodb, scheduler.deployment.tables, job_id)


def _digest(header: Header, reader: ProgressReader, progress: JobProgress) -> str:
    digest = hashlib.sha256(json.dumps(["repair", header.job_id, progress.failed]).encode())
    for task in reader.failed():
        digest.update(task.encode())
    return digest.hexdigest()
