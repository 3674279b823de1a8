"""`sosw-airflow orchestrate`: invokes the tasks of labourers from a terminal, in the place of sosw's Orchestrator."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.deployments import add_connection, own_airflow, silence
from sosw_airflow.cli.exit_codes import DONE, INTERRUPTED, REFUSED, UNFINISHED
from sosw_airflow.cli.output import add_output, print_document
from sosw_airflow.cli.terminal import Column, live_table, plain_rows, printable, show_table, show_text
from sosw_airflow.cli.usage import UsageError

if TYPE_CHECKING:
    from sosw_airflow.orchestration.orchestrator import Orchestrator
    from sosw_airflow.orchestration.turn_report import TurnReport

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {
    DONE: "ended as asked, or by a signal after the turns under way; no task failed for good",
    REFUSED: "refused, or a labourer pauses because of a fault; the reason is on stderr",
    UNFINISHED: "at least one task failed for good, after its last attempt",
    INTERRUPTED: "a second signal came while the turns under way were awaited",
}

#: What a turn counts, in the order of a task's life.
_COUNTS = ("invoked", "refused", "requeued", "completed", "retried", "failed")

_COLUMNS = (
    Column("labourer"),
    Column("state"),
    Column("running", right=True),
    *(Column(name, right=True) for name in ("invoked", "completed", "retried", "failed")),
    Column("note", folds=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "labourers",
        nargs="*",
        metavar="LABOURER",
        help="whose tasks are invoked (default: all labourers of the Variable sosw_labourers)",
    )
    parser.add_argument("--once", action="store_true", help="end after one turn of each labourer")
    parser.add_argument("--until-idle", action="store_true", help="end when no labourer has a task any more")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.cli.progress import stop_on_signals

    if arguments.once and arguments.until_idle:
        message = "--once ends before the queues are empty. Fix: give --once or --until-idle, not both"
        raise UsageError(message)
    with own_airflow():
        from sosw_airflow.hooks.orchestration import orchestrator_of
        from sosw_airflow.hooks.sosw import SoswHook

        orchestrator = orchestrator_of(SoswHook(arguments.conn_id), list(dict.fromkeys(arguments.labourers)))
    counters = _Counters(orchestrator, sys.stdout if arguments.output == "table" else sys.stderr)
    with silence(), stop_on_signals(orchestrator.stop, counters.stopping), counters.shown():
        orchestrator.run(until_idle=arguments.until_idle, once=arguments.once)
    counters.raise_if_unread()
    records = counters.records()
    if arguments.output in ("json", "yaml"):
        print_document(records, arguments.output)
    elif arguments.output == "plain":
        plain_rows(_COLUMNS, counters.rows())
    else:
        show_text("Stopped by a signal, after the turns under way." if orchestrator.stop.is_set() else "Done.")
        show_table(_COLUMNS, counters.rows())
    for each in records:
        if each["paused"]:
            print(printable(f"The labourer {each['labourer']} pauses: {each['paused']}"), file=sys.stderr)
    if any(each["paused"] for each in records):
        return REFUSED
    return UNFINISHED if any(each["failed"] for each in records) else DONE


class _Counters:
    """What the turns of each labourer have done so far: a table that follows them, or one line a turn.

    :param stream: for the table or the lines.
    """

    def __init__(self, orchestrator: Orchestrator, stream: Any) -> None:
        self._stop, self._stream = orchestrator.stop, stream
        self._live = stream is not None and stream.isatty()
        self._unread: OSError | None = None
        self._totals = {each.labourer_id: dict.fromkeys(_COUNTS, 0) for each in orchestrator.policies}
        self._last: dict[str, TurnReport | None] = dict.fromkeys(self._totals)
        orchestrator.on_turn = self._take

    @property
    def stopping(self) -> str:
        """What to print at the first signal. The table that follows the turns says it itself."""
        return "" if self._live else "Stopping after the turns under way. A second signal does not wait.\n"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Inside, the table is kept up to date."""
        if not self._live:
            yield
            return
        with live_table(_COLUMNS, self.rows, self._footer, stderr=self._stream is sys.stderr):
            yield

    def raise_if_unread(self) -> None:
        """Raise what the first line met that could not be written: its reader has gone."""
        if self._unread is not None:
            raise self._unread

    def records(self) -> list[dict[str, Any]]:
        """One for each labourer."""
        return [
            {
                "labourer": labourer_id,
                "state": _state(last),
                "running": last.running if last else 0,
                **self._totals[labourer_id],
                "holder": last.holder if last else "",
                "paused": last.paused if last else "",
            }
            for labourer_id, last in self._last.items()
        ]

    def rows(self) -> list[list[str]]:
        """The cells of the table."""
        rows = []
        for record in self.records():
            record["note"] = record["paused"] or record["holder"]
            cells = (record[column.header] for column in _COLUMNS)
            rows.append([f"{cell:,}" if isinstance(cell, int) else " ".join(cell.split()) for cell in cells])
        return rows

    def _footer(self) -> str:
        return "Stopping after the turns under way ..." if self._stop.is_set() else "Ctrl-C ends it."

    def _take(self, report: TurnReport) -> None:
        """Count a turn. It never raises: the other turns under way must be counted, and the labourers be released."""
        former, self._last[report.labourer_id] = self._last[report.labourer_id], report
        counts = {name: getattr(report, name) for name in _COUNTS}
        totals = self._totals[report.labourer_id]
        self._totals[report.labourer_id] = {name: totals[name] + count for name, count in counts.items()}
        news = [report.news] if report.news else []
        if report.paused and (former is None or former.paused != report.paused):
            news.append(f"pauses: {report.paused}")
        if report.holder and (former is None or former.holder != report.holder):
            news.append(f"processed by {report.holder}")
        if news and not self._live:
            self._print(f"{report.labourer_id}: {', '.join(news)}")

    def _print(self, line: str) -> None:
        if self._unread is not None or self._stream is None:
            return
        try:
            now = datetime.now(timezone.utc)
            print(f"{now:%Y-%m-%dT%H:%M:%SZ} {printable(' '.join(line.split()))}", file=self._stream, flush=True)
        except OSError as error:
            self._unread = error
            self._stop.set()


def _state(last: TurnReport | None) -> str:
    """The state of a labourer, after its last turn."""
    if last is None:
        return "starting"
    if last.paused:
        return "paused"
    if last.holder:
        return "elsewhere"
    return "idle" if last.idle else "working"
