"""The trigger that processes the queues of labourers in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from sosw_airflow.orchestration.orchestrator import Orchestrator
    from sosw_airflow.orchestration.turn import TurnReport

__all__ = ["SoswOrchestrateTrigger", "log_turn"]

log = logging.getLogger(__name__)

#: Seconds that a trigger which is cancelled gives to the turns under way.
_LAST_TURNS = 20.0


class SoswOrchestrateTrigger(BaseTrigger):
    """Runs an orchestrator in a thread of its own, so that no call blocks the event loop.

    The event has ``status``: ``done`` with ``totals``, or ``refused`` with ``reason``; the worker then does the work.
    The path of this class and the names of its arguments stay, since triggers are kept serialized.

    :param deadline: seconds since 1970, None for no limit.
    """

    def __init__(
        self,
        *,
        sosw_conn_id: str,
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
        self.sosw_conn_id = sosw_conn_id
        self.labourers = labourers
        self.until_idle = until_idle
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.concurrency = concurrency

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
        yield _event({"status": "done", "totals": orchestrator.totals})

    def _orchestrator(self) -> Orchestrator:
        from sosw_airflow.hooks.orchestration import orchestrator_of
        from sosw_airflow.hooks.sosw import SoswHook

        return orchestrator_of(
            SoswHook(self.sosw_conn_id),
            self.labourers,
            concurrency=self.concurrency,
            poll_interval=self.poll_interval,
            on_turn=log_turn,
        )

    async def _process(self, orchestrator: Orchestrator) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        failures: list[BaseException] = []
        context = contextvars.copy_context()  # what the thread logs belongs to this trigger

        def work() -> None:
            deadline = None if self.deadline is None else time.monotonic() + self.deadline - time.time()
            try:
                context.run(orchestrator.run, until_idle=self.until_idle, deadline=deadline)
            except BaseException as failure:  # noqa: BLE001 - raised below, in the trigger
                failures.append(failure)
            finally:
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=work, name=f"sosw-orchestrate-{self.sosw_conn_id}", daemon=True).start()
        try:
            await ended.wait()
        except asyncio.CancelledError:
            # The lease is released, so that the next orchestrator need not wait for its end.
            orchestrator.stop.set()
            await asyncio.shield(asyncio.wait_for(ended.wait(), _LAST_TURNS))
            raise
        if failures:
            raise failures[0]


def log_turn(report: TurnReport) -> None:
    """One line for a turn that did something."""
    if report.moved or report.refused:
        log.info(
            "%s: %s invoked, %s completed, %s retried, %s failed, %s refused; %s of %s running.",
            report.labourer_id,
            report.invoked,
            report.completed,
            report.retried,
            report.failed,
            report.refused,
            report.running,
            report.limit,
        )


def _event(payload: dict[str, Any]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
