"""Reports the provider's metrics through Airflow's own `Stats`: to StatsD, OpenTelemetry or Datadog, as configured."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sosw_airflow._compat.metrics import stats_backend
from sosw_airflow.jobs.metrics import Kind, Metric, Report, unreported

__all__ = ["AirflowMetrics", "reporter"]

log = logging.getLogger(__name__)


@dataclass
class AirflowMetrics:
    """Reports metrics with the tags ``labourer`` and ``dag_id``. A fault is logged once, and stops no work.

    :ivar stats: Airflow's `Stats`.
    :ivar dag_id: of the Airflow task that does the work; empty if none does.
    """

    stats: Any
    dag_id: str
    _faulty: bool = field(default=False, init=False)

    def __call__(self, metric: Metric, value: float, labourer_id: str) -> None:
        """Report a value. Latencies are in seconds here; `Stats` makes the unit of its backend of them."""
        tags = {"labourer": labourer_id, **({"dag_id": self.dag_id} if self.dag_id else {})}
        try:
            if metric.kind is Kind.COUNTER:
                if value:
                    self.stats.incr(metric.name, count=int(value), tags=tags)
            elif metric.kind is Kind.GAUGE:
                self.stats.gauge(metric.name, value, tags=tags)
            else:
                self.stats.timing(metric.name, timedelta(seconds=value), tags=tags)
        except Exception as error:  # noqa: BLE001 - a backend that is away must not stop the work
            if not self._faulty:
                self._faulty = True
                log.warning("Metrics cannot be reported (%s). The work continues without them.", error)


def reporter(dag_id: str | None) -> Report:
    """What reports metrics for this DAG; it does nothing if Airflow's configuration switches all metrics off."""
    stats = stats_backend()
    return unreported if stats is None else AirflowMetrics(stats, dag_id or "")
