"""The documentation speaks to its reader, and the first page of all stays short."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_pages_speak_to_you() -> None:
    """Five times "you" in 1,000 words at least."""
    text = " ".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    words = len(re.findall(r"\b[A-Za-z]+\b", text))
    assert len(re.findall(r"\byour?\b", text, re.IGNORECASE)) >= 5 * words / 1000


def test_the_readme_is_short() -> None:
    """150 lines at most."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_makefile_is_short_and_its_list_fits_a_screen() -> None:
    """120 lines at most; 30 for the list."""
    makefile = (ROOT / "Makefile").read_text()
    assert len(makefile.splitlines()) <= 120
    assert len(re.findall(r"^[a-z0-9.-]+:.*## |^##@", makefile, re.MULTILINE)) <= 30


def test_the_readme_links_every_guide() -> None:
    """A reader finds each of them from the first page."""
    readme = (ROOT / "README.md").read_text()
    guides = [page for page in (ROOT / "docs").rglob("*.md") if page.parent.name in ("guides", "start")]
    assert [page.name for page in guides if str(page.relative_to(ROOT)) not in readme] == []


def test_the_code_names_pages_that_exist() -> None:
    """A message or a comment that sends you to a page names where it lies now."""
    names = {
        name
        for module in (ROOT / "sosw_airflow").rglob("*.py")
        for name in re.findall(r"docs/[\w/-]+\.md", module.read_text())
    }
    assert sorted(name for name in names if not (ROOT / name).exists()) == []
    assert "docs/permissions.md" in names
