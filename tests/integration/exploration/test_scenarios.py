"""Every scenario keeps the promises of docs/guides/exactly-once.md in the first schedules of its search.

`python -m tests.support.explorer` goes further.
"""

from __future__ import annotations

import pytest

from tests.support.deterministic_aws.clients import Edge
from tests.support.explorer import scenarios
from tests.support.explorer.open_defects import OPEN
from tests.support.explorer.scenario import SCENARIOS
from tests.support.explorer.schedule import Schedule
from tests.support.explorer.search import Found, Search, explore, minimise, replay
from tests.support.explorer.trace import describe

#: Of each scenario, which takes a minute for all.
SCHEDULES = 300

assert scenarios.__all__  # their import has filled SCENARIOS


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_promises_are_kept(name: str) -> None:
    """Nothing breaks but what is listed as open."""
    scenario = SCENARIOS[name]
    found = explore(scenario.begin, Search(deviations=scenario.deviations, schedules=SCHEDULES, edge=Edge.DIRECT))

    surprising = [
        describe(minimise(scenario.begin, run, kind))
        for kind, run in found.failures.items()
        if kind not in OPEN.get(name, {})
    ]
    assert not surprising, "\n\n".join(surprising)


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in OPEN.items() for kind in kinds])
def test_what_is_open_is_open_still(name: str, kind: str) -> None:
    """The list of open defects has none that are fixed. If its schedule is out of date, the search finds another."""
    scenario = SCENARIOS[name]
    run = replay(scenario.begin, Schedule.of(OPEN[name][kind]))
    if kind in {violation.kind for violation in run.violations}:
        return

    def is_found(found: Found) -> bool:
        return kind in found.failures

    found = explore(scenario.begin, Search(deviations=scenario.deviations, schedules=500, goal=is_found))
    assert is_found(found), f"{name} keeps this promise now: remove {kind!r} from open_defects.py\n{describe(run)}"


#: Schedules that have broken a promise, by what happened.
REGRESSIONS = {
    "a process sleeps two hours after a throttled page": "schedule-with-faults A8!refused A9!sleeps A9!sleeps",
    "the loser of the record meets a delivery": "deliver-twice A5>B B9>A",
    "a locked file is taken over beside the one that was locked": "drain-dies A7!lost",
    "a cancelling dies after its first row": "cancel-beside-zombie C3!dies",
    "a repair whose plan is gone is cleared": "repair-and-plan-removed A14!dies",
    "a copy puts the plan of what it has read in the place of another's": "schedule-sourced-twice A4>B B7!dies",
    "two places are given to a job at once": "move-twice A4>B",
    "a refused claim is given back after the cancelling": "orchestrate-refused-and-cancel A8>B A8!refused",
}


@pytest.mark.parametrize("line", REGRESSIONS.values(), ids=REGRESSIONS.keys())
def test_what_was_broken_once(line: str) -> None:
    """It is not broken again."""
    schedule = Schedule.of(line)
    run = replay(SCENARIOS[schedule.scenario].begin, schedule)
    assert run.violations == []
    assert run.schedule == schedule  # it can still happen


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_actor_takes_part(name: str) -> None:
    """A scenario whose actors send nothing, or fail at once, would show nothing."""
    made = []

    def begin() -> object:
        made.append(SCENARIOS[name].begin())
        return made[-1]

    run = replay(begin, Schedule(name))  # type: ignore[arg-type]

    assert run.steps >= 3
    assert made[0].attempts
