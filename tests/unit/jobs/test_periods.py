"""Periods (sosw rules 4, 4.1 and 4.3), seen from Monday, 23 November 2026 unless a test says otherwise."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.jobs import JobSchema
from sosw_airflow.jobs.periods import DayRange, InvalidPeriod, ResolvedPeriod, is_relative, resolve_period

MONDAY = date(2026, 11, 23)
SUNDAY = date(2026, 11, 22)


def resolve(
    period: Any,
    reference_date: date = MONDAY,
    *,
    schema: JobSchema = JobSchema(),  # noqa: B008 - immutable
    data_interval: tuple[date, date] | None = None,
) -> ResolvedPeriod:
    """The period, resolved."""
    return resolve_period(period, schema=schema, reference_date=reference_date, data_interval=data_interval)


def days(*texts: str) -> tuple[str, ...]:
    """`MM-DD` of 2026 as dates."""
    return tuple(f"2026-{text}" for text in texts)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("last_3_days", days("11-20", "11-21", "11-22")),
        ("last_1_days", days("11-22")),
        ("3_days_back", days("11-20")),
        ("0_days_back", days("11-23")),
        ("yesterday", days("11-22")),
        ("today", days("11-23")),
        ("previous_3_days", days("11-17", "11-18", "11-19")),
        ("previous_1_days", days("11-21")),
        ("last_week", days("11-15", "11-16", "11-17", "11-18", "11-19", "11-20", "11-21")),
    ],
)
def test_the_periods_of_sosw(period: str, expected: tuple[str, ...]) -> None:
    """Each of them, without a warning."""
    found = resolve(period)
    assert (expected, len(expected), None) == (found.dates, len(found.days), found.warning)


def test_last_week_on_a_sunday_lies_one_week_earlier() -> None:
    """Upstream's arithmetic, kept: on Sunday the 22nd it is the 8th to the 14th."""
    expected = days("11-08", "11-09", "11-10", "11-11", "11-12", "11-13", "11-14")
    assert expected == resolve("last_week", SUNDAY).dates


@given(reference_date=st.dates(date(1900, 1, 1)))
def test_last_week_runs_from_sunday_to_saturday(reference_date: date) -> None:
    """Seven days that follow one another, wholly in the past, on any day."""
    found = [date.fromisoformat(day) for day in resolve("last_week", reference_date).dates]
    assert [(6 + offset) % 7 for offset in range(7)] == [day.weekday() for day in found]
    assert [found[0] + timedelta(days=offset) for offset in range(7)] == found
    assert found[-1] < reference_date


@given(reference_date=st.dates(date(1900, 1, 1)), number=st.integers(1, 500))
def test_last_and_previous_days_adjoin(reference_date: date, number: int) -> None:
    """`previous_N_days` are the N days before `last_N_days`, which end yesterday."""
    last = resolve(f"last_{number}_days", reference_date).dates
    previous = resolve(f"previous_{number}_days", reference_date).dates
    assert resolve(f"last_{2 * number}_days", reference_date).dates == previous + last
    assert str(reference_date - timedelta(days=1)) == last[-1]


@pytest.mark.parametrize(
    ("period", "read_as", "number"),
    [("todayish", "today", 1), ("last_3_days_x", "last_3_days", 3), ("last_weekend", "last_week", 7)],
)
def test_a_longer_text_is_read_as_its_beginning(period: str, read_as: str, number: int) -> None:
    """As sosw does, but with a warning that says so."""
    found = resolve(period)
    assert (number, f"{period!r} is read as {read_as!r}, as sosw does") == (len(found.dates), found.warning)


@pytest.mark.parametrize("period", ["Today", " today", "lastweek", "3", "last__days", "last_-1_days", "2026-01-01"])
def test_an_unknown_period_is_refused_with_those_that_are_known(period: str) -> None:
    """The message lists every form."""
    with pytest.raises(InvalidPeriod) as refused:
        resolve(period)
    assert (
        f"{period!r} is not a known period; these are: last_N_days, N_days_back, yesterday, today, previous_N_days, "
        f"last_week, START..END, data_interval (dates as YYYY-MM-DD)"
    ) == str(refused.value)


def test_custom_patterns_are_listed_with_the_known_ones() -> None:
    """A user sees what the job schema adds."""
    with pytest.raises(InvalidPeriod, match=r"data_interval, full_moon \(dates as YYYY-MM-DD\)"):
        resolve("half_moon", schema=JobSchema(custom_period_patterns=(("full_moon", "moons:full"),)))


