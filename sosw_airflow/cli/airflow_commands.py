"""The same commands as ``airflow sosw ...``, if Airflow takes commands of providers (3.2 and later).

Airflow calls `get_sosw_commands` at the start of each of its commands, so little is imported here. The arguments are
declared once, for `argparse`; what a module declares is recorded and given to Airflow in its own form.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from types import ModuleType
from typing import Any

from sosw_airflow.cli import COMMANDS
from sosw_airflow.cli.exit_codes import described

__all__ = ["get_sosw_commands"]


def get_sosw_commands() -> list[Any]:
    """The group ``sosw`` in Airflow's form."""
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    commands = []
    for name, command in COMMANDS.items():
        module = command.module()
        commands.append(
            ActionCommand(
                name=name,
                help=command.help,
                func=partial(_run, name, module),
                args=_arguments(module),
                epilog=described(module.EXIT_CODES),
            )
        )
    return [
        GroupCommand(name="sosw", help="Jobs for sosw: set up, plan, schedule, watch, repair", subcommands=commands)
    ]


def _run(name: str, module: ModuleType, arguments: argparse.Namespace) -> None:
    from sosw_airflow.cli.execution import execute

    sys.exit(execute(name, module, arguments))


def _arguments(module: ModuleType) -> list[Any]:
    """The arguments that the module declares."""
    recorder = _Recorder()
    module.add_arguments(recorder)
    return recorder.arguments


class _Recorder:
    """Stands in for a parser, and keeps each declared argument as Airflow's `Arg`."""

    def __init__(self) -> None:
        self.arguments: list[Any] = []

    def add_argument(self, *flags: Any, **settings: Any) -> None:
        """Keep the argument."""
        from airflow.cli.cli_config import Arg

        argument: Any = Arg
        self.arguments.append(argument(flags, **settings))

    def add_argument_group(self, *_: Any, **__: Any) -> _Recorder:
        """Airflow has no groups."""
        return self
