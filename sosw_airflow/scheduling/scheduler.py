"""Puts one generation of a job into sosw's queue, exactly once: plan, header, pages, finish.

1. The expansion streams into the queue file. Nothing shows until it is complete and the job is known to fit.
2. The header of the job record says that the plan exists. Every later attempt resumes from it.
3. The pages are committed, each with its marker.
4. The header goes to ``written``; the queue file is removed.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from sosw_airflow.exceptions import (
    AccessDenied,
    Fault,
    InvalidJob,
    JobCancelled,
    JobConflict,
    JobDelivered,
    JobRecordDamaged,
)
from sosw_airflow.exceptions.faults import new_job
from sosw_airflow.jobs.greenfield import Placement, place_at_back, place_at_front
from sosw_airflow.jobs.identity import JobIdentity, outline_changes, task_id
from sosw_airflow.jobs.metrics import Report, unreported
from sosw_airflow.jobs.pages import MAX_PAGE_ROWS, MAX_PAGE_ROWS_WITH_META, PageCutter, PageLimits, cut_pages
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.transitions import FINISH, IN_DELIVERY, NEEDING_PLAN, WRITE, JobState, Transition
from sosw_airflow.scheduling.committed_pages import committed_pages, uncommitted_pages
from sosw_airflow.scheduling.kept_places import move_as_planned
from sosw_airflow.scheduling.pace import PagePace, page_limits_for
from sosw_airflow.scheduling.page_text import MetaTable
from sosw_airflow.scheduling.page_writer import PageWriter, WriterStopped
from sosw_airflow.scheduling.requests import QueuePosition, Request, ScheduleRequest
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.job_record import RECORD_SECONDS, Header, JobRecords
from sosw_airflow.stores.queue_file import QueueFile, QueueFileGone
from sosw_airflow.stores.queue_file_keys import queue_file_key
from sosw_airflow.stores.task_queue import Capacity, TaskQueue, table_capacity
from sosw_airflow.waiting.progress_log import ProgressFactory, ProgressLog

__all__ = ["JobScheduler", "Outcome", "QueuePosition", "ScheduleRequest", "ScheduleResult"]

log = logging.getLogger(__name__)

#: How often a plan that another process removes is made again within one attempt.
_PLANS = 3


class Outcome(str, Enum):
    """How a call of `JobScheduler.schedule` came to its result."""

    SCHEDULED = "scheduled"  # planned and written here
    RESUMED = "resumed"  # planned by an earlier attempt or another copy, finished here
    FOUND = "found"  # written before; nothing was done


@dataclass(frozen=True)
class ScheduleResult:
    """:ivar header: of the job, in its final state.  :ivar outcome: how it came to it."""

    header: Header
    outcome: Outcome

    def summary(self) -> dict[str, str | int]:
        """What an XCom holds. The same for every attempt and copy of one generation."""
        header = self.header
        return {
            "job_id": header.job_id,
            "labourer": header.labourer_id,
            "tasks": header.tasks,
            "pages": header.pages,
            "queue_key": f"s3://{header.queue_bucket}/{header.queue_key}",
            "reference_date": header.reference_date,
            "first_task_id": task_id(header.job_id, 0),
            "last_task_id": task_id(header.job_id, header.tasks - 1),
            "state": header.state.value,
            **({"repairs": header.repairs.split("#")[0]} if header.repairs else {}),
        }


@dataclass
class JobScheduler:
    """Schedules jobs into one installation of sosw.

    :ivar records: the job records of the installation.
    :ivar stop: set it, from a signal's handler or another thread, to end between two requests with `WriterStopped`.
    :ivar progress: begins to count the tasks of each piece of work: planning, writing.
    :ivar metrics: takes the metrics of the writing.
    """

    deployment: Deployment
    stop: threading.Event = field(default_factory=threading.Event)
    concurrency: int = 8
    patience: float = 300.0
    progress: ProgressFactory = ProgressLog
    metrics: Report = unreported

    def __post_init__(self) -> None:
        at = self.deployment
        self.records = JobRecords(at.dynamodb, at.tables.jobs_table, now=at.now)
        self._most_rows = MAX_PAGE_ROWS_WITH_META if at.tables.meta_table else MAX_PAGE_ROWS

    def schedule(self, request: Request) -> ScheduleResult:
        """Put every task of the job into the queue, or finish what an earlier attempt has begun.

        :raises JobConflict: another job was scheduled under this identity.
        :raises JobCancelled: the job was cancelled.
        :raises InvalidJob, TaskTooLarge, QueueFull, MissingTable, MissingBucket: and nothing was written.
        :raises NoProgress, WriterStopped, AwsFault: the next attempt resumes from here.
        """
        header, outcome = self.plan(request)
        if header.state in IN_DELIVERY:
            raise JobDelivered(header.job_id)
        if header.state is JobState.WRITTEN:
            log.info("The job %s was written before: %s tasks. Nothing to do.", header.job_id, f"{header.tasks:,}")
            return ScheduleResult(header, Outcome.FOUND)
        return self._finish(request, header, outcome)

    def plan(self, request: Request) -> tuple[Header, Outcome]:
        """Write the plan and the header, or find those of an earlier attempt.

        :raises SoswError: as `schedule`.
        """
        job_id = request.identity.job_id
        header = self.records.header(job_id)
        outcome = Outcome.RESUMED
        if header is None:
            header = self._plan(request)
            if self.records.create(header):
                outcome = Outcome.SCHEDULED
            else:
                header = self._winner(job_id)
                ours = self._queue_file(request)
                if header.state not in NEEDING_PLAN or header.queue_key != ours.key:
                    ours.delete()  # it came too late, and no other attempt would remove it
        self._compare(request, header)
        return header, outcome

    def _plan(self, request: Request) -> Header:
        """Write the queue file. On any fault nothing is left behind."""
        at, identity = self.deployment, request.identity
        limits = page_limits_for(self._capacity(), most_rows=self._most_rows)
        queue_file = self._queue_file(request)
        cutter = PageCutter(limits)
        progress = self.progress(f"Planning job {identity.job_id}", None)
        with queue_file.writer() as plan:
            for block in request.blocks(self._codec(identity.labourer_id)):
                plan.write(block.text)
                cutter.take(block)
                progress.add(block.tasks)
                self.check_stop()
            tasks = progress.done
            if not tasks:
                raise InvalidJob([Fault("", "the job expands to no task")])
            placement = self._place(request, tasks)
            size = plan.complete()
        log.info("The plan of the job %s is in %s: %s tasks.", identity.job_id, queue_file, f"{tasks:,}")
        now = int(at.now())
        return Header(
            job_id=identity.job_id,
            state=JobState.PLANNED,
            labourer_id=identity.labourer_id,
            fingerprint=request.fingerprint,
            outline=json.dumps(request.outline()),
            tasks=tasks,
            pages=cutter.pages,
            page_rows=limits.rows,
            page_units=limits.units,
            greenfield_base=placement.base,
            greenfield_step=placement.step,
            queue_bucket=queue_file.bucket,
            queue_key=queue_file.key,
            queue_bytes=size,
            plan_digest=plan.digest,
            tasks_table=at.tables.tasks_table,
            meta_table=at.tables.meta_table or "",
            reference_date=request.reference_date.isoformat(),
            dag_id=identity.dag_id,
            run_id=identity.run_id,
            task_id=identity.task_id,
            map_index=identity.map_index,
            generation=identity.generation,
            created_at=now,
            updated_at=now,
            expires_at=now + RECORD_SECONDS,
            repairs=identity.repairs,
            namespace=identity.namespace,
            rerun=identity.rerun,
            run_started=identity.run_started,
            max_running=request.max_running,
            position=request.place,
            sources=request.sources,
        )

    def _place(self, request: Request, tasks: int) -> Placement:
        at, labourer = self.deployment, request.identity.labourer_id
        queue = TaskQueue(at.dynamodb, at.tables.tasks_table, at.tables.index_greenfield, labourer, now=at.now)
        now = int(at.now())
        if request.queue_position == "front":
            return place_at_front(queue.oldest(), tasks, now=now, labourer_id=labourer)
        return place_at_back(queue.newest(), tasks, now=now, labourer_id=labourer)

    def restore_plan(self, request: Request, header: Header) -> None:
        """Write the queue file of a planned job again. The job is known to be the same.

        :raises JobRecordDamaged: the job expands to another file now.
        """
        log.warning("The queue file of the job %s is gone, so it is written again.", header.job_id)
        with self.planned_file(header).writer() as plan:
            for block in request.blocks(self._codec(header.labourer_id)):
                plan.write(block.text)
            # A record of version 0.1 has no digest.
            if plan.size != header.queue_bytes or header.plan_digest not in ("", plan.digest):
                raise JobRecordDamaged(
                    f"The queue file s3://{header.queue_bucket}/{header.queue_key} is gone, and the job expands to "
                    f"other tasks now ({plan.size:,} bytes) than when it was planned ({header.queue_bytes:,} bytes). "
                    f"Fix: restore the file, or {new_job(header.job_id, repairs=header.repairs)}."
                )
            plan.complete()

    def _compare(self, request: Request, header: Header) -> None:
        """Refuse another job than the one that was planned under this id, and a cancelled one."""
        if header.fingerprint != request.fingerprint:
            changes = outline_changes(header.outline_parts(), request.outline())
            raise JobConflict(job_id=header.job_id, changes=changes or ["a detail inside of the job"])
        if header.state is JobState.CANCELLED:
            raise JobCancelled(header.job_id)

    def _compare_tables(self, header: Header) -> None:
        """Refuse to write half of a job into other tables than the first half, or with other pages."""
        tables = self.deployment.tables
        now = {"tasks_table": tables.tasks_table, "meta_table": tables.meta_table or ""}
        planned = {"tasks_table": header.tasks_table, "meta_table": header.meta_table}
        if header.tasks_table and planned != now:  # version 0.1 does not keep them
            changes = [
                f"{name} of the sosw Connection was {planned[name]!r}, is {now[name]!r}"
                for name in now
                if planned[name] != now[name]
            ]
            raise JobConflict(job_id=header.job_id, changes=changes)

    def _change(self, transition: Transition, header: Header) -> Header:
        """Change the job's state.

        :raises JobCancelled, JobDelivered: it was cancelled or delivered meanwhile.
        :raises JobRecordDamaged: its header is gone.
        """
        change = self.records.change(transition, header.job_id)
        if change.after is not None:
            return change.after
        if change.before is None:
            raise self._header_gone(header.job_id)
        if change.before.state in IN_DELIVERY:
            raise JobDelivered(header.job_id)
        if change.before.state is JobState.WRITTEN:
            return change.before  # by another copy of this generation
        raise JobCancelled(header.job_id)

    def _finish(self, request: Request, header: Header, outcome: Outcome) -> ScheduleResult:
        self._compare_tables(header)
        header = self._change(WRITE, header)
        if header.state is JobState.WRITTEN:
            return ScheduleResult(header, outcome)
        move_as_planned(self.deployment, header)
        queue_file = self.planned_file(header)
        denied = False
        for _ in range(_PLANS):
            try:
                self._write_pages(request, header, queue_file.lines(header.queue_bytes))
                break
            except (QueueFileGone, AccessDenied) as error:
                if len(committed_pages(self.records, header)) == header.pages:
                    break  # another copy of this generation has finished in the meantime
                if isinstance(error, AccessDenied):
                    # Without s3:ListBucket a missing file is denied. One that was just written is not missing.
                    if denied or not error.may_be_missing:
                        raise
                    denied = True
                self.restore_plan(request, header)
        else:
            raise JobRecordDamaged(
                f"The queue file {queue_file} of the job {header.job_id} is removed repeatedly. "
                f"Fix: stop what removes it, then retry the Airflow task."
            )
        # First the file: after a crash in between the next attempt finds all markers but no state, and sets the state.
        queue_file.delete()
        written = self._change(FINISH, header)
        log.info("The job %s is in the queue of %s: %s tasks.", header.job_id, header.labourer_id, f"{header.tasks:,}")
        return ScheduleResult(written, outcome)

    def _write_pages(self, request: Request, header: Header, lines: Iterator[str]) -> None:
        at = self.deployment
        committed = committed_pages(self.records, header)
        if len(committed) == header.pages:
            return
        limits = PageLimits(header.page_rows, header.page_units)
        jobs_capacity = table_capacity(at.dynamodb, at.tables.jobs_table, setting="jobs_table")
        pace = PagePace(self._capacity(), jobs_capacity, rows_per_second=at.max_rows_per_second, clock=time.monotonic)
        writer = PageWriter(
            at.dynamodb_once,
            header=header,
            codec=self._codec(header.labourer_id),
            tasks_table=at.tables.tasks_table,
            records=self.records,
            pace=pace,
            now=at.now,
            stop=self.stop,
            meta=self._meta(request.identity),
            concurrency=self.concurrency,
            patience=self.patience,
            metrics=self.metrics,
        )
        done = header.tasks * len(committed) // header.pages  # near enough for the log
        if committed:
            log.info("The job %s resumes: %s of %s pages are written.", header.job_id, len(committed), header.pages)
        progress = self.progress(f"Writing job {header.job_id}", header.tasks, done=done)
        writer.write(uncommitted_pages(header, cut_pages(lines, limits), committed), progress)

    def _winner(self, job_id: str) -> Header:
        """The header that another copy of this generation has put."""
        header = self.records.header(job_id)
        if header is None:
            raise self._header_gone(job_id)
        return header

    def _header_gone(self, job_id: str) -> JobRecordDamaged:
        return JobRecordDamaged(
            f"The header of the job {job_id} in {self.records.table} was there and is gone: another program "
            f"deletes job records. Fix: stop that, then retry the Airflow task."
        )

    # -- small things that the above share -----------------------------------------------------------------------------

    def _capacity(self) -> Capacity:
        """What the tables that get rows can take; also shows that they exist."""
        at, tables = self.deployment, self.deployment.tables
        capacity = table_capacity(at.dynamodb, tables.tasks_table, setting="tasks_table", index=tables.index_greenfield)
        if tables.meta_table is None:
            return capacity
        meta = table_capacity(at.dynamodb, tables.meta_table, setting="meta_table")
        units = [each for each in (capacity.table, meta.table) if each]
        return Capacity(min(units, default=None), capacity.index)

    def _codec(self, labourer_id: str) -> LineCodec:
        return LineCodec(labourer_id, lambda_payload_limit=self.deployment.lambda_payload_limit)

    def _queue_file(self, request: Request) -> QueueFile:
        at = self.deployment
        key = queue_file_key(at.s3_prefix, request.identity.job_id, request.fingerprint)
        return QueueFile(at.s3, at.queue_bucket, key, fingerprint=request.fingerprint)

    def planned_file(self, header: Header) -> QueueFile:
        """The queue file of a planned job, in the bucket where it was planned."""
        return QueueFile(
            self.deployment.s3,
            header.queue_bucket,
            header.queue_key,
            fingerprint=header.fingerprint,
            new_job=new_job(header.job_id, repairs=header.repairs),
        )

    def _meta(self, identity: JobIdentity) -> MetaTable | None:
        name = self.deployment.tables.meta_table
        stream = f"{identity.dag_id}/{identity.task_id}/{identity.map_index}"
        return MetaTable(name, invocation_id=identity.run_id, log_stream_name=stream) if name else None

    def backoff(self) -> Backoff:
        """What waits while a table is slow, until the work is stopped."""
        return Backoff(sleep=self._sleep, patience=self.patience)

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise WriterStopped

    def check_stop(self) -> None:
        """End between two requests if that is wanted.

        :raises WriterStopped: it is.
        """
        if self.stop.is_set():
            raise WriterStopped
