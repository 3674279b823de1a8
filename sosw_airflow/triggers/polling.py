"""The clients and threads that all triggers of a triggerer share: a thousand triggers cost little more than one.

boto3 blocks, so every poll runs in a thread. Imports and the creation of a client run there too: what they parse holds
the interpreter for some hundredths of a second, and the event loop bears that only once. So each Connection has one
client, which is replaced only when the Connection was edited (a triggerer lives for weeks).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sosw_airflow.triggers.attempt import Verdict
from sosw_airflow.triggers.collections import without_collections

# Triggers are imported on the event loop. So this module imports nothing that takes long.
if TYPE_CHECKING:
    from sosw_airflow.jobs.cost import Usage
    from sosw_airflow.orchestration.background import Seat
    from sosw_airflow.stores.request_meter import Tally
    from sosw_airflow.stores.tables import TableNames
    from sosw_airflow.triggers.attempt import Attempt
    from sosw_airflow.waiting.poller import JobPoller, JobResult
    from sosw_airflow.waiting.shared_closings import SharedReadings
    from sosw_airflow.waiting.tolerance import Tolerance

__all__ = ["AsyncJobPoller", "Orchestration", "cancel_if_killed"]

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Polls at the same time. Each is a few requests; more would only contend for the interpreter.
_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sosw-trigger")

#: Part of a poll interval for which what another job has read is new enough. Intervals are never quite the same.
_NEW_ENOUGH = 0.9

#: Seconds after which a Connection is read again.
_FRESH = 300.0

#: Seconds for which Airflow is asked whether a deferral was killed, and the pauses between two questions.
_PATIENCE = 900.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0


@dataclass(frozen=True)
class _Access:
    """A client, the names of the tables, and what jobs read together. ``connections`` differs once one was edited."""

    dynamodb: Any
    tables: TableNames
    connections: tuple[object, str]
    readings: SharedReadings


_known: dict[str, tuple[float, asyncio.Future[_Access]]] = {}


class AsyncJobPoller:
    """Polls one job without blocking the event loop. Used by one trigger.

    Jobs of one Connection and labourer share the reading of its closings: the first that polls reads for all of them.

    :param deadline: seconds since 1970 after which the waiting ends, None for no limit.
    :param tolerance: ends the waiting as soon as it is exceeded.
    :param poll_interval: seconds between two polls.
    :param on_news: called in another thread when a poll of another job shows that the next poll ends the waiting.
    """

    def __init__(
        self,
        sosw_conn_id: str,
        job_id: str,
        deadline: float | None,
        *,
        must_exist: bool = False,
        tolerance: Tolerance | None = None,
        poll_interval: float = 0.0,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        self._tolerance = tolerance
        self._poll_interval = poll_interval
        self._on_news = on_news
        self._conn_id = sosw_conn_id
        self._must_exist = must_exist
        self._job_id = job_id
        self._deadline = deadline
        self._poller: JobPoller | None = None
        self._tally: Tally | None = None

    @property
    def usage(self) -> Usage | None:
        """What the polls have used, as AWS counts it; None before the first one. Who reads for others is charged."""
        return self._tally.usage if self._tally is not None else None

    @property
    def has_record(self) -> bool:
        """A poll has found the record of the job."""
        return self._poller is not None and self._poller.reader.header is not None

    @property
    def has_polled(self) -> bool:
        """A poll has succeeded."""
        return self._poller is not None and self._poller.has_polled

    async def poll(self, news_at: float = float("-inf")) -> JobResult | None:
        """Poll once. None: it is not over, so wait and poll again.

        :param news_at: by `time.monotonic`; what others began to read before that is not new enough.
        :raises SoswError: the Connection is faulty, or AWS refuses.
        """
        access = await _access_of(self._conn_id)
        return await _in_thread(lambda: self._poll(access, news_at))

    def _poll(self, access: _Access, news_at: float) -> JobResult | None:
        from sosw_airflow.jobs.identity import parse_job_id
        from sosw_airflow.stores.request_meter import Tally, tallied
        from sosw_airflow.waiting.poller import JobPoller
        from sosw_airflow.waiting.progress import ProgressReader

        self._tally = self._tally or Tally()
        if self._poller is None:
            parse_job_id(self._job_id)
            reader = ProgressReader(access.dynamodb, access.tables, self._job_id, self._must_exist)
            reader.on_shared = self._after_shared
            self._poller = JobPoller(reader, self._deadline, self._tolerance)
        reader = self._poller.reader
        reader.dynamodb, reader.tables, reader.sharing = access.dynamodb, access.tables, access.readings
        reader.max_age, reader.news_at = _NEW_ENOUGH * self._poll_interval, news_at
        with tallied(self._tally):
            return self._poller.poll()

    def _after_shared(self) -> None:
        if self._poller is not None and self._poller.would_end():
            self._on_news()

    def end(self) -> None:
        """Take no part in what others read any more."""
        if self._poller is not None:
            self._poller.reader.leave()


class Orchestration:
    """Orchestrates a labourer beside the polls of one trigger. All triggers of a process share its threads.

    :param labourer_id: None: nothing is orchestrated, and a sleep is only a sleep.
    :param failures: a turn that closes a task as failed ends a sleep.
    :param task_instance: that waits; its DAG is a tag of the metrics.

    :ivar news_at: when a turn had news for the last time, by `time.monotonic`.
    """

    def __init__(
        self, sosw_conn_id: str, labourer_id: str | None, *, failures: bool = False, task_instance: Any = None
    ) -> None:
        self._failures = failures
        self._conn_id = sosw_conn_id
        self._task_instance = task_instance
        self._labourer_id = labourer_id
        self.news_at = float("-inf")
        self._woken = asyncio.Event()
        self._seat: Seat | None = None
        self._ended = False

    @property
    def usage(self) -> Usage | None:
        """What the orchestrator has used meanwhile, which others may share; None if nothing is orchestrated."""
        return self._seat.usage if self._seat is not None else None

    async def begin(self) -> None:
        """Begin, unless it has begun.

        :raises SoswError: the labourer or the Connection is faulty.
        """
        if self._labourer_id is not None and self._seat is None:
            wake = self.waker()

            def on_news() -> None:
                self.news_at = time.monotonic()
                wake()

            await _with_connections(lambda: self._take_seat(on_news))

    def waker(self) -> Callable[[], None]:
        """What ends a sleep, to be called in any thread."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the triggerer has closed its loop
                loop.call_soon_threadsafe(self._woken.set)

        return wake

    def _take_seat(self, on_news: Callable[[], None]) -> None:
        from sosw_airflow.hooks.orchestration import seat_beside
        from sosw_airflow.run_context import dag_id_of

        hook, labourer_id, dag_id = _hook(self._conn_id), str(self._labourer_id), dag_id_of(self._task_instance)
        self._seat = seat_beside(hook, labourer_id, on_news=on_news, failures=self._failures, dag_id=dag_id)
        if self._ended:  # the trigger was cancelled meanwhile, this thread was not
            self._seat.leave()

    async def sleep(self, seconds: float) -> None:
        """Sleep, until there is news at most.

        A turn has some if the labourer's queue is empty, or a task has failed; another job's poll if it ends this wait.
        News since the last sleep counts: the poll in between may have come too early for it.

        :raises BaseException: whatever has ended the orchestration.
        """
        if self._seat is not None:
            self._seat.background.check()
        news = asyncio.ensure_future(self._woken.wait())
        try:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the news.
            await asyncio.wait([news], timeout=seconds)
        finally:
            news.cancel()
        self._woken.clear()

    def end(self) -> None:
        """Leave the labourer to others. Turns under way end by themselves."""
        self._ended = True
        if self._seat is not None:
            self._seat.leave()


