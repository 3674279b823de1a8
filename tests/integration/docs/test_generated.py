"""What is made from the code is not stale: the tables of the reference, the map of the house."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_SPEC = importlib.util.spec_from_file_location("generate", ROOT / ".ci" / "generate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
GENERATE = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = GENERATE  # its dataclasses need this
_SPEC.loader.exec_module(GENERATE)
GENERATED: dict[Path, str] = GENERATE.generated()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_file_is_as_the_code_says(path: Path) -> None:
    """If this fails: `make generate`, and commit what it writes."""
    assert path.read_text() == GENERATED[path]
