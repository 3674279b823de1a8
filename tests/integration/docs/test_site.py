"""The site has every page; `make docs` builds it, and fails on a warning."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


def test_every_page_is_in_the_navigation() -> None:
    """Once."""
    navigation = (DOCS.parent / "mkdocs.yml").read_text().partition("\nnav:")[2]
    assert sorted(re.findall(r"[\w/-]+\.md", navigation)) == sorted(PAGES)


def test_every_page_is_in_the_list_of_pages() -> None:
    """On the first page, once."""
    pages = (DOCS / "index.md").read_text().partition("\n## Pages")[2]
    assert sorted(re.findall(r"\]\(([\w/-]+\.md)\)", pages)) == sorted(PAGES - {"index.md"})
