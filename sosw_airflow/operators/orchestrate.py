"""The operator that processes the queues of labourers: Airflow in the place of sosw's Orchestrator and Scavenger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseOperator, default_deferrable

# Airflow imports this module whenever it parses a DAG file: whatever only `execute` needs is imported there.
if TYPE_CHECKING:
    import threading

    from typing_extensions import Unpack

    from sosw_airflow._compat import Context
    from sosw_airflow.operators.arguments import AirflowArguments
    from sosw_airflow.orchestration.orchestrator import Orchestrator

__all__ = ["SoswOrchestrateOperator"]


class SoswOrchestrateOperator(BaseOperator):
    """Invoke the tasks of labourers, close what is completed, retry what failed or expired.

    For rows that no Airflow task waits for, and for many labourers. Put it into a DAG of its own, with
    ``schedule="@continuous"`` and ``max_active_runs=1``. Several of them, and sosw's own Orchestrator, exclude each
    other row by row.

    :param labourers: ids of the labourers, or None for all of the Variable ``sosw_labourers``. (templated)
    :param until: ``"idle"`` ends when no labourer has a task any more; ``"forever"`` when Airflow stops it; a number of
        seconds or a timedelta after that time.
    :param deferrable: work in the triggerer, which takes no worker slot. The default is ``[operators]
        default_deferrable``.
    :param poll_interval: seconds between two polls of a labourer without tasks.
    :param concurrency: claims and invocations at the same time.
    :param sosw_conn_id: the Connection of type ``sosw``. (templated)

    :raises LabourersPaused: with ``until="idle"``, tasks are left, and the labourers that have them pause because of a
        fault that does not pass by itself.

    Returns (as XCom) for each labourer what it has ``invoked``, ``completed``, ``failed`` and ``retried``.
    """

    template_fields: Sequence[str] = ("labourers", "sosw_conn_id")
    ui_color = "#dfe8f6"

    def __init__(
        self,
        *,
        labourers: Sequence[str] | str | None = None,
        until: str | float | timedelta = "idle",
        deferrable: bool = default_deferrable(),
        poll_interval: float = 60,
        concurrency: int = 16,
        sosw_conn_id: str = "sosw_default",
        **kwargs: Unpack[AirflowArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.labourers = labourers
        self.until = until
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.concurrency = concurrency
        self.sosw_conn_id = sosw_conn_id
        self._stop: threading.Event | None = None

    def execute(self, context: Context) -> dict[str, dict[str, int]]:  # noqa: ARG002 - Airflow's signature
        """Process the queues, here or in the triggerer.

        :raises SoswError: says what is wrong with an argument, a labourer or the Connection.
        """
        import time

        from sosw_airflow.operators.without_retry import fail_without_retry

        with fail_without_retry():
            seconds = self._seconds()
            orchestrator = self._orchestrator()  # before a deferral too: a mistake is raised here
            deadline = None if seconds is None else time.time() + seconds
            if self.deferrable:
                self._defer(deadline)
            return self._process(orchestrator, deadline)

    def execute_complete(
        self,
        context: Context,  # noqa: ARG002 - Airflow's signature
        event: dict[str, Any] | None = None,
        deadline: float | None = None,
    ) -> dict[str, dict[str, int]]:
        """Continue after the deferral. The arguments are a contract: deferrals in flight survive an upgrade."""
        from sosw_airflow.exceptions import LabourersPaused
        from sosw_airflow.operators.without_retry import fail_without_retry
        from sosw_airflow.triggers.stored import mapping_of, moment_of, text_of

        parts = mapping_of(event)
        totals, reasons = parts.get("totals"), mapping_of(parts.get("reasons"))
        if parts.get("status") == "done" and isinstance(totals, dict) and _are_dicts(totals.values()):
            return totals
        with fail_without_retry():
            if parts.get("status") == "paused" and reasons:
                raise LabourersPaused({text_of(name, ""): text_of(why, "") for name, why in reasons.items()})
            reason = text_of(parts.get("reason", "it was lost"), "it was damaged")
            self.log.warning("The triggerer cannot process the queues, so this worker does. The reason: %s", reason)
            return self._process(self._orchestrator(), moment_of(deadline))

    def _orchestrator(self) -> Orchestrator:
        from sosw_airflow.hooks.orchestration import labourer_ids_of, orchestrator_of
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.orchestration.background import log_turn

        return orchestrator_of(
            SoswHook(self.sosw_conn_id),
            labourer_ids_of(self.labourers),
            concurrency=self.concurrency,
            poll_interval=self.poll_interval,
            on_turn=log_turn,
            dag_id=self.dag_id,
        )

    def _process(self, orchestrator: Orchestrator, deadline: float | None) -> dict[str, dict[str, int]]:
        import time

        from sosw_airflow.exceptions import LabourersPaused

        self._stop = orchestrator.stop
        left = None if deadline is None else time.monotonic() + deadline - time.time()
        orchestrator.run(until_idle=self.until == "idle", deadline=left)
        if orchestrator.blocked:
            raise LabourersPaused(orchestrator.blocked)
        return orchestrator.totals

    def on_kill(self) -> None:
        """End after the turns under way, and give the labourers to the next orchestrator."""
        if self._stop is not None:
            self._stop.set()

    def _seconds(self) -> float | None:
        """The duration, None without one.

        :raises InvalidConfiguration: names each faulty argument.
        """
        from sosw_airflow.exceptions import Fault, InvalidConfiguration
        from sosw_airflow.jobs.excerpts import excerpt
        from sosw_airflow.operators.waiting import LONGEST

        faults = []
        until = self.until.total_seconds() if isinstance(self.until, timedelta) else self.until
        named = until in ("idle", "forever")
        seconds = until if isinstance(until, (int, float)) and not isinstance(until, bool) else 0
        if not named and not 0 < seconds <= LONGEST:
            problem = f"must be 'idle', 'forever', seconds or a timedelta, not {excerpt(self.until)}"
            faults.append(Fault("until", problem))
        numbers: tuple[tuple[str, Any], ...] = (
            ("poll_interval", self.poll_interval),
            ("concurrency", self.concurrency),
        )
        for name, value in numbers:
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LONGEST:
                faults.append(Fault(name, f"must be a number above 0, not {excerpt(value)}"))
        if faults:
            raise InvalidConfiguration(faults)
        return None if named else float(seconds)

    def _defer(self, deadline: float | None) -> None:
        from sosw_airflow.hooks.orchestration import labourer_ids_of
        from sosw_airflow.triggers.orchestrate import SoswOrchestrateTrigger

        trigger = SoswOrchestrateTrigger(
            sosw_conn_id=self.sosw_conn_id,
            labourers=labourer_ids_of(self.labourers),
            until_idle=self.until == "idle",
            deadline=deadline,
            poll_interval=float(self.poll_interval),
            concurrency=self.concurrency,
        )
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"deadline": deadline})


def _are_dicts(values: Iterable[object]) -> bool:
    return all(isinstance(each, dict) for each in values)
