"""The section ``[sosw]`` of Airflow's configuration."""

from __future__ import annotations

import pytest

from sosw_airflow.config.options import max_invocations_from, max_tasks_from, period_modules_from, sends_ready_from
from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.get_provider_info import OPTIONS
from sosw_airflow.orchestration.policy import DEFAULT_LIMIT


def test_the_defaults_are_usable() -> None:
    """No module may be named, a million tasks are allowed, ten of them run at once, and pages are sent ready."""
    assert period_modules_from(OPTIONS["custom_period_modules"]["default"]) == ()
    assert max_tasks_from(OPTIONS["max_tasks"]["default"]) == 1_000_000
    assert max_invocations_from(OPTIONS["max_simultaneous_invocations"]["default"]) == DEFAULT_LIMIT
    assert sends_ready_from(OPTIONS["wire"]["default"])


def test_modules_are_separated_by_commas() -> None:
    """Blanks and empty entries do not count."""
    assert period_modules_from(" my_company.periods , calendars,,") == ("my_company.periods", "calendars")


@pytest.mark.parametrize("text", ["my company", ".", "a..b", ".a", "a:b", "*", "a;b"])
def test_what_is_no_module_is_refused(text: str) -> None:
    """The entry is named."""
    with pytest.raises(InvalidConfiguration, match=r"\[sosw\] custom_period_modules: must be names of modules"):
        period_modules_from(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1e6", "1_000", "many", "9" * 5000])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Also one that Python would not read."""
    with pytest.raises(InvalidConfiguration, match=r"\[sosw\] max_tasks: must be a whole number, 1 or more"):
        max_tasks_from(text)
    with pytest.raises(InvalidConfiguration, match=r"\[sosw\] max_simultaneous_invocations: must be a whole number"):
        max_invocations_from(text)


def test_who_serialises_pages_is_one_of_two() -> None:
    """Another word is refused with both."""
    assert not sends_ready_from(" botocore ")
    with pytest.raises(InvalidConfiguration, match=r"\[sosw\] wire: must be ready or botocore, not 'quick'"):
        sends_ready_from("quick")