async def cancel_if_killed(sosw_conn_id: str, job_id: str, attempt: Attempt) -> None:
    """Cancel a job if Airflow confirms that a person or a time-out ended the deferral.

    It continues when the caller is cancelled: Airflow 3.3 cancels a trigger again each second until it has ended, also
    in the middle of its `on_kill`.

    :raises SoswError: the Connection is faulty, or AWS refuses.
    """
    work = asyncio.ensure_future(_cancel_if_killed(sosw_conn_id, job_id, attempt))
    _cancellations.add(work)
    work.add_done_callback(_cancellations.discard)
    await asyncio.shield(work)


#: The event loop itself keeps only weak references to its tasks.
_cancellations: set[asyncio.Future[None]] = set()


async def _cancel_if_killed(sosw_conn_id: str, job_id: str, attempt: Attempt) -> None:
    if not await _is_killed(attempt):
        log.warning(
            "The job %s is not cancelled, although cancel_on_kill is set: no person and no time-out has ended this "
            "deferral. Its tasks stay in the queue.",
            job_id,
        )
        return
    try:
        deployment = await _with_connections(lambda: _hook(sosw_conn_id).deployment())

        def work() -> None:
            from sosw_airflow.scheduling.cancel import cancel_job

            cancel_job(deployment, job_id)

        await _in_thread(work)
    except Exception as error:
        # Logged here: Airflow may not wait for the end of this.
        log.warning("The job %s could not be cancelled, its tasks are still in the queue: %s", job_id, error)
        raise


