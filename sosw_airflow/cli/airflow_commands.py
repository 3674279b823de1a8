"""The same commands as ``airflow sosw ...``, where Airflow takes commands of providers (3.2 and later).

Airflow calls `get_sosw_commands` at the start of each of its commands, so little is imported here. The arguments are
declared once, for `argparse`; what a module declares is recorded and given to Airflow in its own form.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from sosw_airflow.cli import COMMANDS

__all__ = ["get_sosw_commands"]


def get_sosw_commands() -> list[Any]:
    """The group ``sosw`` in Airflow's form."""
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    modules = {name: import_module(module) for name, module in COMMANDS.items()}
    commands = [
        ActionCommand(name=name, help=module.HELP, func=_function(module), args=_arguments(module))
        for name, module in modules.items()
    ]
    return [GroupCommand(name="sosw", help="Jobs for sosw: plan, examine, set up", subcommands=commands)]


def _function(module: ModuleType) -> Callable[[argparse.Namespace], None]:
    return partial(_run, module)


def _run(module: ModuleType, arguments: argparse.Namespace) -> None:
    sys.exit(module.run(arguments))


def _arguments(module: ModuleType) -> list[Any]:
    """What the module declares."""
    recorder = _Recorder()
    module.add_arguments(recorder)
    return recorder.arguments


class _Recorder:
    """Stands for a parser, and keeps what is declared, as Airflow's `Arg`."""

    # What commands also set on their parsers; Airflow has no place for it.
    formatter_class: Any = None
    epilog: str | None = None

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
