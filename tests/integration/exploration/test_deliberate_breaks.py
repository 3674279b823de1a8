"""The search finds each deliberate break of the protocol in some hundred schedules."""

from __future__ import annotations

from contextlib import ExitStack
from unittest.mock import patch

import pytest

from tests.integration.exploration.deliberate_breaks import BREAKS, Break
from tests.support.deterministic_aws.clients import Edge
from tests.support.explorer import scenarios
from tests.support.explorer.open_defects import OPEN
from tests.support.explorer.scenario import SCENARIOS, Scenario
from tests.support.explorer.search import Found, Search, explore

SCHEDULES = 700

assert scenarios.__all__  # their import has filled SCENARIOS


@pytest.mark.slow
@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.name)
def test_a_break_is_found(broken: Break) -> None:
    """A promise is broken that the code as it is keeps."""
    scenario = SCENARIOS[broken.scenario]
    expected = OPEN.get(broken.scenario, {}).keys()

    def begin() -> Scenario:
        begun = scenario.begin()
        begun.aws.rewrite = broken.rewrite
        return begun

    def is_found(found: Found) -> bool:
        return bool(found.failures.keys() - expected)

    search = Search(deviations=scenario.deviations, schedules=SCHEDULES, goal=is_found, edge=Edge.DIRECT)
    with ExitStack() as patches:
        for target, value in broken.settings.items():
            patches.enter_context(patch(target, value))
        found = explore(begin, search)

    assert is_found(found), f"nothing new breaks in {found.schedules} schedules of {broken.scenario}"
