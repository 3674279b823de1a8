"""`python -m tests.support.explorer`: explore scenarios, and print what breaks.

Without names every scenario is explored. `--replay` runs one schedule from the line that a report gives.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence

from tests.support.deterministic_aws.clients import Edge
from tests.support.explorer import scenarios
from tests.support.explorer.engine import Run
from tests.support.explorer.open_defects import OPEN
from tests.support.explorer.scenario import SCENARIOS, Scenario
from tests.support.explorer.schedule import Schedule
from tests.support.explorer.search import Found, Search, explore, minimise, replay, wander
from tests.support.explorer.trace import describe

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 if something is broken that is not listed as open, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.explorer", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *SCENARIOS], metavar="SCENARIO", help="default: all of them")
    parser.add_argument("--schedules", type=int, default=1_000_000, metavar="N", help="at most, of each scenario")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="at most, in all")
    parser.add_argument("--deviations", type=int, metavar="D", help="in a schedule (default: what the scenario says)")
    parser.add_argument("--deeper", type=int, default=0, metavar="D", help="as many deviations more than it says")
    parser.add_argument("--edge", type=Edge, choices=list(Edge), default=Edge.DIRECT, help="where AWS answers")
    parser.add_argument("--random", type=int, metavar="SEED", help="random schedules instead of all")
    parser.add_argument("--execute", action="store_true", help="run every schedule to its end")
    parser.add_argument("--first", action="store_true", help="end a scenario once its known defects are found")
    parser.add_argument("--quiet", action="store_true", help="print no traces")
    parser.add_argument("--replay", metavar="LINE", help="run one schedule and print its trace")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if options.replay:
        return _replay(Schedule.of(options.replay))
    return _explore([SCENARIOS[name] for name in options.names or SCENARIOS], options)


def _replay(schedule: Schedule) -> int:
    made: list[Scenario] = []

    def begin() -> Scenario:
        made.append(SCENARIOS[schedule.scenario].begin())
        return made[-1]

    run = replay(begin, schedule)
    print(describe(run))
    for attempt in made[-1].attempts:
        outcome = f"raised {attempt.error!r}" if attempt.error else f"returned {attempt.value}"
        print(f"{attempt.actor} {attempt.name} {outcome}")
    return bool(run.violations)


def _explore(chosen: Sequence[type[Scenario]], options: argparse.Namespace) -> int:
    begun = time.perf_counter()
    runs = whole = schedules = states = broken = surprising = 0
    for number, scenario in enumerate(chosen):
        left = options.seconds - (time.perf_counter() - begun)
        search = Search(
            deviations=options.deviations or scenario.deviations + options.deeper,
            schedules=options.schedules,
            seconds=max(left / (len(chosen) - number), 0.1),
            goal=scenario.all_rows_found if options.first else lambda _: False,
            edge=options.edge,
            leave_out_known=not options.execute,
        )
        found = (
            explore(scenario.begin, search)
            if options.random is None
            else wander(scenario.begin, search, seed=options.random)
        )
        runs, whole = runs + found.schedules, whole + found.whole
        schedules += found.covered(search.deviations) if options.random is None else found.schedules
        states += len(found.states)
        broken += len(found.failures)
        surprising += len(found.failures.keys() - OPEN.get(scenario.name, {}).keys())
        _report(scenario, found, search, quiet=options.quiet)
    seconds = time.perf_counter() - begun
    print(f"{schedules:,} schedules covered, {states:,} distinct states, {seconds:.1f} s")
    print(f"{runs:,} runs, {runs / seconds:.0f} a second: {whole:,} to their end, the others to a state that was known")
    print(f"{broken} broken promises, {surprising} of them not listed as open")
    return bool(surprising)


def _report(scenario: type[Scenario], found: Found, search: Search, *, quiet: bool) -> None:
    whole = "all" if found.complete else "not all"
    count = f"{found.covered(search.deviations):,} schedules ({whole} with {search.deviations} deviations)"
    text = f"{scenario.name}: {count}, {len(found.states):,} states, {found.schedules:,} runs, {found.seconds:.1f} s"
    print(text, flush=True)
    for kind, run in found.failures.items():
        small: Run = minimise(scenario.begin, run, kind)
        row = scenario.rows.get(kind, "-")
        schedules, seconds = found.found_at[kind]
        text = next(str(violation) for violation in small.violations if violation.kind == kind)
        print(f"  {row} after {schedules:,} schedules, {seconds:.1f} s: {text}")
        print(f"    {small.schedule} ({small.steps} requests)")
        if not quiet:
            print("    " + describe(small).replace("\n", "\n    "))


if __name__ == "__main__":
    assert scenarios.__all__
    sys.exit(main())
