"""Airflow's `Stats` in every version: `airflow.stats` sets itself up; since Airflow 3.2 a process has to."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["stats_backend"]

#: Options of the section ``[metrics]``, each of which switches a backend on.
_BACKENDS = ("statsd_on", "statsd_datadog_enabled", "otel_on")


def stats_backend() -> Any | None:
    """Airflow's `Stats`, or None if its configuration names no backend for metrics."""
    from airflow.configuration import conf

    if not any(conf.getboolean("metrics", option, fallback=False) for option in _BACKENDS):
        return None
    try:
        from airflow.sdk.observability.stats import Stats
    except ImportError:
        from airflow.stats import Stats
    else:
        _set_up(Stats)
    return Stats


def _set_up(stats: Any) -> None:
    """Give it a backend, if this process has none yet: the triggerer sets up another copy, and a command none."""
    from airflow.sdk.configuration import conf
    from airflow.sdk.observability.metrics import stats_utils

    module = sys.modules[stats.__module__]
    if not hasattr(module, "_factory"):  # Airflow 3.2, where the class has it
        if stats.factory is None:
            stats.initialize(factory=stats_utils.get_stats_factory(stats))  # type: ignore[call-arg]
    elif module._factory is None:  # noqa: SLF001 - there is no public way to ask
        names = conf.getboolean("metrics", "legacy_names_on", fallback=True)
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=names)
