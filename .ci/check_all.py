"""Run everything that can be checked, and print one table of what passed and how long it took: `make check-all`.

    python .ci/check_all.py [TARGET...]      (no target: all of them; make check-all TARGETS="lint docs")

Each target of the Makefile runs on its own; its output goes to build/check-all/<target>.log. Ends with code 1 if one
failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "build" / "check-all"

#: In the order in which they run: the fast ones first.
TARGETS = [
    "lint",
    "docs",
    "build",
    "demo",
    "test-3.3",
    "test-2.11",
    "test-lowest",
    "test-browser",
    "test-airflow",
    "test-celery",
    "test-kills",
    "test-pairs",
    "fuzz",
    "explore",
    "test-matrix",
    "bench",
    "bench-check",
]


#: The page of figures is written on a quiet machine, and not by a check.
ARGUMENTS = {"bench": ["DOCUMENT=/dev/null"]}


@dataclass(frozen=True)
class Result:
    """A row of the table."""

    target: str
    outcome: str
    tests: str
    seconds: float


def main(targets: list[str]) -> int:
    """Run the targets; return the exit code."""
    LOGS.mkdir(parents=True, exist_ok=True)
    results = []
    if unknown := set(targets) - set(TARGETS):
        print(f"No such target: {', '.join(sorted(unknown))}. These are: {' '.join(TARGETS)}", file=sys.stderr)
        return 2
    for target in targets or TARGETS:
        print(f"make {target} ...", end=" ", flush=True)
        results.append(_run(target))
        print(f"{results[-1].outcome} ({_duration(results[-1].seconds)})", flush=True)
    print(f"\n{_table(results)}")
    return int(any(result.outcome == "FAILED" for result in results))


def _run(target: str) -> Result:
    log = LOGS / f"{target}.log"
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        code = subprocess.run(
            ["make", "--no-print-directory", target, *ARGUMENTS.get(target, [])],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    not_run = re.search(r"^NOT RUN: .*", text, re.MULTILINE)
    outcome = "FAILED" if code else not_run.group() if not_run else "passed"
    return Result(target, outcome, _tests(text), time.monotonic() - began)


def _tests(text: str) -> str:
    """What pytest counted, added up over the commands of the target."""
    counts: dict[str, int] = {}
    for summary in re.findall(r"^=* ?(\d+ .+) in [\d.]+s", text, re.MULTILINE):
        for number, what in re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed)", summary):
            counts[what] = counts.get(what, 0) + int(number)
    return ", ".join(f"{number:,} {what}" for what, number in counts.items())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


def _table(results: list[Result]) -> str:
    rows = [("target", "outcome", "tests", "time")]
    rows += [(each.target, each.outcome, each.tests, _duration(each.seconds)) for each in results]
    rows.append(("all", "", "", _duration(sum(each.seconds for each in results))))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