async def _is_killed(attempt: Attempt) -> bool:
    """Ask until Airflow's answer decides. A cleared Airflow task shows its new generation only when it runs again."""
    pause, end = _FIRST_PAUSE, time.monotonic() + _PATIENCE
    while True:
        verdict = await _with_connections(attempt.verdict)
        if verdict is not Verdict.UNDECIDED or time.monotonic() > end:
            return verdict is Verdict.KILLED
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _in_thread(call: Callable[[], _T]) -> _T:
    """Run this in one of our threads; what it logs belongs to the trigger that asked."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: context.run(call))


async def _with_connections(call: Callable[[], Any]) -> Any:
    """Run this in a thread that may ask Airflow.

    A triggerer of Airflow 3 asks over the event loop's own channel to the supervisor; asgiref leads such a call from
    its thread back to this loop.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(call)()


async def _access_of(sosw_conn_id: str) -> _Access:
    """The access to the tables that a Connection describes.

    :raises SoswError: the Connection is faulty.
    """
    made, future = _known.get(sosw_conn_id, (0.0, None))
    now = time.monotonic()
    former = _result(future)
    if (
        future is None
        or (future.done() and (former is None or now - made > _FRESH))
        or future.get_loop() is not asyncio.get_running_loop()
    ):
        future = asyncio.ensure_future(_with_connections(lambda: _access(sosw_conn_id, former)))
        _known[sosw_conn_id] = (now, future)
    # A trigger that is cancelled must not take the client from the others.
    return await asyncio.shield(future)


def _result(future: asyncio.Future[_Access] | None) -> _Access | None:
    if future is None or not future.done() or future.cancelled() or future.exception() is not None:
        return None
    return future.result()


def _access(sosw_conn_id: str, former: _Access | None) -> _Access:
    with without_collections():
        return _new_access(sosw_conn_id, former)


def _new_access(sosw_conn_id: str, former: _Access | None) -> _Access:
    hook = _hook(sosw_conn_id)
    try:
        connections = (hook.settings, _digest(hook.settings.aws_conn_id))
    except Exception as error:
        if former is None:
            raise
        # A secrets backend that is away for a moment must not bring hundreds of Airflow tasks back.
        log.warning("The Connection %s cannot be read; its former state is used. %s", sosw_conn_id, error)
        return former
    if former is not None and former.connections == connections:
        return former
    # The modules of the first poll are imported here, with boto3.
    from sosw_airflow.waiting import poller, progress  # noqa: F401
    from sosw_airflow.waiting.shared_closings import SharedReadings

    dynamodb, tables = hook.get_conn(), hook.settings.table_names()
    return _Access(dynamodb, tables, connections, SharedReadings(dynamodb, tables))


def _digest(aws_conn_id: str | None) -> str:
    """A digest that changes when this Connection is edited; it is no secret itself."""
    import hashlib

    from sosw_airflow._compat import find_connection

    connection = find_connection(aws_conn_id) if aws_conn_id else None
    return hashlib.sha256(connection.get_uri().encode()).hexdigest() if connection is not None else ""


def _hook(sosw_conn_id: str) -> Any:
    from sosw_airflow.hooks.sosw import SoswHook

    return SoswHook(sosw_conn_id)