@pytest.mark.parametrize("period", ["last_0_days", "previous_0_days", "last_00_days"])
def test_no_days_are_refused(period: str) -> None:
    """A period without a date would give tasks that nobody wants, or none."""
    with pytest.raises(InvalidPeriod, match="has no dates: the number of days must be 1 or more"):
        resolve(period)


@pytest.mark.parametrize(
    "period", ["last_800000_days", "99999999999999_days_back", "previous_400000_days", "last_" + "9" * 5000 + "_days"]
)
def test_before_the_first_year_is_refused(period: str) -> None:
    """The calendar ends there."""
    with pytest.raises(InvalidPeriod, match=f"'{period[:40]}.* reaches before the first year of the calendar"):
        resolve(period)


@given(first=st.dates(), length=st.integers(0, 500))
def test_an_explicit_range_has_each_of_its_days_once(first: date, length: int) -> None:
    """From the first to the last day, both included, in both notations, whatever the reference date."""
    length = min(length, (date.max - first).days)
    last = first + timedelta(days=length)
    as_text = resolve(f"{first}..{last}").dates
    assert tuple(str(first + timedelta(days=offset)) for offset in range(length + 1)) == as_text
    assert as_text == resolve({"end": str(last), "start": str(first)}).dates


def test_a_range_knows_leap_years() -> None:
    """2028 has a 29 February, 2026 has not."""
    assert ("2028-02-28", "2028-02-29", "2028-03-01") == resolve("2028-02-28..2028-03-01").dates
    with pytest.raises(InvalidPeriod, match="has the end '2026-02-29', which is not a date of the form YYYY-MM-DD"):
        resolve("2026-02-28..2026-02-29")


@pytest.mark.parametrize("period", ["2026-01-31..2026-01-01", {"start": "2026-01-31", "end": "2026-01-01"}])
def test_a_range_must_not_end_before_it_starts(period: Any) -> None:
    """It is a mistake and not an empty range."""
    with pytest.raises(InvalidPeriod, match=r"ends \(2026-01-01\) before it starts \(2026-01-31\)"):
        resolve(period)


@pytest.mark.parametrize("period", ["2026-01-01..2026-01-02x", "2026-01-01...2026-01-02", "x2026-01-01..2026-01-02"])
def test_a_range_is_matched_as_a_whole(period: str) -> None:
    """The new forms know no surplus."""
    with pytest.raises(InvalidPeriod, match="is not a known period"):
        resolve(period)


@pytest.mark.parametrize("mapping", [{}, {"start": "2026-01-01"}, {"start": "2026-01-01", "end": "2026-01-02", "x": 1}])
def test_a_mapping_has_start_and_end(mapping: dict[str, Any]) -> None:
    """Exactly these; the message lists what it has instead."""
    with pytest.raises(InvalidPeriod) as refused:
        resolve(mapping)
    assert f"as a mapping must have exactly 'start' and 'end', not {sorted(mapping)}" == str(refused.value)


@pytest.mark.parametrize("wrong", ["1.3.2026", "20260301", "2026-3-1", "2026-03-01T00:00:00", "", None, 20260301])
def test_the_ends_of_a_mapping_are_dates(wrong: Any) -> None:
    """As text of the form YYYY-MM-DD."""
    with pytest.raises(InvalidPeriod) as refused:
        resolve({"start": wrong, "end": "2026-03-02"})
    assert f"has the start {wrong!r}, which is not a date of the form YYYY-MM-DD" == str(refused.value)


@pytest.mark.parametrize("wrong", [7, ["today"], True, 1.5])
def test_a_period_is_text_or_a_mapping(wrong: Any) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(InvalidPeriod, match="must be a text such as 'last_2_days' or"):
        resolve(wrong)


def test_the_data_interval_has_all_of_its_days() -> None:
    """First and last included, whatever the reference date."""
    interval = (date(2026, 2, 27), date(2026, 3, 1))
    assert days("02-27", "02-28", "03-01") == resolve("data_interval", data_interval=interval).dates


def test_a_run_without_data_interval_is_told_so() -> None:
    """The message offers another way."""
    with pytest.raises(InvalidPeriod, match="this one has none: give another period, such as 'yesterday'"):
        resolve("data_interval")


def test_data_interval_is_matched_as_a_whole() -> None:
    """`data_interval_start` is not the interval."""
    with pytest.raises(InvalidPeriod, match="is not a known period"):
        resolve("data_interval_start", data_interval=(MONDAY, MONDAY))


def custom(function: Any, pattern: str = "last_[0-9]+_mondays") -> JobSchema:
    """A schema with one custom period."""
    return JobSchema(custom_period_patterns=((pattern, function),))


