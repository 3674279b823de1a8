"""The command `sosw-airflow`. Each subcommand is a module with `HELP`, `add_arguments(parser)` and `run(arguments)`.

Neither Airflow nor boto3 is loaded before a subcommand needs it, so that `--help` and the pure commands are quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

__all__ = ["COMMANDS", "main"]

#: Module of each subcommand.
COMMANDS = {
    "plan": "sosw_airflow.cli.plan",
    "doctor": "sosw_airflow.cli.doctor",
    "init": "sosw_airflow.cli.init",
    "jobs": "sosw_airflow.cli.jobs",
    "status": "sosw_airflow.cli.status",
    "cancel": "sosw_airflow.cli.cancel",
    "repair": "sosw_airflow.cli.repair",
    "import-config": "sosw_airflow.cli.import_config",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit code: 0 done, 1 refused; wrong usage exits with 2."""
    parser = argparse.ArgumentParser(prog="sosw-airflow", description="Tools of the sosw provider for Apache Airflow.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = {name: import_module(module) for name, module in COMMANDS.items()}
    for name, module in modules.items():
        module.add_arguments(commands.add_parser(name, help=module.HELP, description=module.HELP))
    arguments = parser.parse_args(argv)
    code: int = modules[arguments.command].run(arguments)
    return code
