"""Executing an operator without a running Airflow: the context of a scheduled daily run."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

__all__ = ["run_operator"]


def run_operator(operator: Any, day: date | datetime, *, try_number: int, max_tries: int) -> Any:
    """Render the operator's templates and execute it, in the run whose data interval ends on this day."""
    context = _context(operator, day, try_number, max_tries)
    # The operator itself is left as it is, so that it can be run again, for another day.
    prepared = operator.prepare_for_execution()
    prepared.render_template_fields(context)
    return prepared.execute(context)


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
