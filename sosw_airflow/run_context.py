"""Reads time and identity from a DAG run: reference date, data interval, generation.

All of it comes from the run, never from the wall clock, so that a backfill of March gives March's dates on whatever day
it runs.

The generation is stable over automatic retries and new after a deliberate clear. Measured on Airflow 2.11 and 3.3: an
automatic retry raises ``try_number`` and leaves ``max_tries``; a clear sets ``max_tries = try_number + retries``;
clearing a running Airflow task can lose that, but then ``try_number`` exceeds ``max_tries``.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.partitions import partition_days
from sosw_airflow.jobs.rendered_texts import rendered_wrongly
from sosw_airflow.scheduling.reruns import Attempt

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.jobs.periods import DataInterval

__all__ = [
    "attempt_of",
    "dag_id_of",
    "data_interval_days",
    "day_of_run",
    "generation",
    "job_identity",
    "reference_date",
]

#: Types of runs whose data interval follows from the schedule. A user, a DAG or an asset has made all others.
_AUTOMATED = frozenset({"scheduled", "backfill"})


def reference_date(context: Context, given: object = None) -> date:
    """The day on which sosw's Scheduler would have run for this DAG run, in the DAG's time zone.

    | DAG run                         | reference date                                    |
    | ------------------------------- | ------------------------------------------------- |
    | for a partition, of any type    | the partition's day, of a longer one its first    |
    | scheduled, backfill             | the end of its data interval                      |
    | manual, with a logical date     | the logical date                                  |
    | manual without, asset-triggered | ``run_after``; on Airflow 2 the logical date      |

    A partition is a moment of the schedule, as a logical date is, so the same partition has the same reference date
    whether the scheduler, a backfill or an asset starts the run, and whenever it does.

    :param given: the user's own: a date, a datetime, or the text of one.
    :raises InvalidConfiguration: ``given`` is no date, or the key of the run's partition names none.
    """
    zone = _zone(context)
    if given is not None:
        return _given_date(given, zone)
    key = _value(context, "partition_key")
    if key is not None:
        days = _partition(context)
        if days is None:
            problem = (
                f"cannot follow from the partition key {excerpt(key)} of this DAG run, which names no date. Fix: give "
                f"reference_date=, for example reference_date=\"{{{{ partition_key.split('|')[1] }}}}\""
            )
            raise InvalidConfiguration([Fault("reference_date", problem)])
        return days[0]
    moment = _moment(context)
    if moment is None:
        problem = "must be given: this DAG run has no date of its own. Fix: give reference_date="
        raise InvalidConfiguration([Fault("reference_date", problem)])
    return moment.astimezone(zone).date()


def day_of_run(context: Context) -> date:
    """The reference date, or the day for which a run without one was due: for records of what needs no dates."""
    try:
        return reference_date(context)
    except InvalidConfiguration:
        run = context["dag_run"]
        due: datetime = getattr(run, "run_after", None) or run.start_date
        return due.astimezone(_zone(context)).date()


def data_interval_days(context: Context) -> DataInterval | None:
    """The first and the last day of the run's data interval, in the DAG's time zone; None if the run has none.

    An interval that is a single moment, as Airflow 3 gives it to ``@daily``, is the day of that moment. The interval of
    a run for a partition is the partition: a day, or the week, month, quarter or year that its key names.
    """
    if _value(context, "partition_key") is not None:
        return _partition(context)
    start, end = _value(context, "data_interval_start"), _value(context, "data_interval_end")
    if start is None or end is None:
        return None
    logical_date = _value(context, "logical_date")
    if logical_date is not None and end > logical_date and _run_type(context["dag_run"]) not in _AUTOMATED:
        start = end = logical_date  # Airflow 3.3 gives the present as the interval of such a run
    zone = _zone(context)
    last = max(start, end - timedelta(microseconds=1))
    return start.astimezone(zone).date(), last.astimezone(zone).date()


def generation(ti: Any) -> int:
    """Which deliberate scheduling of this Airflow task instance it is."""
    return max(int(ti.max_tries or 0), int(ti.try_number) - 1)


def dag_id_of(task_instance: Any) -> str | None:
    """The id of the DAG of a task instance, None if there is none, as in a triggerer of Airflow 2."""
    dag_id = getattr(task_instance, "dag_id", None)
    return dag_id if isinstance(dag_id, str) else None


def attempt_of(context: Context) -> Attempt:
    """The start of this attempt's DAG run, which distinguishes two runs of one id, and which attempt it is."""
    ti, run = context["ti"], _value(context, "dag_run")
    started: datetime | None = getattr(run, "start_date", None) or getattr(run, "queued_at", None)
    number, most = int(ti.try_number), int(ti.max_tries or 0)
    retries = getattr(_value(context, "task"), "retries", None)
    first = number == 1 or number - 1 > most or (retries is not None and number <= most - int(retries) + 1)
    text = started.astimezone(timezone.utc).isoformat(timespec="milliseconds") if started else ""
    return Attempt(text, first=first, fresh=number == 1)


