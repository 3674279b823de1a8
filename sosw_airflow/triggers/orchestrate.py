"""The trigger that processes the queues of labourers in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseTrigger, TriggerEvent
from sosw_airflow.triggers.stored import count_of, moment_of, seconds_of, text_of

if TYPE_CHECKING:
    from sosw_airflow.orchestration.orchestrator import Orchestrator

__all__ = ["SoswOrchestrateTrigger"]

log = logging.getLogger(__name__)

#: Seconds that a trigger which is cancelled gives to the turns under way.
_LAST_TURNS = 20.0


class SoswOrchestrateTrigger(BaseTrigger):
    """Runs an orchestrator in a thread of its own, so that no call blocks the event loop.

    The event has ``status``: ``done`` with ``totals``; ``paused`` with the ``reasons`` why labourers still have tasks;
    or ``refused`` with ``reason``: the worker then does the work.
    The path of this class and the names of its arguments stay, since triggers are kept serialized.

    :param deadline: seconds since 1970, None for no limit.
    """

    def __init__(
        self,
        *,
        sosw_conn_id: str = "sosw_default",
        labourers: Sequence[str] | None = None,
        until_idle: bool = True,
        deadline: float | None = None,
        poll_interval: float = 60.0,
        concurrency: int = 16,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if unknown:
            log.warning("Arguments of another version are ignored: %s.", ", ".join(sorted(unknown)))
        self.sosw_conn_id = text_of(sosw_conn_id, "sosw_default")
        self.labourers = labourers
        self.until_idle = until_idle is not False
        self.deadline = moment_of(deadline)
        self.poll_interval = seconds_of(poll_interval, 60.0)
        self.concurrency = max(1, count_of(concurrency, 16))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class's path and its arguments."""
        names = ("sosw_conn_id", "labourers", "until_idle", "deadline", "poll_interval", "concurrency")
        return "sosw_airflow.triggers.orchestrate.SoswOrchestrateTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[Any]:
        """Process the queues until they are empty, until the deadline, or until Airflow cancels the trigger."""
        from asgiref.sync import sync_to_async

        try:
            # In a thread that may ask for Connections; in Airflow 3 they come over the event loop's own channel.
            orchestrator = await sync_to_async(self._orchestrator)()
            await self._process(orchestrator)
        except Exception as error:  # noqa: BLE001
            log.warning("The labourers cannot be orchestrated any more: %s", error)
            yield _event({"status": "refused", "reason": str(error)})
            return
        if orchestrator.blocked:
            yield _event({"status": "paused", "reasons": orchestrator.blocked})
        else:
            yield _event({"status": "done", "totals": orchestrator.totals})

    def _orchestrator(self) -> Orchestrator:
        from sosw_airflow.hooks.orchestration import orchestrator_of
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.orchestration.background import log_turn
        from sosw_airflow.run_context import dag_id_of

        return orchestrator_of(
            SoswHook(self.sosw_conn_id),
            self.labourers,
            concurrency=self.concurrency,
            poll_interval=self.poll_interval,
            on_turn=log_turn,
            dag_id=dag_id_of(getattr(self, "task_instance", None)),
        )

    async def _process(self, orchestrator: Orchestrator) -> None:
        from sosw_airflow.orchestration.background import Background

        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def on_end() -> None:
            loop.call_soon_threadsafe(ended.set)

        background = Background(orchestrator, on_end=on_end)
        left = None if self.deadline is None else time.monotonic() + self.deadline - time.time()
        background.start(until_idle=self.until_idle, deadline=left)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            # The lease is released, so that the next orchestrator need not wait for its end.
            background.stop()
            await asyncio.shield(asyncio.wait_for(ended.wait(), _LAST_TURNS))
            raise
        background.check()


def _event(payload: dict[str, Any]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
