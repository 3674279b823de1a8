"""What an operator adds to the events of its outlets: the job, so that the DAGs that they start know what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat.asset_events import add_partition, outlet_events

if TYPE_CHECKING:
    from sosw_airflow._compat import Context

__all__ = ["describe_jobs"]

#: Parts of a job's summary that become the ``extra`` of an event; counts and addresses are known after waiting only.
_EXTRAS = ("job_id", "labourer", "reference_date", "state", "tasks", "completed", "failed", "results", "repairs")


def describe_jobs(context: Context, outlets: Iterable[Any], done: Mapping[str, Any] | Sequence[Any]) -> None:
    """Add the job to the event of each outlet that is an asset. Airflow leaves the events if the task succeeds.

    The partition of an event that this provider has to name is the start of the reference date, in the format of
    Airflow's own timetable: ``2026-03-02T00:00:00``.

    :param done: the summary of the job, or a list of summaries, which becomes ``{"jobs": [...]}``.
    """
    extra = _extra(done) if isinstance(done, Mapping) else {"jobs": [_extra(each) for each in done]}
    for event in outlet_events(context, outlets):
        event.extra.update(extra)
        if day := _day(extra.get("reference_date")):
            add_partition(context, event, f"{day}T00:00:00")


def _day(given: object) -> str | None:
    """The text of a date; another version may have stored something else with a deferral."""
    try:
        return date.fromisoformat(given).isoformat() if isinstance(given, str) else None
    except ValueError:
        return None


def _extra(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {name: summary[name] for name in _EXTRAS if summary.get(name) is not None}