def job_identity(context: Context, labourer_id: str, *, namespace: str = "") -> JobIdentity:
    """The identity of the job that this Airflow task instance schedules.

    :param namespace: of the Connection.
    """
    ti = context["ti"]
    return JobIdentity(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=int(getattr(ti, "map_index", -1) if getattr(ti, "map_index", -1) is not None else -1),
        generation=generation(ti),
        labourer_id=labourer_id,
        namespace=namespace,
        run_started=attempt_of(context).run_started,
    )


def _partition(context: Context) -> DataInterval | None:
    """The days of the run's partition: of its key, else of the moment that Airflow has for it; None without both."""
    zone, moment = _zone(context), _value(context, "partition_date")
    days = partition_days(_value(context, "partition_key"), zone, dated=moment is not None)
    if days is not None or moment is None:
        return days
    own = getattr(getattr(context["dag"], "timetable", None), "timezone", None)
    day = moment.astimezone(own if isinstance(own, tzinfo) else _named_zone(own) or zone).date()
    return day, day


def _named_zone(name: object) -> tzinfo | None:
    return ZoneInfo(name) if isinstance(name, str) else None


def _moment(context: Context) -> datetime | None:
    run = context["dag_run"]
    logical_date: datetime | None = _value(context, "logical_date") or getattr(run, "logical_date", None)
    run_type = _run_type(run)
    if run_type in _AUTOMATED:
        end = _value(context, "data_interval_end") or getattr(run, "data_interval_end", None)
        if end is not None:
            return end  # type: ignore[no-any-return]
    if run_type in ("asset_triggered", "dataset_triggered"):
        return getattr(run, "run_after", None) or logical_date
    return logical_date or getattr(run, "run_after", None)


def _run_type(run: Any) -> str:
    return str(getattr(run.run_type, "value", run.run_type))


def _value(context: Context, name: str) -> Any:
    # In Airflow 3 the key itself may be absent; Airflow 2 warns if a deprecated one is read, which these are not.
    return context[name] if name in context else None  # noqa: SIM401 - Airflow 2's Context has a get of its own


def _zone(context: Context) -> tzinfo:
    zone: tzinfo = context["dag"].timezone
    return zone


def _given_date(given: object, zone: tzinfo) -> date:
    if isinstance(given, datetime):
        return (given.astimezone(zone) if given.tzinfo else given).date()
    if isinstance(given, date):
        return given
    if isinstance(given, str):
        text = given.strip()
        try:
            if len(text) == len("2026-01-31"):
                return date.fromisoformat(text)
            if len(text) == len("20260131"):  # ds_nodash; Python 3.10 reads it only so
                return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
            # Python 3.10 does not read the Z.
            return _given_date(datetime.fromisoformat(text.replace("Z", "+00:00")), zone)
        except (ValueError, OverflowError):
            pass
    problem = f"must be a date (YYYY-MM-DD) or a moment in ISO form, not {excerpt(given)}"
    if isinstance(given, str) and (wrong := rendered_wrongly(given)):
        problem += f"; it {wrong}"
    raise InvalidConfiguration([Fault("reference_date", problem)])
