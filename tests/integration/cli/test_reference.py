"""docs/reference/cli.md is what the commands print."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from demo.record_commands import NARROW, PAGE, TRANSCRIPT, WIDE, Entry, page
from sosw_airflow.cli import COMMANDS

ROOT = Path(__file__).parents[3]
ENTRIES = [Entry(**entry) for entry in json.loads(TRANSCRIPT.read_text())]


def test_the_page_is_made_from_the_transcript() -> None:
    """After a change by hand: python -m demo.record_commands --from-transcript."""
    assert page(ENTRIES) == PAGE.read_text()


@pytest.mark.parametrize("columns", [WIDE, NARROW])
def test_the_transcript_has_every_command(columns: int) -> None:
    """Its help, and at least one run."""
    for name in COMMANDS:
        runs = [entry for entry in ENTRIES if entry.section == name and entry.columns == columns]
        assert len(runs) >= 2, name


def test_no_command_has_a_traceback() -> None:
    """Nor a help that is empty."""
    assert [entry.command for entry in ENTRIES if "Traceback" in entry.output or not entry.output.strip()] == []


@pytest.mark.slow
@pytest.mark.skipif(
    sys.version_info >= (3, 13) or not importlib.metadata.version("rich").startswith("15."),
    reason="argparse of Python 3.13 and other releases of rich print other texts",
)
def test_the_transcript_is_not_stale() -> None:
    """Recorded again, it is the same: python -m demo.record_commands writes it."""
    ended = subprocess.run(
        [sys.executable, "-m", "demo.record_commands", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
