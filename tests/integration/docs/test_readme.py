"""README.md shows what exists, and the links of the top-level documents lead to files."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.jobs import expand

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
DAG_BLOCK, *_ = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_dag_is_the_example() -> None:
    """The DAG block is the part of dags/sosw_hashtags.py that the other pages quote, to the letter."""
    assert f"# --8<-- [start:dag]\n{DAG_BLOCK}# --8<-- [end:dag]\n" in (ROOT / "dags" / "sosw_hashtags.py").read_text()


def test_dag_makes_the_number_of_tasks_that_it_says() -> None:
    """The DAG block is a whole DAG file, and its job becomes 36 tasks a run."""
    names: dict[str, Any] = {}
    exec(DAG_BLOCK.replace("    SoswScheduleOperator(", "    operator = SoswScheduleOperator("), names)
    schema = {"chunkable_attrs": ["topic", "word"]}
    assert len(list(expand(names["operator"].job, schema=schema, reference_date=date(2026, 3, 2)))) == 36
    assert "Each run puts 36 tasks into the queue, 18 words for 2 days," in README


def test_number_of_examples_is_right() -> None:
    """As the README says it in words."""
    assert len(list((ROOT / "dags").glob("*.py"))) == 20
    assert "twenty example DAGs" in README


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_lead_somewhere(document: str) -> None:
    """Each relative link of the top-level documents names a file or folder of the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
