"""Executes an operator without a running Airflow, in the context of a scheduled daily run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from sosw_airflow._compat import execution_proof

__all__ = ["Deferred", "run_operator"]

#: Seconds after which the job of a deferred operator counts as not over.
_PATIENCE = 5.0


@dataclass(frozen=True)
class Deferred:
    """An operator that waits in the triggerer.

    :ivar trigger: what it waits with.
    """

    operator: Any
    context: dict[str, Any]
    trigger: Any
    method_name: str
    arguments: dict[str, Any]

    def resume(self) -> Any:
        """Let the trigger poll now, then resume the operator as Airflow does; returns what the operator returns.

        An operator that defers again gives another `Deferred`.

        :raises AssertionError: the job is not over: finish or fail its tasks first.
        """
        event = asyncio.run(self._event())
        arguments = {**self.arguments, "event": event.payload}
        return _returned_or_deferred(
            self.operator,
            self.context,
            lambda: self.operator.resume_execution(self.method_name, arguments, self.context),
        )

    async def _event(self) -> Any:
        self.trigger.poll_interval = 0.01  # a test does not wait
        events = self.trigger.run()
        try:
            return await asyncio.wait_for(events.__anext__(), _PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError("the job is not over: finish or fail its tasks before you resume") from None
        finally:
            await events.aclose()


def run_operator(operator: Any, day: date | datetime, *, try_number: int, max_tries: int) -> Any:
    """Render the operator's templates and execute it, in the run whose data interval ends on this day.

    An operator or sensor that waits is deferred, and `Deferred` is returned.
    """
    context = _context(operator, day, try_number, max_tries)
    # The operator itself stays as it is, so that it can run again, for another day.
    prepared = operator.prepare_for_execution()
    prepared.render_template_fields(context)
    if hasattr(prepared, "deferrable"):
        prepared.deferrable = True  # else it would sleep in the test
    if getattr(prepared, "mode", "poke") != "poke":
        prepared.mode = "poke"  # in the mode reschedule it would ask the metadata database
    return _returned_or_deferred(prepared, context, lambda: prepared.execute(context, **execution_proof(prepared)))


def _returned_or_deferred(operator: Any, context: dict[str, Any], call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as raised:
        if not hasattr(raised, "method_name"):  # Airflow's TaskDeferred, whose module differs between the versions
            raise
        deferral: Any = raised
        return Deferred(operator, context, deferral.trigger, deferral.method_name, dict(deferral.kwargs or {}))


def _context(operator: Any, day: date | datetime, try_number: int, max_tries: int) -> dict[str, Any]:
    dag = operator.get_dag() or SimpleNamespace(dag_id="test", timezone=timezone.utc, params={})
    end = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day, tzinfo=dag.timezone)
    start = end - timedelta(days=1)
    run_id = f"scheduled__{start.isoformat()}"
    instance = SimpleNamespace(
        dag_id=dag.dag_id,
        task_id=operator.task_id,
        run_id=run_id,
        map_index=-1,
        try_number=try_number,
        max_tries=max_tries,
        xcom_push=lambda *_, **__: None,
    )
    return {
        "dag": dag,
        "task": operator,
        "ti": instance,
        "task_instance": instance,
        "run_id": run_id,
        "params": {name: getattr(each, "value", each) for name, each in {**dag.params, **operator.params}.items()},
        "dag_run": SimpleNamespace(
            dag_id=dag.dag_id,
            run_id=run_id,
            run_type="scheduled",
            logical_date=start,
            data_interval_start=start,
            data_interval_end=end,
            run_after=end,
            conf={},
        ),
        "logical_date": start,
        "data_interval_start": start,
        "data_interval_end": end,
        "ds": start.strftime("%Y-%m-%d"),
        "ds_nodash": start.strftime("%Y%m%d"),
        "ts": start.isoformat(),
    }
