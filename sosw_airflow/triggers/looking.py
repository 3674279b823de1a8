"""What the triggers of one triggerer share: clients and threads, so that a thousand of them cost little more than one.

boto3 blocks, so every look at a job happens in a thread. The Connection is read again every few minutes: a triggerer
lives for weeks, and Connections are edited meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sosw_airflow.stores.scheduling import Deployment

__all__ = ["deployment_of", "in_thread"]

_T = TypeVar("_T")

#: Looks at the same time. Each is a few requests; more would only contend for the interpreter.
_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sosw-trigger")

#: Seconds after which a Connection is read anew.
_FRESH = 300.0

_known: dict[str, tuple[float, asyncio.Future[Deployment]]] = {}


async def in_thread(call: Callable[[], _T]) -> _T:
    """Run this without blocking the event loop; what it logs belongs to the trigger that asked."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: context.run(call))


async def deployment_of(sosw_conn_id: str) -> Deployment:
    """The installation that a Connection describes, with its clients, which are safe for threads.

    :raises SoswError: the Connection is faulty.
    """
    made, future = _known.get(sosw_conn_id, (0.0, None))
    now = time.monotonic()
    if (
        future is None
        or now - made > _FRESH
        or (future.done() and (future.cancelled() or future.exception() is not None))
        or future.get_loop() is not asyncio.get_running_loop()
    ):
        future = asyncio.ensure_future(_make(sosw_conn_id))
        _known[sosw_conn_id] = (now, future)
    # One trigger that is cancelled must not take the clients from the others.
    return await asyncio.shield(future)


async def _make(sosw_conn_id: str) -> Deployment:
    # In a triggerer of Airflow 3 a Connection is asked for over the event loop's own channel to the supervisor; asgiref
    # leads such a call from the thread back to this loop.
    from asgiref.sync import sync_to_async

    deployment: Deployment = await sync_to_async(_deployment)(sosw_conn_id)
    return deployment


def _deployment(sosw_conn_id: str) -> Any:
    from sosw_airflow.hooks.sosw import SoswHook

    return SoswHook(sosw_conn_id).deployment()
