# PYTHON_ARGCOMPLETE_OK
"""The command `sosw-airflow`. Each subcommand is a module with `EXIT_CODES`, `add_arguments(parser)`, `run(arguments)`.

`--help` imports no subcommand, and a subcommand imports its own module only. Neither Airflow nor boto3 nor rich is
loaded before a subcommand needs it.

Here: arguments, output, exit codes, signals. Not here: the work of a command, which is in `scheduling`, `waiting`,
`orchestration`, `doctor` and `provision`, so that operators do the same.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

__all__ = ["COMMANDS", "Command", "main"]


class Command(NamedTuple):
    """A subcommand.

    :ivar path: of its module.
    :ivar help: one line for the list of commands.
    """

    path: str
    help: str

    def module(self) -> ModuleType:
        """Its module, imported."""
        return import_module(self.path)


#: In the order of a job's life.
COMMANDS = {
    "init": Command("sosw_airflow.cli.init", "Create missing tables, bucket and assistant, or print a template."),
    "import-config": Command(
        "sosw_airflow.cli.import_config", "Turn sosw's own configuration into a Connection and two Variables."
    ),
    "doctor": Command(
        "sosw_airflow.cli.doctor", "Check a deployment: Connection, tables, permissions, labourers, stuck jobs."
    ),
    "plan": Command("sosw_airflow.cli.plan", "Show the tasks, sizes and time of a job. Writes nothing."),
    "schedule": Command("sosw_airflow.cli.schedule", "Put a job into the queue by hand, outside any DAG."),
    "drain": Command("sosw_airflow.cli.drain", "Write the tasks of a queue file that sosw's Scheduler has left."),
    "orchestrate": Command(
        "sosw_airflow.cli.orchestrate", "Invoke the tasks of labourers, in the place of sosw's Orchestrator."
    ),
    "jobs": Command("sosw_airflow.cli.jobs", "List the scheduled jobs, the newest first."),
    "status": Command("sosw_airflow.cli.status", "Show or watch how many tasks of a job are completed and failed."),
    "results": Command("sosw_airflow.cli.results", "Print the result or the error of each task of a job."),
    "repair": Command("sosw_airflow.cli.repair", "Schedule the failed tasks of a job again, each once."),
    "set": Command(
        "sosw_airflow.cli.change", "Change a job's place in the queue, and how many of its tasks run at once."
    ),
    "pause": Command("sosw_airflow.cli.pause", "Let Airflow's orchestrators invoke no further task of a labourer."),
    "resume": Command("sosw_airflow.cli.resume", "End the pause of a labourer."),
    "cancel": Command("sosw_airflow.cli.cancel", "Remove the tasks of a job that no worker has got."),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; wrong usage exits with 2."""
    given = sys.argv[1:] if argv is None else list(argv)
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(_parser(COMMANDS))
    arguments = _parsed(given)
    from sosw_airflow.cli.execution import execute

    return execute(arguments.command, COMMANDS[arguments.command].module(), arguments)


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """The arguments; ``--help`` and ``--version`` end here, also if their reader has gone."""
    try:
        try:
            return _parser(given[:1]).parse_args(given)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        from sosw_airflow.cli.execution import output_failed

        raise SystemExit(output_failed("sosw-airflow", error)) from None


def _parser(declared: Collection[str]) -> argparse.ArgumentParser:
    """The parser of all subcommands.

    :param declared: the subcommands whose arguments are declared; the others have their name and help alone.
    """
    parser = argparse.ArgumentParser(
        prog="sosw-airflow",
        description="Commands of the sosw provider for Apache Airflow.",
        epilog="`sosw-airflow COMMAND --help` has the arguments and the exit codes of a command.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        if name in declared:
            from sosw_airflow.cli.exit_codes import HelpFormatter, described

            module = command.module()
            subparser.formatter_class = HelpFormatter
            subparser.epilog = described(module.EXIT_CODES)
            module.add_arguments(subparser)
    return parser


class _Version(argparse.Action):
    """Prints the version of this package."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from sosw_airflow import __version__

        print(f"airflow-provider-sosw {__version__}")
        parser.exit()
