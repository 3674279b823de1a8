"""Executing an operator without a running Airflow: the context of a scheduled daily run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

__all__ = ["Deferred", "run_operator"]

#: Seconds after which a deferred operator's job is taken for not being over.
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
        """Let the trigger look now, and the operator go on with what it found; gives what the operator returns.

        :raises AssertionError: the job is not over: finish or fail its tasks first.
        """
        event = asyncio.run(self._event())
        return getattr(self.operator, self.method_name)(self.context, event=event.payload, **self.arguments)

    async def _event(self) -> Any:
        self.trigger.poll_interval = 0.01  # nobody waits in a test
        events = self.trigger.run()
        try:
            return await asyncio.wait_for(events.__anext__(), _PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError("the job is not over: finish or fail its tasks before you resume") from None
        finally:
            await events.aclose()


def run_operator(operator: Any, day: date | datetime, *, try_number: int, max_tries: int) -> Any:
    """Render the operator's templates and execute it, in the run whose data interval ends on this day.

    Where it waits, it is deferred, and `Deferred` is given.
    """
    context = _context(operator, day, try_number, max_tries)
    # The operator itself is left as it is, so that it can be run again, for another day.
    prepared = operator.prepare_for_execution()
    prepared.render_template_fields(context)
    if getattr(prepared, "wait_for_completion", False):
        prepared.deferrable = True  # or it would sleep here, in the test, while nobody works
    try:
        return prepared.execute(context)
    except BaseException as raised:
        if not hasattr(raised, "method_name"):  # Airflow's TaskDeferred, which has no place that all versions share
            raise
        deferral: Any = raised
        return Deferred(prepared, context, deferral.trigger, deferral.method_name, dict(deferral.kwargs or {}))


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
