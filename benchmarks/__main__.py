"""The command: run a benchmark, or all; print the tables, write the figures as JSON, and put them into a document."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import shutil
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from benchmarks import ALL, BENCHMARKS, NAMED, QUICK
from benchmarks.report import Report, write_goals, write_json, write_markdown, write_table

_FOLDER = Path("build", "benchmarks")
_BEGIN, _END = "<!-- {name}: begin -->\n", "<!-- {name}: end -->"


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
            default=_FOLDER / f"{name}.json",
            metavar="FILE",
            help="where the figures go (default: %(default)s)",
        )
        _add_document(command)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    everything = commands.add_parser("all", help="the ones that docs/guides/performance.md has, each as it is there")
    everything.add_argument("--only", nargs="+", choices=[*ALL, *NAMED], default=list(ALL), help="some of them")
    everything.add_argument("--quick", action="store_true", help="small ones, to see that they work: into a copy")
    _add_document(everything)
    arguments = parser.parse_args()
    if arguments.benchmark == "all":
        return _run_all(parser, arguments)
    _write_into(arguments.document, [_run(arguments)])
    return 0


def _add_document(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--document", type=Path, nargs="+", default=[], help="replace the tables in these Markdown documents, too"
    )


def _run_all(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """One after the other. If one fails, the others go on, and the document stays as it is."""
    reports, failed = [], []
    for name in arguments.only:
        options = QUICK.get(name, []) if arguments.quick else {**ALL, **NAMED}[name]
        try:
            reports.append(_run(parser.parse_args([name, *options])))
        except (Exception, SystemExit):  # noqa: BLE001 - it is shown, and the command fails
            traceback.print_exc()
            failed.append(name)
    if reports:
        write_goals(reports, sys.stdout)
    if arguments.quick:
        sys.stdout.write("QUICK: everything is too small to be a figure.\n")
    for name in failed:
        sys.stdout.write(f"FAILED: {name}\n")
    if not failed:
        copied = (Path(shutil.copy(each, _FOLDER)) for each in arguments.document)
        _write_into(copied if arguments.quick else arguments.document, reports)
    return int(bool(failed))


def _run(arguments: argparse.Namespace) -> Report:
    before, begun = os.getloadavg()[0], time.monotonic()
    report: Report = arguments.run(arguments)
    report.seconds, report.load = time.monotonic() - begun, (before, os.getloadavg()[0])
    write_table(report, sys.stdout)
    write_json(report, arguments.json)
    sys.stdout.write(f"\nAll figures: {arguments.json}\n\n")
    sys.stdout.flush()
    return report


def _write_into(documents: Iterable[Path], reports: list[Report]) -> None:
    """Put each table between the two marks with its name, where a document has them; that of the goals if all ran."""
    tables: dict[str, io.StringIO] = {report.name: io.StringIO() for report in reports}
    for report in reports:
        write_markdown(report, tables[report.name])
    if set(ALL) <= set(tables):
        write_goals(reports, tables.setdefault("goals", io.StringIO()))
    for document in documents:
        text = document.read_text()
        for name, table in tables.items():
            begin, end = _BEGIN.format(name=name), _END.format(name=name)
            ready = begin + table.getvalue() + end
            text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, ready=ready: ready, text, flags=re.DOTALL)
        document.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
