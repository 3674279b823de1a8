"""`sosw-airflow doctor`: checks a whole deployment, reports what is wrong and how to fix it, and changes nothing."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection, own_airflow
from sosw_airflow.cli.exit_codes import DONE, REFUSED, UNFINISHED
from sosw_airflow.cli.output import add_output, print_document
from sosw_airflow.cli.terminal import Column, Line, plain_rows, show_lines, show_text
from sosw_airflow.exceptions.faults import counted

if TYPE_CHECKING:
    from sosw_airflow.doctor.findings import Finding

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {
    DONE: "jobs can be scheduled",
    REFUSED: "something is broken",
    UNFINISHED: "nothing is broken, but there are warnings, and --strict is given",
}

_MARKS = {"ok": "✓", "warning": "!", "error": "✗"}

#: For a terminal that cannot show them.
_ASCII_MARKS = {"ok": "ok", "warning": "!", "error": "x"}

_COLUMNS = tuple(Column(name) for name in ("level", "check", "subject", "text", "fix", "command"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_connection(parser)
    parser.add_argument("--quiet", action="store_true", help="leave out what is right")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if there are warnings")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    with own_airflow():
        from sosw_airflow.hooks.doctor import examine_deployment
        from sosw_airflow.hooks.sosw import SoswHook

        findings = list(examine_deployment(SoswHook(arguments.conn_id)))
    levels = Counter(each.level.value for each in findings)
    shown = [each for each in findings if not (arguments.quiet and each.level.value == "ok")]
    if arguments.output in ("json", "yaml"):
        print_document([each.as_dict() for each in shown], arguments.output)
    elif arguments.output == "plain":
        plain_rows(_COLUMNS, [[each.as_dict()[column.header] or "-" for column in _COLUMNS] for each in shown])
    else:
        _show(shown)
        show_text(f"{levels['error']} broken, {counted(levels['warning'], 'warning')}, {levels['ok']} right")
        _show_commands(findings)
    if levels["error"]:
        return REFUSED
    return UNFINISHED if arguments.strict and levels["warning"] else DONE


def _show(findings: Sequence[Finding]) -> None:
    show_lines(line for each in findings for line in _lines(each))


def _lines(finding: Finding) -> Iterator[Line]:
    level = finding.level.value
    mark = _marks()[level]
    yield Line(mark, " ".join(f"{finding.subject}: {finding.text}".split()), "" if level == "ok" else level)
    if finding.fix:
        yield Line("", " ".join(f"Fix: {finding.fix}".split()))


def _show_commands(findings: Sequence[Finding]) -> None:
    """The commands that fix what was found, each once, unbroken so that they can be copied."""
    commands = dict.fromkeys(each.command for each in findings if each.command)
    if commands:
        print("\nTo copy:")
        for command in commands:
            print(f"  {command}")


def _marks() -> dict[str, str]:
    try:
        "".join(_MARKS.values()).encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return _ASCII_MARKS
    return _MARKS
