"""The files of docs/guides/testing.md, as a user would have them: pytest finds the kit, and the tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "testing.md"


@pytest.mark.slow
def test_the_files_of_the_page(tmp_path: Path) -> None:
    """Each block that begins with a file's name is that file."""
    files = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for name, code in files:
        (tmp_path / name).write_text(code)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in ended.stdout, ended.stdout
    names = ["conftest.py", "hashtags.py", "test_hashtags.py", "test_outcomes.py", "test_results.py", "test_waiting.py"]
    assert [name for name, _ in files] == names


def test_the_test_is_short() -> None:
    """Fewer than ten lines."""
    (code,) = re.findall(r"# test_hashtags.py\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len([line for line in code.splitlines() if line]) < 10
