"""What README.md says of its DAG, and the links of the top-level documents; the other examples run in this folder."""

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


def test_dag_makes_the_number_of_tasks_that_it_says() -> None:
    """The DAG block is a whole DAG file, and its job becomes 12 tasks a day."""
    names: dict[str, Any] = {}
    exec(DAG_BLOCK.replace("    SoswScheduleOperator(", "    operator = SoswScheduleOperator("), names)
    schema = {"chunkable_attrs": ["topic", "word"]}
    assert len(list(expand(names["operator"].job, schema=schema, reference_date=date(2026, 3, 2)))) == 12
    assert "This puts 12 tasks a day into the queue" in README


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(document: str) -> None:
    """Each relative link of the top-level documents names a file or folder of the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
