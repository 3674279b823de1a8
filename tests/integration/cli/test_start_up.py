"""The commands that need no Airflow load nothing that makes you wait; `python -m benchmarks start_up` has the times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.start_up import JOB, PLAN

#: Each takes longer to import than the rest of a command.
SLOW = ("airflow", "boto3", "botocore", "rich", "sqlalchemy")


@pytest.mark.parametrize("command", [["sosw-airflow", "--help"], PLAN], ids=["help", "plan, piped"])
def test_start_up(command: list[str], tmp_path: Path) -> None:
    """In a fresh process, up to its end."""
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print([n for n in {SLOW!r} if n in sys.modules], file=sys.stderr))\n"
        f"from sosw_airflow.cli import main\nsys.exit(main({command[1:]!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (0, "[]") == (ended.returncode, ended.stderr.strip())
    assert ended.stdout
