"""Puts one generation of a job into sosw's queue, exactly once: plan, header, pages, finish.

1. The expansion streams into the queue file. Nothing shows until it is complete and the job is known to fit.
2. The header of the job record says that the plan exists. Every later attempt resumes from it.
3. The pages are committed, each with its marker.
4. The queue file is removed; the header goes to ``written``.

Each step waits for the one before, and what does not depend on another request is sent together with it. So a job of
one page takes six round trips.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from sosw_airflow.exceptions import (
    AccessDenied,
    JobCancelled,
    JobConflict,
    JobDelivered,
    JobRecordDamaged,
)
from sosw_airflow.jobs.identity import JobIdentity, outline_changes, task_id
from sosw_airflow.jobs.metrics import Report, unreported
from sosw_airflow.jobs.pages import MAX_PAGE_ROWS, MAX_PAGE_ROWS_WITH_META, PageLimits, cut_pages
from sosw_airflow.jobs.transitions import FINISH, IN_DELIVERY, NEEDING_PLAN, WRITE, JobState, Transition
from sosw_airflow.scheduling.committed_pages import committed_pages, uncommitted_pages
from sosw_airflow.scheduling.first_reads import FirstReads
from sosw_airflow.scheduling.kept_places import move_as_planned
from sosw_airflow.scheduling.pace import PagePace
from sosw_airflow.scheduling.page_text import MetaTable
from sosw_airflow.scheduling.page_writer import PageWriter, WriterStopped
from sosw_airflow.scheduling.plans import Plans
from sosw_airflow.scheduling.requests import QueuePosition, Request, ScheduleRequest
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.job_record import Header, JobRecords, Marker
from sosw_airflow.stores.overlapping import submit
from sosw_airflow.stores.queue_file import QueueFileGone, lines_of
from sosw_airflow.waiting.progress_log import ProgressFactory, ProgressLog

__all__ = ["JobScheduler", "Outcome", "QueuePosition", "ScheduleRequest", "ScheduleResult"]

log = logging.getLogger(__name__)

#: How often a plan that another process removes is made again within one attempt.
_PLANS = 3

#: Requests beside the pages that are under way at once.
_AT_ONCE = 5


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
class _Begun:
    """A job whose header exists.

    :ivar text: of its plan, if it was made here and is short: what this process has sent it need not read again.
    :ivar markers: those of its pages, once they are asked for.
    """

    header: Header
    outcome: Outcome
    text: bytes | None = None
    markers: Future[dict[int, Marker]] | None = None


@dataclass
class JobScheduler:
    """Schedules jobs into one installation of sosw.

    :ivar records: the job records of the installation.  :ivar plans: and the plans.
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
        most_rows = MAX_PAGE_ROWS_WITH_META if at.tables.meta_table else MAX_PAGE_ROWS
        self.plans = Plans(at, self.records, most_rows, self.check_stop, self.progress)

    def schedule(self, request: Request) -> ScheduleResult:
        """Put every task of the job into the queue, or finish what an earlier attempt has begun.

        :raises JobConflict: another job was scheduled under this identity.
        :raises JobCancelled: the job was cancelled.
        :raises InvalidJob, TaskTooLarge, QueueFull, MissingTable, MissingBucket: and nothing was written.
        :raises NoProgress, WriterStopped, AwsFault: the next attempt resumes from here.
        """
        with self._pool() as pool:
            reads = FirstReads(self.deployment, self.records, request, pool, with_jobs_table=True)
            begun = self._begin(request, reads, pool, JobState.WRITING)
            header = begun.header
            if header.state in IN_DELIVERY:
                raise JobDelivered(header.job_id)
            if header.state is JobState.WRITTEN:
                log.info("The job %s was written before: %s tasks. Nothing to do.", header.job_id, f"{header.tasks:,}")
                return ScheduleResult(header, Outcome.FOUND)
            if begun.outcome is Outcome.RESUMED:
                self._compare_tables(header)
                begun.markers = submit(pool, committed_pages, self.records, header)
                begun.header = header = submit(pool, self._change, WRITE, header).result()
                if header.state is JobState.WRITTEN:
                    return ScheduleResult(header, begun.outcome)
            move_as_planned(self.deployment, header)
            self._write(request, begun, reads)
        # First the file: after a crash in between the next attempt finds all markers but no state, and sets the state.
        self.plans.of(header).delete()
        written = self._change(FINISH, header)
        log.info("The job %s is in the queue of %s: %s tasks.", header.job_id, header.labourer_id, f"{header.tasks:,}")
        return ScheduleResult(written, begun.outcome)

    def plan(self, request: Request) -> tuple[Header, Outcome]:
        """Write the plan and the header, or find those of an earlier attempt.

        :raises SoswError: as `schedule`.
        """
        with self._pool() as pool:
            reads = FirstReads(self.deployment, self.records, request, pool)
            begun = self._begin(request, reads, pool, JobState.PLANNED)
        return begun.header, begun.outcome

    @contextmanager
    def _pool(self) -> Iterator[Executor]:
        """Threads for requests that are sent at once. With pages one at a time, these are in order, too."""
        with ThreadPoolExecutor(_AT_ONCE if self.concurrency > 1 else 1, thread_name_prefix="sosw-request") as pool:
            yield pool

    def _begin(self, request: Request, reads: FirstReads, pool: Executor, state: JobState) -> _Begun:
        """Plan the job, or find it.

        :param state: that a new header has. ``writing``: with the header its markers are read.
        """
        header = reads.header()
        if header is not None:
            begun = _Begun(header, Outcome.RESUMED)
        else:
            header, text = self.plans.make(request, reads, state)
            begun = _Begun(header, Outcome.SCHEDULED, text)
            if state is JobState.WRITING:
                # A new header has none, unless the former one was removed before its markers.
                begun.markers = submit(pool, committed_pages, self.records, header)
            if not submit(pool, self.records.create, header).result():
                begun = _Begun(self._winner(header.job_id), Outcome.RESUMED)
                ours = self.plans.of_request(request)
                if begun.header.state not in NEEDING_PLAN or begun.header.queue_key != ours.key:
                    ours.delete()  # it came too late, and no other attempt would remove it
        self._compare(request, begun.header)
        return begun

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

    def _write(self, request: Request, begun: _Begun, reads: FirstReads) -> None:
        """Commit all pages that have no marker."""
        header, queue_file = begun.header, self.plans.of(begun.header)
        assert begun.markers is not None  # noqa: S101 - the job is being written
        committed: Mapping[int, Marker] = begun.markers.result()
        lines = queue_file.lines(header.queue_bytes) if begun.text is None else lines_of(begun.text)
        denied = False
        for _ in range(_PLANS):
            try:
                self._write_pages(request, header, lines, committed, reads)
                break
            except (QueueFileGone, AccessDenied) as error:
                committed = committed_pages(self.records, header)
                if len(committed) == header.pages:
                    break  # another copy of this generation has finished in the meantime
                if isinstance(error, AccessDenied):
                    # Without s3:ListBucket a missing file is denied. One that was just written is not missing.
                    if denied or not error.may_be_missing:
                        raise
                    denied = True
                self.plans.restore(request, header)
                lines = queue_file.lines(header.queue_bytes)
        else:
            raise JobRecordDamaged(
                f"The queue file {queue_file} of the job {header.job_id} is removed repeatedly. "
                f"Fix: stop what removes it, then retry the Airflow task."
            )

    def _write_pages(
        self,
        request: Request,
        header: Header,
        lines: Iterator[str],
        committed: Mapping[int, Marker],
        reads: FirstReads,
    ) -> None:
        if len(committed) == header.pages:
            return
        at = self.deployment
        limits = PageLimits(header.page_rows, header.page_units)
        pace = PagePace(
            reads.tasks_capacity(),
            reads.jobs_capacity(),
            rows_per_second=at.max_rows_per_second,
            clock=time.monotonic,
        )
        writer = PageWriter(
            at.dynamodb_once,
            header=header,
            codec=self.plans.codec(header.labourer_id),
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