def test_a_custom_period_calls_an_importable_function() -> None:
    """It gets the period and the reference date, and gives dates."""
    schema = custom("tests.unit.jobs.calendars:last_mondays")
    assert days("11-09", "11-16") == resolve("last_2_mondays", schema=schema).dates


def test_a_custom_period_may_have_the_function_itself() -> None:
    """And the function may give texts."""
    from tests.unit.jobs.calendars import new_year_texts

    assert days("01-01") == resolve("new_year", schema=custom(new_year_texts, "new_year")).dates


def test_built_in_patterns_come_first() -> None:
    """A custom pattern does not change what `today` means."""
    schema = custom("tests.unit.jobs.calendars:new_year_texts", "today|yesterday")
    assert days("11-23") == resolve("today", schema=schema).dates


def test_custom_patterns_are_tried_in_their_order() -> None:
    """The first that matches, counts."""
    patterns = {"last_.*": "tests.unit.jobs.calendars:new_year_texts", "last_[0-9]+_mondays": "no.such:module"}
    schema = JobSchema(custom_period_patterns=patterns)  # type: ignore[arg-type]
    assert days("01-01") == resolve("last_2_mondays", schema=schema).dates


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("no.such.module:function", "'no.such.module:function', which cannot be imported: No module named 'no'"),
        ("tests.unit.jobs.calendars:no_such", "'tests.unit.jobs.calendars:no_such', which cannot be imported: module"),
        (
            "tests.unit.jobs.calendars:NOT_A_FUNCTION",
            "'tests.unit.jobs.calendars:NOT_A_FUNCTION', which is not a function",
        ),
        ("tests.unit.jobs.calendars:no_dates", "the custom period function gave no dates"),
        ("tests.unit.jobs.calendars:nothing", "the custom period function gave None; it must give a list of dates"),
        ("tests.unit.jobs.calendars:one_text", "the custom period function gave '2026-01-01'; it must give a list"),
        ("tests.unit.jobs.calendars:german_dates", "gave '01.03.2026'; it must give dates or YYYY-MM-DD"),
    ],
)
def test_a_custom_function_that_cannot_be_used(function: str, message: str) -> None:
    """It is named, with what is wrong with it."""
    with pytest.raises(InvalidPeriod) as refused:
        resolve("last_2_mondays", schema=custom(function))
    assert message in str(refused.value)


@pytest.mark.parametrize("period", ["xlast_2_mondays", "last_2_mondays_", "last_2_mondays\n"])
def test_custom_patterns_match_the_whole_period(period: str) -> None:
    """A custom pattern is no prefix: `last_2_mondays_of_june` is another period."""
    with pytest.raises(InvalidPeriod, match="is not a known period"):
        resolve(period, schema=custom("tests.unit.jobs.calendars:last_mondays"))


def test_a_set_of_a_custom_function_is_sorted() -> None:
    """A set has no order of its own; the calendar has."""
    gives_a_set = custom(lambda period, today: {date(2026, 3, day) for day in (3, 1, 2)}, "spring")
    assert days("03-01", "03-02", "03-03") == resolve("spring", schema=gives_a_set).dates


def test_an_error_of_a_custom_function_is_reported() -> None:
    """With its type and its text."""

    def broken(period: str, today: date) -> list[date]:
        raise LookupError(period)

    with pytest.raises(InvalidPeriod, match="'moon': the custom period function raised LookupError: moon"):
        resolve("moon", schema=custom(broken, "moon"))


def test_a_custom_function_that_does_not_end_is_refused() -> None:
    """After a hundred thousand dates."""
    endless = custom(lambda period, today: itertools.repeat(today), "moon")
    with pytest.raises(InvalidPeriod, match="gave more than 100,000 dates"):
        resolve("moon", schema=endless)


def test_days_are_counted_before_they_are_made() -> None:
    """A range over all of the calendar is no list yet."""
    assert 3_652_059 == len(resolve("0001-01-01..9999-12-31").days)


@pytest.mark.parametrize(
    ("period", "relative"),
    [
        ("last_2_days", True),
        ("today", True),
        ("full_moon", True),
        ("2026-01-01..2026-01-31", False),
        ({"start": "2026-01-01", "end": "2026-01-31"}, False),
        ("data_interval", False),
    ],
)
def test_which_periods_depend_on_the_reference_date(period: Any, relative: bool) -> None:
    """Those that name their days do not."""
    assert relative == is_relative(period)


@pytest.mark.parametrize("days", [0, -1, -400])
def test_a_range_without_a_day(days: int) -> None:
    """It is empty."""
    none = DayRange(date(2026, 3, 2), days)
    assert (0, []) == (len(none), list(none))
