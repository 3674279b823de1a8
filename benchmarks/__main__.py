"""The command: run a benchmark, print its table, write its figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks import BENCHMARKS
from benchmarks.report import write_json, write_table


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures that anyone can repeat.")
    commands = parser.add_subparsers(dest="benchmark", required=True, metavar="NAME")
    for name, path in BENCHMARKS.items():
        module = importlib.import_module(path)
        command = commands.add_parser(name, help=module.ABOUT, description=module.ABOUT)
        command.add_argument(
            "--json",
            type=Path,
            default=Path("build", "benchmarks", f"{name}.json"),
            metavar="FILE",
            help="where the figures go (default: %(default)s)",
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args()
    report = arguments.run(arguments)
    write_table(report, sys.stdout)
    write_json(report, arguments.json)
    sys.stdout.write(f"\nAll figures: {arguments.json}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
