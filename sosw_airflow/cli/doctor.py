"""`sosw-airflow doctor`: looks at a whole deployment, says what is wrong and how to mend it, and changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sosw_airflow.doctor.findings import Finding

__all__ = ["HELP", "add_arguments", "run"]

HELP = "Examine a deployment: connection, tables, permissions, labourers, what is stuck; with a mend for each finding."

_EPILOG = """exit codes:
  0  jobs can be scheduled
  1  something is broken
  2  wrong usage, or there is no Airflow here
  3  nothing is broken, but there are warnings, and --strict is given
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("--conn-id", default="sosw_default", help="id of the Connection (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="leave out what is right")
    parser.add_argument("--strict", action="store_true", help="exit with 3 where there are warnings")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0, 1, 2 or 3, as its help says."""
    from sosw_airflow.cli.deployments import NoAirflowError, own_airflow

    try:
        with own_airflow():
            from sosw_airflow.hooks.doctor import examine_deployment
            from sosw_airflow.hooks.sosw import SoswHook

            findings = list(examine_deployment(SoswHook(arguments.conn_id)))
    except NoAirflowError as error:
        print(f"sosw-airflow doctor: {error}", file=sys.stderr)
        return 2
    levels = Counter(each.level.value for each in findings)
    shown = [each for each in findings if not (arguments.quiet and each.level.value == "ok")]
    if arguments.json:
        print(json.dumps([each.as_dict() for each in shown], indent=2))
    else:
        _print(shown)
        print(f"{levels['error']} broken, {levels['warning']} to look after, {levels['ok']} right")
    if levels["error"]:
        return 1
    return 3 if arguments.strict and levels["warning"] else 0


def _print(findings: Sequence[Finding]) -> None:
    for each in findings:
        mark = {"ok": "ok", "warning": "WARN", "error": "WRONG"}[each.level.value]
        for text, first in ((f"{each.subject}: {each.text}", f"{mark:<6}"), (each.fix, "       -> ")):
            if text:
                print(
                    textwrap.fill(
                        " ".join(text.split()),
                        118,
                        initial_indent=first,
                        subsequent_indent=" " * len(first),
                        break_long_words=False,
                        break_on_hyphens=False,
                    )
                )
