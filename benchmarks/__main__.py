"""The command: run a benchmark, or all; print the tables, write the figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import io
import re
import sys
from pathlib import Path

from benchmarks import ALL, BENCHMARKS
from benchmarks.report import write_json, write_markdown, write_table

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
        command.add_argument("--document", type=Path, help="replace the table in this Markdown document, too")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    everything = commands.add_parser("all", help="the ones that docs/guides/performance.md has, each as it is there")
    everything.add_argument("--only", nargs="+", choices=ALL, default=list(ALL), help="some of them")
    everything.add_argument("--document", type=Path, help="replace the tables in this Markdown document, too")
    arguments = parser.parse_args()
    if arguments.benchmark != "all":
        _run(arguments)
    else:
        for name in arguments.only:
            _run(parser.parse_args([name, *ALL[name]]), arguments.document)
    return 0


def _run(arguments: argparse.Namespace, document: Path | None = None) -> None:
    report = arguments.run(arguments)
    write_table(report, sys.stdout)
    write_json(report, arguments.json)
    sys.stdout.write(f"\nAll figures: {arguments.json}\n\n")
    sys.stdout.flush()
    document = document or arguments.document
    if document is not None:
        table = io.StringIO()
        write_markdown(report, table)
        _replace(document, arguments.benchmark, table.getvalue())


def _replace(document: Path, name: str, table: str) -> None:
    """Put the table between the two marks with its name, if the document has them."""
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    text = document.read_text()
    document.write_text(
        re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: begin + table + end, text, flags=re.DOTALL)
    )


if __name__ == "__main__":
    sys.exit(main())
