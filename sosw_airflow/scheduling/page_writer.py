"""Commits the pages of a job, several at once, each exactly once.

A page is one transaction: its rows and its marker, each on the condition that it does not exist. So sending again
settles an answer that was lost: if the marker exists, the page was committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.exceptions import JobRecordDamaged, NoProgress
from sosw_airflow.exceptions.faults import new_job
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.jobs.metrics import PAGES, SCHEDULED, SLOWED, Report, unreported
from sosw_airflow.jobs.pages import Page
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.pace import PagePace
from sosw_airflow.scheduling.page_text import MetaTable, PageText
from sosw_airflow.stores.aws_errors import Verdict, cancellation_codes, error_code, explain, judge, judge_reasons
from sosw_airflow.stores.backoff import pauses
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.overlapping import submit
from sosw_airflow.waiting.progress_log import ProgressLog

__all__ = ["PageWriter", "WriterStopped"]

#: Seconds after which a page that waits for its turn asks again, since the pace may have changed.
_ASK_AGAIN = 0.5

#: DynamoDB's reason for an item that exists.
_EXISTS = "ConditionalCheckFailed"


class WriterStopped(Exception):
    """The writing was stopped from outside; what is committed stays, and a later attempt continues from there."""


class _Pages:
    """Gives pages to several threads."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._rest = iter(pages)
        self._lock = threading.Lock()

    def take(self) -> Page | None:
        """The next page; None if all are taken."""
        with self._lock:
            return next(self._rest, None)


class PageWriter:
    """Writes pages of one job.

    :param dynamodb: a boto3 DynamoDB client, safe for threads, that does not retry by itself.
    :param tasks_table: the table of the rows.
    :param records: the table of the markers.
    :param now: the present, in seconds since 1970.
    :param stop: set from outside to stop between two requests.
    :param concurrency: pages in flight.
    :param patience: seconds without any progress after which the writer gives up.
    :param metrics: takes the pages and tasks that are committed here, and the requests that are throttled.
    """

    def __init__(
        self,
        dynamodb: Any,
        *,
        header: Header,
        codec: LineCodec,
        tasks_table: str,
        records: JobRecords,
        pace: PagePace,
        now: Callable[[], float],
        stop: threading.Event,
        meta: MetaTable | None = None,
        concurrency: int = 8,
        patience: float = 300.0,
        metrics: Report = unreported,
    ) -> None:
        self._dynamodb = dynamodb
        self._header = header
        self._text = PageText(header, codec, tasks_table, records, meta)
        self._tasks_table = tasks_table
        self._records = records
        self._pace = pace
        self._now = now
        self._stop = stop
        self._meta = meta
        self._concurrency = concurrency
        self._patience = patience
        self._metrics = metrics
        self._counting = threading.Lock()  # held while the progress is changed
        self._halt = threading.Event()  # set when any page has failed for good

    def write(self, pages: Iterable[Page], progress: ProgressLog) -> None:
        """Commit all these pages; return when all are committed.

        :raises WriterStopped: ``stop`` was set.
        :raises NoProgress: AWS took nothing for too long.
        :raises SoswError: a fault that sending again cannot fix. In every case pages in flight are finished first.
        """
        rest = _Pages(pages)
        writers: set[Future[None]] = set()
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="sosw-page") as pool:
            try:
                while len(writers) < self._concurrency and (page := rest.take()) is not None:
                    self._check_stop()
                    writers.add(submit(pool, self._commit_all, page, rest, progress))
                while writers:
                    done, writers = wait(writers, timeout=1.0, return_when=FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                    self._check_stop()
                    with self._counting:
                        progress.report(throttled=self._pace.throttled)
            except BaseException:
                self._halt.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _commit_all(self, page: Page | None, rest: _Pages, progress: ProgressLog) -> None:
        """Commit a page, then others until none is left: to get each from another thread would cost two wake-ups."""
        while page is not None:
            self._commit(page, progress)
            with self._counting:
                progress.add(len(page.lines), throttled=self._pace.throttled)
            page = rest.take()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise WriterStopped

    def _commit(self, page: Page, progress: ProgressLog) -> None:
        actions = self._text.actions(page, self._now())
        waits = pauses()
        while True:
            self._sleep(0.0)
            while wait_for := self._pace.claim(page):
                self._sleep(min(wait_for, _ASK_AGAIN))
            try:
                self._dynamodb.transact_write_items(TransactItems=actions)
            except (ClientError, BotoCoreError) as error:
                verdict = self._judge(error, page)
                if verdict is None:
                    return
                if verdict is Verdict.PERMANENT:
                    raise explain(
                        error,
                        action="dynamodb:TransactWriteItems",
                        resource=f"{self._tasks_table} or {self._records.table}",
                        setting="tasks_table",
                    ) from error
                if verdict is Verdict.THROTTLED:
                    self._pace.slow_down()
                    self._metrics(SLOWED, 1, self._header.labourer_id)
                self._give_up_after_patience(progress, error)
                self._sleep(next(waits))
            else:
                self._pace.written(page)
                self._metrics(PAGES, 1, self._header.labourer_id)
                self._metrics(SCHEDULED, len(page.lines), self._header.labourer_id)
                return

    def _judge(self, error: ClientError | BotoCoreError, page: Page) -> Verdict | None:
        """What to do after a failed transaction; None if the page is committed after all."""
        verdict = judge(error)
        if verdict is not Verdict.CANCELLED or not isinstance(error, ClientError):
            return verdict
        codes = cancellation_codes(error) or [""]
        rows = codes[1 :: 2 if self._meta else 1]
        if codes[0] == _EXISTS:
            return None  # by an earlier attempt, another copy, or a request whose answer was lost
        if _EXISTS in rows and self._records.has_marker(self._header.job_id, page.number):
            return None
        if _EXISTS not in rows or set(codes) != {"None", _EXISTS}:
            # What was not evaluated, because of a conflict or throttling, says nothing: the transaction whose answer
            # was lost may still be at its commit. The next attempt finds its marker.
            return judge_reasons(codes)
        index = page.first + rows.index(_EXISTS)
        fix = new_job(self._header.job_id, repairs=self._header.repairs)
        raise JobRecordDamaged(
            f"The task {task_id(self._header.job_id, index)} is in {self._tasks_table}, but its page has no marker in "
            f"{self._records.table}: one of the tables was changed or emptied. Nothing of this page was written. "
            f"Fix: restore {self._records.table} from a backup and retry. Or {fix}; workers then get the tasks "
            f"that are in the queue twice."
        )

    def _sleep(self, seconds: float) -> None:
        """Wait, unless the writing has stopped meanwhile.

        :raises WriterStopped: it has.
        """
        until = time.monotonic() + seconds
        while not (self._stop.is_set() or self._halt.is_set()):
            left = until - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(min(left, 0.25))
        raise WriterStopped

    def _give_up_after_patience(self, progress: ProgressLog, error: Exception) -> None:
        seconds = time.monotonic() - progress.moved_at
        if seconds > self._patience:
            raise NoProgress(
                job_id=self._header.job_id,
                done=progress.done,
                total=self._header.tasks,
                seconds=seconds,
                last=f"{error_code(error)}: {error}",
            )
