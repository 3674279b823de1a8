"""`airflow sosw ...`: the same commands as Airflow's own (3.2 and later)."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sosw_airflow.cli import COMMANDS
from sosw_airflow.cli.airflow_commands import get_sosw_commands
from tests.unit.test_provider_info import airflow_schema

if "cli" not in airflow_schema()["properties"]:
    pytest.skip("Airflow before 3.2 takes no commands of providers", allow_module_level=True)


def parser_of(name: str) -> argparse.ArgumentParser:
    """A subcommand as Airflow would make it."""
    (group,) = get_sosw_commands()
    (command,) = [each for each in group.subcommands if each.name == name]
    parser = argparse.ArgumentParser()
    for each in command.args:
        each.add_to_parser(parser)
    parser.set_defaults(func=command.func)
    return parser


def test_every_command_is_there() -> None:
    """In the same order."""
    (group,) = get_sosw_commands()
    assert [each.name for each in group.subcommands] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    """It can be shown."""
    assert "usage" in parser_of(name).format_help()


def test_a_command_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And ends with its exit code."""
    job = tmp_path / "job.json"
    job.write_text('{"words": ["a", "b"], "isolate_words": true}')
    schema = '{"chunkable_attrs": ["word"]}'
    arguments = parser_of("plan").parse_args(
        [str(job), "--labourer", "w", "--schema", schema, "--output", "json", "--max-tasks", "1"]
    )
    with pytest.raises(SystemExit) as ended:
        arguments.func(arguments)
    assert (ended.value.code, json.loads(capsys.readouterr().out)["tasks"]) == (3, 2)


@pytest.mark.slow
def test_airflow_knows_it() -> None:
    """By the provider info."""
    ended = subprocess.run(
        [sys.executable, "-m", "airflow", "sosw", "init", "--cloudformation"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "AWS::DynamoDB::Table" in ended.stdout
