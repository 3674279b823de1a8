"""Every example in README.md and docs/ is tried.

- Sessions (`>>>`) run, and must print what the page shows. Those of one page share their names, in the page's order.
- Python without Airflow runs as a script.
- Python that needs Airflow is parsed, its imports are made, and the arguments that it gives to our operator must be
  ones; it is not executed. (What runs in a real Airflow are the example DAGs: tests/integration/test_example_dags.py.)
- A file, which begins with its name in a comment, is left to the test of its page.
- JSON is parsed.
- Dates in the table of periods are those that the periods have.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import inspect
import io
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from sosw_airflow.jobs import JobSchema
from sosw_airflow.jobs.periods import resolve_period

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_NEEDS_AIRFLOW = re.compile(
    r"^\s*(?:from|import) (?:airflow|sosw_airflow\.(?!jobs|exceptions|stores|config))", re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path, language: str) -> Iterator[Block]:
    """The blocks of one language."""
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        # A quoted DAG has a test of its own: tests/integration/test_example_dags.py.
        if match["language"] == language and not match["code"].startswith("--8<--"):
            yield Block(page, text.count("\n", 0, match.start("code")) + 1, language, match["code"])


def is_session(block: Block) -> bool:
    """Whether the block is an interactive session."""
    return block.code.lstrip().startswith(">>>")


PYTHON = [block for page in PAGES for block in blocks_of(page, "python")]
SCRIPTS = [block for block in PYTHON if not is_session(block) and not re.match(r"# \w+\.py\n", block.code)]
WITH_AIRFLOW = [block for block in SCRIPTS if _NEEDS_AIRFLOW.search(block.code)]
WITHOUT_AIRFLOW = [block for block in SCRIPTS if block not in WITH_AIRFLOW]
WITH_SESSIONS = [page for page in PAGES if any(is_session(block) for block in blocks_of(page, "python"))]


def page_name(page: Path) -> str:
    """The page as the tests' ids show it."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_SESSIONS, ids=page_name)
def test_sessions_print_what_the_page_shows(page: Path, request: pytest.FixtureRequest) -> None:
    """Each session of the page, with AWS as moto has it where it needs one."""
    sessions = [block for block in blocks_of(page, "python") if is_session(block)]
    if any("boto3" in block.code for block in sessions):
        request.getfixturevalue("mocked_aws")
    lines = [""] * len(page.read_text().splitlines())  # what is no session stays blank, so that line numbers fit
    for block in sessions:
        code = block.code.splitlines()
        lines[block.line - 1 : block.line - 1 + len(code)] = code
    name = page_name(page)
    test = doctest.DocTestParser().get_doctest("\n".join(lines), {}, name, str(page), 0)
    report = io.StringIO()
    with warnings.catch_warnings():
        results = doctest.DocTestRunner(verbose=False).run(test, out=report.write)
    assert 0 == results.failed, report.getvalue()
    assert results.attempted > 0


@pytest.mark.parametrize("block", WITHOUT_AIRFLOW, ids=str)
def test_scripts_run(block: Block) -> None:
    """Each on its own, without an error."""
    code = compile(block.code, str(block), "exec")
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        exec(code, {"__name__": "__main__"})


@pytest.mark.parametrize("block", WITH_AIRFLOW, ids=str)
def test_examples_with_airflow_can_be_imported(block: Block) -> None:
    """Each parses, and what it imports is there. They are not executed."""
    for node in ast.walk(ast.parse(block.code, str(block))):
        if isinstance(node, ast.Import):
            for each in node.names:
                importlib.import_module(each.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            for each in node.names:
                assert hasattr(module, each.name) or importlib.import_module(f"{node.module}.{each.name}")


@pytest.mark.parametrize("block", WITH_AIRFLOW, ids=str)
def test_examples_give_the_operator_arguments_that_it_has(block: Block) -> None:
    """Ours, or those of every operator."""
    from sosw_airflow.operators.sosw import SoswScheduleOperator

    known = {name for each in SoswScheduleOperator.__mro__ for name in inspect.signature(each.__init__).parameters}
    given = {
        keyword.arg
        for node in ast.walk(ast.parse(block.code))
        if isinstance(node, ast.Call) and "SoswScheduleOperator" in ast.unparse(node.func)
        for keyword in node.keywords
        if keyword.arg
    }
    assert set() == given - known


@pytest.mark.parametrize("block", [block for page in PAGES for block in blocks_of(page, "json")], ids=str)
def test_json_is_json(block: Block) -> None:
    """It can be pasted."""
    json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file of the repository."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_each_example_dag_is_quoted() -> None:
    """By a page, not copied: each file of dags/ has a part that a page shows."""
    quoted = re.findall(r'^--8<-- "dags/(\w+)\.py:dag"$', "".join(page.read_text() for page in PAGES), re.MULTILINE)
    assert sorted(set(quoted)) == sorted(file.stem for file in (ROOT / "dags").glob("*.py"))


def test_the_table_of_periods_is_right() -> None:
    """Each row that names dates names the dates that the period has on the page's reference date."""
    page = (ROOT / "docs" / "guides" / "periods.md").read_text()
    today = re.search(r"For the reference date (\d{4}-\d\d-\d\d)", page)
    assert today is not None
    rows = re.findall(r"^\| `([^|]+)` \| (\d{4}-[^|]+) \|$", page, re.MULTILINE)
    expected = {period: days_of(text.strip()) for period, text in rows}
    found = {
        period: resolve_period(
            json.loads(period) if period.startswith("{") else period,
            schema=JobSchema(),
            reference_date=date.fromisoformat(today[1]),
            data_interval=None,
        ).dates
        for period in expected
    }
    assert expected == found
    assert 8 == len(found)


def days_of(text: str) -> tuple[str, ...]:
    """`A, B, C` or `A to B` as dates."""
    if " to " not in text:
        return tuple(text.split(", "))
    first, last = map(date.fromisoformat, text.split(" to "))
    return tuple(str(first + timedelta(days=offset)) for offset in range((last - first).days + 1))
