"""How many failed tasks are tolerated."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.waiting.tolerance import Tolerance


def test_every_share_with_one_decimal_of_a_round_number_of_tasks_is_exact() -> None:
    """Binary fractions fail here: 32.3 % of 1,000 is 322.99999999999994 in them."""
    wrong = [
        (tenths, tasks)
        for tenths in range(1001)
        for tasks in (100, 500, 1000, 2000, 5000, 10_000, 20_000, 100_000)
        if Tolerance.of(f"{tenths / 10}%").most(tasks) != tenths * tasks // 1000
    ]
    assert wrong == []


@given(hundredths=st.integers(0, 10_000), tasks=st.integers(0, 10**12))
def test_a_share_is_rounded_down(hundredths: int, tasks: int) -> None:
    """The most that may fail is allowed, one more is not."""
    tolerance = Tolerance.of(f"{hundredths // 100}.{hundredths % 100:02d} %")
    most = hundredths * tasks // 10_000
    assert (tolerance.allows(most, tasks), tolerance.allows(most + 1, tasks)) == (True, False)


@pytest.mark.parametrize(
    ("given_as", "total", "most"),
    [
        ("5%", 19, 0),
        ("5%", 20, 1),
        ("5%", 39, 1),
        ("32.3%", 1000, 323),
        ("100%", 7, 7),
        ("0%", 7, 0),
        ("0.00001%", 10**7, 1),
        ("33.33333333333333333333%", 3 * 10**21, 999_999_999_999_999_999_999),
        (7, 3, 7),
        ("7", 1000, 7),
        (0, 1000, 0),
    ],
)
def test_the_most_tasks_that_may_fail(given_as: int | str, total: int, most: int) -> None:
    """A number is itself, a share is rounded down."""
    assert Tolerance.of(given_as).most(total) == most


@pytest.mark.parametrize("given_as", [-1, True, 0.05, None, "", "x", "-1", "100.1%", "1e1%", "٣", "5%%", "9" * 5000])
def test_anything_else_is_refused(given_as: object) -> None:
    """The message names the argument and both forms."""
    with pytest.raises(InvalidConfiguration, match=r"tolerated_failures: must be a number of tasks .* such as '5%'"):
        Tolerance.of(given_as)


@pytest.mark.parametrize("given_as", ["2.5%", " 5 % ", "7", 12_000, 10**30, "33.33333333333333333333%", "0.0%"])
def test_it_survives_its_way_through_airflow(given_as: int | str) -> None:
    """A trigger stores it as JSON."""
    tolerance = Tolerance.of(given_as)
    assert Tolerance.of(json.loads(json.dumps(tolerance.as_given))) == tolerance


@pytest.mark.parametrize(("given_as", "shown"), [("2.5%", "2.5 %"), (" 5 % ", "5 %"), (12_000, "12,000")])
def test_it_is_shown_as_it_was_given(given_as: int | str, shown: str) -> None:
    """For the error that names it."""
    assert str(Tolerance.of(given_as)) == shown
