"""What a DAG run says about time and identity, for every kind of run of Airflow 2 and 3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable

from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.run_context import (
    attempt_of,
    data_interval_days,
    day_of_run,
    generation,
    job_identity,
    reference_date,
)

#: The wall clock of whoever triggers a run of the past.
NOW = "2026-11-23T14:05:06.789Z"


@dataclass
class Run:
    """A DAG run, in the words of Airflow. Times are text in UTC; None for what the run has not."""

    run_type: str
    logical_date: str | None = None
    start: str | None = None
    end: str | None = None
    run_after: str | None = None
    zone: str = "UTC"
    key: str | None = None
    partition: str | None = None

    def context(self, *, airflow: int) -> dict[str, Any]:
        """What Airflow hands to `execute`. Airflow 3 leaves out what a run has not; Airflow 2 knows no `run_after`."""
        times = {
            "logical_date": _moment(self.logical_date),
            "data_interval_start": _moment(self.start),
            "data_interval_end": _moment(self.end),
        }
        run = SimpleNamespace(run_type=self.run_type, **times)
        if airflow == 3:
            run.run_after = _moment(self.run_after or self.end or self.logical_date)
            times = {name: time for name, time in times.items() if self.logical_date is not None}
            times |= {"partition_key": self.key, "partition_date": _moment(self.partition)}  # type: ignore[dict-item]
        return {"dag": SimpleNamespace(timezone=pendulum.timezone(self.zone)), "dag_run": run, **times}


def _moment(text: str | None) -> pendulum.DateTime | None:
    return None if text is None else pendulum.parse(text, tz="UTC")  # type: ignore[return-value]


@dataclass
class Case:
    """A run, and what it means."""

    airflow: int
    run: Run
    day: str
    interval: tuple[str, str] | None


def scheduled(start: str, end: str, zone: str = "UTC", run_type: str = "scheduled") -> Run:
    """A run with an interval of the schedule, as Airflow 2 and Airflow 3's interval timetables make it."""
    return Run(run_type, start, start, end, zone=zone)


def triggered_now(logical_date: str | None, run_type: str = "manual", zone: str = "UTC") -> Run:
    """A run that somebody triggers on Airflow 3.3: the interval is the present, unless there is no logical date."""
    now = NOW if logical_date else None
    return Run(run_type, logical_date, now, now, NOW, zone)


