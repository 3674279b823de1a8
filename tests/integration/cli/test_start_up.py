"""The commands that need no Airflow answer before you would notice a wait."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.start_up import COMMANDS, JOB, LIMIT_SECONDS, measured_command


@pytest.mark.parametrize("name", ["sosw-airflow --help", "sosw-airflow plan job.json"])
def test_start_up(name: str, tmp_path: Path) -> None:
    """A quarter of a second on a terminal; of the processor, since other tests use the machine as well."""
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    assert min(measured_command(COMMANDS[name], tmp_path)[1] for _ in range(5)) <= LIMIT_SECONDS
