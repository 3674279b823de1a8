"""The site has every page; `make docs` builds it, and fails on a warning."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = {page.name for page in (ROOT / "docs").glob("*.md")}


def test_every_page_is_in_the_navigation() -> None:
    """Once."""
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    assert sorted(re.findall(r"[\w-]+\.md", navigation)) == sorted(PAGES)


def test_every_page_is_in_the_list_of_pages() -> None:
    """On the first page, once."""
    pages = (ROOT / "docs" / "index.md").read_text().partition("\n## Pages")[2]
    assert sorted(re.findall(r"\]\(([\w-]+\.md)\)", pages)) == sorted(PAGES - {"index.md"})