CASES = {
    # The scheduler's runs.
    "daily, Airflow 2": Case(
        2, scheduled("2026-03-01T00:00", "2026-03-02T00:00"), "2026-03-02", ("2026-03-01", "2026-03-01")
    ),
    "daily, Airflow 3": Case(
        3, scheduled("2026-03-02T00:00", "2026-03-02T00:00"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    "daily with intervals, Airflow 3": Case(
        3, scheduled("2026-03-01T00:00", "2026-03-02T00:00"), "2026-03-02", ("2026-03-01", "2026-03-01")
    ),
    "daily at 5 h": Case(
        2, scheduled("2026-03-01T05:00", "2026-03-02T05:00"), "2026-03-02", ("2026-03-01", "2026-03-02")
    ),
    "daily in Berlin": Case(
        2,
        scheduled("2026-02-28T23:00", "2026-03-01T23:00", "Europe/Berlin"),
        "2026-03-02",
        ("2026-03-01", "2026-03-01"),
    ),
    "daily in Berlin, Airflow 3": Case(
        3,
        scheduled("2026-03-01T23:00", "2026-03-01T23:00", "Europe/Berlin"),
        "2026-03-02",
        ("2026-03-02", "2026-03-02"),
    ),
    "Berlin, the day of 23 hours": Case(
        2,
        scheduled("2026-03-28T23:00", "2026-03-29T22:00", "Europe/Berlin"),
        "2026-03-30",
        ("2026-03-29", "2026-03-29"),
    ),
    "Berlin, the day of 25 hours": Case(
        2,
        scheduled("2026-10-24T22:00", "2026-10-25T23:00", "Europe/Berlin"),
        "2026-10-26",
        ("2026-10-25", "2026-10-25"),
    ),
    "New York, the day of 23 hours": Case(
        2,
        scheduled("2026-03-08T05:00", "2026-03-09T04:00", "America/New_York"),
        "2026-03-09",
        ("2026-03-08", "2026-03-08"),
    ),
    "New York, the day of 25 hours": Case(
        3,
        scheduled("2026-11-01T04:00", "2026-11-02T05:00", "America/New_York"),
        "2026-11-02",
        ("2026-11-01", "2026-11-01"),
    ),
    "Auckland, the day of 25 hours": Case(
        2,
        scheduled("2026-04-04T11:00", "2026-04-05T12:00", "Pacific/Auckland"),
        "2026-04-06",
        ("2026-04-05", "2026-04-05"),
    ),
    "Auckland, the day of 23 hours": Case(
        3,
        scheduled("2026-09-26T12:00", "2026-09-27T11:00", "Pacific/Auckland"),
        "2026-09-28",
        ("2026-09-27", "2026-09-27"),
    ),
    "hourly, the last of a day": Case(
        2, scheduled("2026-03-01T23:00", "2026-03-02T00:00"), "2026-03-02", ("2026-03-01", "2026-03-01")
    ),
    "hourly, in the middle of a day": Case(
        3, scheduled("2026-03-02T10:00", "2026-03-02T11:00"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    "hourly, as an instant": Case(
        3, scheduled("2026-03-02T10:00", "2026-03-02T10:00"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    "hourly in New York, evening there and next day in UTC": Case(
        2,
        scheduled("2026-03-02T01:00", "2026-03-02T02:00", "America/New_York"),
        "2026-03-01",
        ("2026-03-01", "2026-03-01"),
    ),
    "weekly": Case(2, scheduled("2026-02-22T00:00", "2026-03-01T00:00"), "2026-03-01", ("2026-02-22", "2026-02-28")),
    "weekly in Berlin, over the change of the clock": Case(
        3,
        scheduled("2026-03-22T23:00", "2026-03-29T22:00", "Europe/Berlin"),
        "2026-03-30",
        ("2026-03-23", "2026-03-29"),
    ),
    "every 90 minutes": Case(
        2, scheduled("2026-03-01T23:15", "2026-03-02T00:45"), "2026-03-02", ("2026-03-01", "2026-03-02")
    ),
    "continuous": Case(
        2, scheduled("2026-03-02T10:00:01", "2026-03-02T10:07:42"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    "continuous, the first": Case(
        3, scheduled("2026-03-02T10:00:01", "2026-03-02T10:00:01"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    # Backfills, on whatever day they run.
    "backfill, Airflow 2": Case(
        2,
        scheduled("2026-03-01T00:00", "2026-03-02T00:00", run_type="backfill"),
        "2026-03-02",
        ("2026-03-01", "2026-03-01"),
    ),
    "backfill, Airflow 3": Case(
        3,
        Run("backfill", "2026-03-02T00:00", "2026-03-02T00:00", "2026-03-02T00:00", NOW),
        "2026-03-02",
        ("2026-03-02", "2026-03-02"),
    ),
    # Somebody triggers a run.
    "manual, Airflow 2": Case(
        2,
        Run("manual", "2026-03-02T15:30", "2026-03-01T00:00", "2026-03-02T00:00"),
        "2026-03-02",
        ("2026-03-01", "2026-03-01"),
    ),
    "manual without a schedule, Airflow 2": Case(
        2,
        Run("manual", "2026-03-02T15:30", "2026-03-02T15:30", "2026-03-02T15:30"),
        "2026-03-02",
        ("2026-03-02", "2026-03-02"),
    ),
    "manual after midnight in Berlin, Airflow 2": Case(
        2,
        Run("manual", "2026-03-01T23:30", "2026-02-28T23:00", "2026-03-01T23:00", zone="Europe/Berlin"),
        "2026-03-02",
        ("2026-03-01", "2026-03-01"),
    ),
    "manual with a logical date, Airflow 3": Case(
        3, triggered_now("2026-03-02T00:00"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    "manual with a logical date and the interval before it, Airflow 3": Case(
        3,
        Run("manual", "2026-03-02T15:30", "2026-03-01T00:00", "2026-03-02T00:00", NOW),
        "2026-03-02",
        ("2026-03-01", "2026-03-01"),
    ),
    "manual with a logical date in Auckland, Airflow 3": Case(
        3, triggered_now("2026-03-01T12:00", zone="Pacific/Auckland"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    "manual without a logical date, Airflow 3": Case(3, triggered_now(None), "2026-11-23", None),
    "manual without a logical date in Auckland, Airflow 3": Case(
        3, triggered_now(None, zone="Pacific/Auckland"), "2026-11-24", None
    ),
    "by another DAG, with a logical date, Airflow 3.3": Case(
        3, triggered_now("2026-03-02T00:00", "operator_triggered"), "2026-03-02", ("2026-03-02", "2026-03-02")
    ),
    "by another DAG, without a logical date, Airflow 3.3": Case(
        3, triggered_now(None, "operator_triggered"), "2026-11-23", None
    ),
    # An asset triggers a run.
    "asset, Airflow 3": Case(3, triggered_now(None, "asset_triggered"), "2026-11-23", None),
    "asset that somebody materializes, Airflow 3.3": Case(
        3, triggered_now(None, "asset_materialization"), "2026-11-23", None
    ),
    "dataset, Airflow 2": Case(
        2,
        Run("dataset_triggered", "2026-03-03T01:10", "2026-03-01T00:00", "2026-03-03T00:00"),
        "2026-03-03",
        ("2026-03-01", "2026-03-02"),
    ),
    # Airflow 3.2 and later: a run with neither logical date nor interval.
    "without dates and without a partition": Case(
        3, Run("scheduled", run_after="2026-03-02T00:00"), "2026-03-02", None
    ),
}


def for_partition(run_type: str, run_after: str, key: str, moment: str | None = None, zone: str = "UTC") -> Run:
    """A run for a partition, as Airflow 3.3 makes it: without logical date and interval."""
    return Run(run_type, run_after=run_after, key=key, partition=moment, zone=zone)


MIDNIGHT = "2026-02-28T00:00:00"

#: A run for a partition, and the first and the last day of the partition; the reference date is the first.
PARTITIONS = {
    # The same partition, whoever starts the run.
    "scheduled": (for_partition("scheduled", "2026-03-01T00:00", MIDNIGHT, MIDNIGHT), "2026-02-28", "2026-02-28"),
    "backfill": (for_partition("backfill", MIDNIGHT, MIDNIGHT, MIDNIGHT), "2026-02-28", "2026-02-28"),
    "asset": (for_partition("asset_triggered", NOW, MIDNIGHT, MIDNIGHT), "2026-02-28", "2026-02-28"),
    "asset, no date": (for_partition("asset_triggered", NOW, MIDNIGHT), "2026-02-28", "2026-02-28"),
    "manual": (for_partition("manual", NOW, MIDNIGHT), "2026-02-28", "2026-02-28"),
    "materialized": (for_partition("asset_materialization", NOW, "2026-02-28"), "2026-02-28", "2026-02-28"),
    # The key is the local label, whatever the zones of DAG and timetable are.
    "Taipei, DAG in UTC": (
        for_partition("scheduled", "2026-03-01T16:00", MIDNIGHT, "2026-02-27T16:00"),
        "2026-02-28",
        "2026-02-28",
    ),
    "New York": (
        for_partition("backfill", NOW, MIDNIGHT, "2026-02-28T05:00", "America/New_York"),
        "2026-02-28",
        "2026-02-28",
    ),
    "an offset": (
        for_partition("scheduled", NOW, "2026-02-27T23:30:00+00:00", zone="Europe/Berlin"),
        "2026-02-28",
        "2026-02-28",
    ),
    # The formats of Airflow's mappers.
    "hour": (for_partition("asset_triggered", NOW, "2026-02-28T23"), "2026-02-28", "2026-02-28"),
    "compact": (for_partition("asset_triggered", NOW, "20260228"), "2026-02-28", "2026-02-28"),
    "week": (for_partition("asset_triggered", NOW, "2026-02-23 (W09)"), "2026-02-23", "2026-03-01"),
    "month": (for_partition("asset_triggered", NOW, "2024-02", "2024-02-01"), "2024-02-01", "2024-02-29"),
    "December": (for_partition("asset_triggered", NOW, "2026-12"), "2026-12-01", "2026-12-31"),
    "quarter": (for_partition("asset_triggered", NOW, "2026-Q4"), "2026-10-01", "2026-12-31"),
    "year": (for_partition("asset_triggered", NOW, "2026", "2026-01-01"), "2026-01-01", "2026-12-31"),
    # A format of the user's: the moment that Airflow has for the partition.
    "own format": (for_partition("backfill", NOW, "28.02.2026", MIDNIGHT), "2026-02-28", "2026-02-28"),
    "own format in Berlin": (
        for_partition("backfill", NOW, "28.02.2026", "2026-02-27T23:00", "Europe/Berlin"),
        "2026-02-28",
        "2026-02-28",
    ),
}


@pytest.mark.parametrize(("run", "first", "last"), PARTITIONS.values(), ids=PARTITIONS)
def test_reference_date_of_a_partition(run: Run, first: str, last: str) -> None:
    """The partition's day, whoever starts the run and whenever; the first day of a longer partition."""
    assert reference_date(run.context(airflow=3)).isoformat() == first


@pytest.mark.parametrize(("run", "first", "last"), PARTITIONS.values(), ids=PARTITIONS)
def test_data_interval_of_a_partition(run: Run, first: str, last: str) -> None:
    """The partition itself."""
    days = data_interval_days(run.context(airflow=3))
    assert days is not None
    assert [day.isoformat() for day in days] == [first, last]


def test_the_day_of_a_run_whose_partition_has_no_date() -> None:
    """It is only recorded, so the day on which the run was due will do."""
    assert day_of_run(for_partition("manual", "2026-03-02T00:00", "customer-7").context(airflow=3)) == date(2026, 3, 2)


def test_the_moment_of_a_partition_is_read_in_the_zone_of_its_timetable() -> None:
    """A timetable may have another zone than the DAG."""
    context = for_partition("scheduled", NOW, "28.02.2026", "2026-02-27T16:00").context(airflow=3)
    context["dag"].timetable = SimpleNamespace(timezone="Asia/Taipei")
    assert reference_date(context) == date(2026, 2, 28)


@pytest.mark.parametrize("key", ["customer-7", "eu|2026-02-28", "2026-02-30", "2026-13", "2026-Q5", "", "1234"])
def test_a_partition_key_that_is_no_date(key: str) -> None:
    """The error names the key and the argument that helps; the run has no data interval then."""
    context = for_partition("asset_triggered", NOW, key).context(airflow=3)
    with pytest.raises(InvalidConfiguration, match=f"the partition key {re.escape(repr(key))}.*give reference_date="):
        reference_date(context)
    assert data_interval_days(context) is None
    assert reference_date(context, "2026-02-28") == date(2026, 2, 28)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_reference_date(case: Case) -> None:
    """The day on which sosw's Scheduler would have run for this run."""
    assert reference_date(case.run.context(airflow=case.airflow)).isoformat() == case.day


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_data_interval(case: Case) -> None:
    """First and last day of the interval, in the DAG's time zone."""
    days = data_interval_days(case.run.context(airflow=case.airflow))
    assert (days and tuple(day.isoformat() for day in days)) == case.interval


def test_keys_that_are_there_but_none() -> None:
    """A context may also say None where the run has no date."""
    context = triggered_now(None).context(airflow=3)
    context.update(logical_date=None, data_interval_start=None, data_interval_end=None)
    assert (reference_date(context), data_interval_days(context)) == (date(2026, 11, 23), None)


def test_the_type_of_a_run_may_be_an_enum() -> None:
    """As Airflow has it."""

    class DagRunType(str, Enum):
        """Airflow's."""

        BACKFILL_JOB = "backfill"

    context = scheduled("2026-03-01T00:00", "2026-03-02T00:00").context(airflow=2)
    context["dag_run"].run_type = DagRunType.BACKFILL_JOB
    assert reference_date(context) == date(2026, 3, 2)


def test_a_run_without_any_date() -> None:
    """It has to be given; it is not taken from the clock."""
    context = Run("manual").context(airflow=2)
    with pytest.raises(
        InvalidConfiguration, match="reference_date: must be given: this DAG run has no date of its own"
    ):
        reference_date(context)


# -- against Airflow's own timetables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "America/Santiago"])
@pytest.mark.parametrize("timetable", [CronDataIntervalTimetable, CronTriggerTimetable])
@pytest.mark.parametrize("cron", ["0 0 * * *", "30 2 * * *", "0 22 * * *"])
def test_a_year_of_daily_runs(zone: str, timetable: Any, cron: str) -> None:
    """Whatever the clocks do: the reference date is the day on which a run is due, each day of the year once."""
    kind = timetable(cron, timezone=pendulum.timezone(zone))
    first = pendulum.datetime(2026, 1, 1, tz=zone)
    limits = TimeRestriction(earliest=first, latest=None, catchup=True)
    last, days = None, []
    for _ in range(366):
        info = kind.next_dagrun_info(last_automated_data_interval=last, restriction=limits)
        last = info.data_interval
        run = Run("scheduled", str(last.start), str(last.start), str(last.end), str(info.run_after), zone)
        days.append(reference_date(run.context(airflow=3)))
        assert days[-1] == info.run_after.in_timezone(zone).date()
    assert days == [days[0] + timedelta(days=number) for number in range(366)]


# -- a date that the user gives ----------------------------------------------------------------------------------------

BERLIN = scheduled("2019-01-01T00:00", "2019-01-02T00:00", "Europe/Berlin").context(airflow=2)


@pytest.mark.parametrize(
    "given",
    [
        date(2026, 3, 2),
        pendulum.date(2026, 3, 2),
        datetime(2026, 3, 2, 23, 59),  # noqa: DTZ001 - without a zone it is the DAG's
        datetime(2026, 3, 1, 23, 30, tzinfo=timezone.utc),
        pendulum.datetime(2026, 3, 1, 23, 30),
        pendulum.datetime(2026, 3, 1, 18, 30, tz="America/New_York"),
        "2026-03-02",
        " 2026-03-02\n",
        "20260302",
        "2026-03-02T23:59:00",
        "2026-03-01T23:30:00Z",
        "2026-03-01T23:30:00+00:00",
        "2026-03-01 23:30:00.000001+00:00",
        "2026-03-02T00:00:00+01:00",
    ],
    ids=repr,
)
def test_a_date_that_is_given(given: object) -> None:
    """It counts instead of the run's; a moment is a day in the DAG's time zone."""
    assert reference_date(BERLIN, given) == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("None", 'it is the text "None"'),
        ("{{ ds }}", "it has a template that was not rendered"),
        ("", "it is an empty"),
    ],
)
def test_a_date_that_a_template_lost(given: str, reason: str) -> None:
    """The message says how."""
    with pytest.raises(InvalidConfiguration, match=f"reference_date: must be a date .*; {reason}"):
        reference_date(BERLIN, given)


@pytest.mark.parametrize(
    "given", ["", "None", "yesterday", "2026-02-30", "02.03.2026", 20260302, 1.5, True, []], ids=repr
)
def test_a_date_that_is_none(given: object) -> None:
    """The value is named, and the form."""
    with pytest.raises(InvalidConfiguration) as refused:
        reference_date(BERLIN, given)
    assert f"reference_date: must be a date (YYYY-MM-DD) or a moment in ISO form, not {given!r}" in str(refused.value)


def test_a_given_date_needs_no_date_of_the_run() -> None:
    """A run without dates can be scheduled after all."""
    assert reference_date(Run("manual").context(airflow=2), "2026-03-02") == date(2026, 3, 2)


# -- identity ----------------------------------------------------------------------------------------------------------


def ti(try_number: int, max_tries: int | None, **more: Any) -> SimpleNamespace:
    """An Airflow task instance."""
    who = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1, **more}
    return SimpleNamespace(try_number=try_number, max_tries=max_tries, **who)


LIVES = {
    # (try_number, max_tries) of each execution, and the generation that it belongs to.
    "no retries": [((1, 0), 0)],
    "no retries, cleared twice": [((1, 0), 0), ((2, 1), 1), ((3, 2), 2)],
    "two retries": [((1, 2), 2), ((2, 2), 2), ((3, 2), 2)],
    "two retries, cleared after success": [((1, 2), 2), ((2, 3), 3), ((3, 3), 3), ((4, 3), 3)],
    "two retries, cleared after the last failure": [
        ((1, 2), 2),
        ((2, 2), 2),
        ((3, 2), 2),
        ((4, 5), 5),
        ((5, 5), 5),
        ((6, 5), 5),
        ((7, 8), 8),
    ],
    "no retries, cleared while it runs, the bump is lost": [((1, 0), 0), ((2, 0), 1)],
    "no retries, cleared while it runs, then cleared": [((1, 0), 0), ((2, 0), 1), ((3, 2), 2)],
    "no max_tries": [((1, None), 0), ((2, None), 1)],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_generation(life: list[tuple[tuple[int, int | None], int]]) -> None:
    """The same over automatic retries, another one after a clear, also where the clear of a running one was lost."""
    assert [generation(ti(*numbers)) for numbers, _ in life] == [expected for _, expected in life]


def test_identity() -> None:
    """All that tells one scheduling from another."""
    identity = job_identity({"ti": ti(2, 3, map_index=7)}, "worker")
    assert vars(identity) == {
        "dag_id": "dag",
        "run_id": "run",
        "task_id": "task",
        "map_index": 7,
        "generation": 3,
        "labourer_id": "worker",
        "repairs": "",
        "queue_file": "",
        "namespace": "",
        "rerun": 0,
        "run_started": "",
    }


@pytest.mark.parametrize("own", [{}, {"map_index": None}], ids=["-1", "None"])
def test_identity_of_a_task_that_is_not_mapped(own: dict[str, Any]) -> None:
    """Its map index is -1, however Airflow says it."""
    assert job_identity({"ti": ti(1, 0, **own)}, "worker").map_index == -1


def test_identity_of_a_task_instance_without_a_map_index() -> None:
    """Likewise."""
    instance = ti(1, 0)
    del instance.map_index
    assert job_identity({"ti": instance}, "worker").map_index == -1


def test_the_identity_knows_no_time() -> None:
    """Two looks at one generation are the same job, whatever interval Airflow computes and whenever it is asked."""
    ids = {
        job_identity({"ti": ti(number, 2), **run.context(airflow=3)}, "worker").job_id
        for number, run in enumerate((triggered_now(None), triggered_now("2026-03-02T00:00")), 1)
    }
    assert len(ids) == 1


FIRSTS = {
    # (try_number, max_tries, retries) → no attempt of this generation came before.
    (1, 2, 2): True,
    (2, 2, 2): False,
    (3, 2, 2): False,
    (2, 3, 2): True,  # cleared after success
    (3, 3, 2): False,
    (2, 1, 0): True,  # cleared, no retries
    (2, 0, 0): True,  # cleared while it ran, the bump is lost
    (2, 2, 5): False,  # the DAG was given more retries since
    (1, 0, None): True,
    (2, 1, None): False,
}


@pytest.mark.parametrize(("numbers", "first"), FIRSTS.items(), ids=map(str, FIRSTS))
def test_the_first_attempt_of_a_generation(numbers: tuple[int, int, int | None], first: bool) -> None:
    """Only it decides whether its DAG run is another one of the same id."""
    number, most, retries = numbers
    task = SimpleNamespace(**({} if retries is None else {"retries": retries}))
    attempt = attempt_of({"ti": ti(number, most), "task": task, "dag_run": SimpleNamespace()})
    assert (attempt.first, attempt.fresh) == (first, number == 1)


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ({"start_date": "2026-03-02T00:00:01.234567"}, "2026-03-02T00:00:01.234+00:00"),
        ({"start_date": None, "queued_at": "2026-03-02T00:00:00"}, "2026-03-02T00:00:00.000+00:00"),
        ({}, ""),
    ],
)
def test_the_start_of_a_run(times: dict[str, str | None], text: str) -> None:
    """Of the two moments that Airflow has, in UTC; none if it has none."""
    run = SimpleNamespace(**{name: _moment(moment) for name, moment in times.items()})
    assert attempt_of({"ti": ti(1, 0), "dag_run": run}).run_started == text
