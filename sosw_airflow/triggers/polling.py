"""What the triggers of one triggerer share: a client and threads, so that a thousand of them cost little more than one.

boto3 blocks, so every look at a job happens in a thread. Imports and the making of a client happen there too: what they
parse at once holds the interpreter for some hundredths of a second, which the event loop bears once, and no more. So
there is one client for each Connection, and only when the Connection was edited (a triggerer lives for weeks) another.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

# Triggers are imported on the event loop. So this module imports nothing that takes long.
if TYPE_CHECKING:
    from sosw_airflow.stores.tables import TableNames
    from sosw_airflow.waiting.poller import JobPoller, JobResult

__all__ = ["AsyncJobPoller", "cancel"]

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Looks at the same time. Each is a few requests; more would only contend for the interpreter.
_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sosw-trigger")

#: Seconds after which a Connection is read anew.
_FRESH = 300.0


@dataclass(frozen=True)
class _Access:
    """A way to the tables of one installation. ``connections`` tells whether the Connections were edited since."""

    dynamodb: Any
    tables: TableNames
    connections: tuple[object, str]


_known: dict[str, tuple[float, asyncio.Future[_Access]]] = {}


class AsyncJobPoller:
    """Looks at one job, without blocking the event loop. Used by one trigger.

    :param deadline: seconds since 1970 after which it is not waited any longer, None for no limit.
    """

    def __init__(self, sosw_conn_id: str, job_id: str, deadline: float | None, *, must_exist: bool = False) -> None:
        self._conn_id = sosw_conn_id
        self._must_exist = must_exist
        self._job_id = job_id
        self._deadline = deadline
        self._poller: JobPoller | None = None

    @property
    def has_record(self) -> bool:
        """A poll has found the record of the job."""
        return self._poller is not None and self._poller.reader.header is not None

    async def poll(self) -> JobResult | None:
        """Look once. None: it is not over, so wait and look again.

        :raises SoswError: the Connection is faulty, or AWS refuses.
        """
        access = await _access_of(self._conn_id)
        return await _in_thread(lambda: self._poll(access))

    def _poll(self, access: _Access) -> JobResult | None:
        from sosw_airflow.waiting.poller import JobPoller
        from sosw_airflow.waiting.progress import ProgressReader

        if self._poller is None:
            reader = ProgressReader(access.dynamodb, access.tables, self._job_id, self._must_exist)
            self._poller = JobPoller(reader, self._deadline)
        self._poller.reader.dynamodb, self._poller.reader.tables = access.dynamodb, access.tables
        return self._poller.poll()


async def cancel(sosw_conn_id: str, job_id: str) -> None:
    """Cancel a job, without blocking the event loop. It goes on when the caller is cancelled.

    Airflow 3.3 cancels a trigger again each second until it has ended, so also in the middle of its `on_kill`.

    :raises SoswError: the Connection is faulty, or AWS refuses.
    """
    work = asyncio.ensure_future(_cancel(sosw_conn_id, job_id))
    _cancelling.add(work)
    work.add_done_callback(_cancelling.discard)
    await asyncio.shield(work)


#: The event loop itself keeps no hold of its tasks.
_cancelling: set[asyncio.Future[None]] = set()


async def _cancel(sosw_conn_id: str, job_id: str) -> None:
    try:
        deployment = await _with_connections(lambda: _hook(sosw_conn_id).deployment())

        def work() -> None:
            from sosw_airflow.scheduling.cancel import cancel_job

            cancel_job(deployment, job_id)

        await _in_thread(work)
    except Exception as error:
        # Said here: there may be nobody left who hears of it otherwise.
        log.warning("The job %s could not be cancelled, its tasks are in the queue still: %s", job_id, error)
        raise


async def _in_thread(call: Callable[[], _T]) -> _T:
    """Run this in one of our threads; what it logs belongs to the trigger that asked."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: context.run(call))


async def _with_connections(call: Callable[[], Any]) -> Any:
    """Run this in a thread that may ask for Connections.

    In a triggerer of Airflow 3 one is asked for over the event loop's own channel to the supervisor; asgiref leads such
    a call from its thread back to this loop.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(call)()


async def _access_of(sosw_conn_id: str) -> _Access:
    """The way to the tables that a Connection describes.

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
    # One trigger that is cancelled must not take the client from the others.
    return await asyncio.shield(future)


def _result(future: asyncio.Future[_Access] | None) -> _Access | None:
    if future is None or not future.done() or future.cancelled() or future.exception() is not None:
        return None
    return future.result()


def _access(sosw_conn_id: str, former: _Access | None) -> _Access:
    hook = _hook(sosw_conn_id)
    try:
        connections = (hook.settings, _digest(hook.settings.aws_conn_id))
    except Exception as error:
        if former is None:
            raise
        # A secrets backend that is away for a moment must not bring hundreds of Airflow tasks back.
        log.warning("Going on with what was known of the Connection %s, which cannot be read: %s", sosw_conn_id, error)
        return former
    if former is not None and former.connections == connections:
        return former
    return _Access(hook.get_conn(), hook.settings.table_names(), connections)


def _digest(aws_conn_id: str | None) -> str:
    """What changes when this Connection is edited; it is no secret itself."""
    import hashlib

    from sosw_airflow._compat import find_connection

    connection = find_connection(aws_conn_id) if aws_conn_id else None
    return hashlib.sha256(connection.get_uri().encode()).hexdigest() if connection is not None else ""


def _hook(sosw_conn_id: str) -> Any:
    from sosw_airflow.hooks.sosw import SoswHook

    return SoswHook(sosw_conn_id)
