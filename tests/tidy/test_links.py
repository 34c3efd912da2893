"""A link from one page to another leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.support.source import ROOT

PLACES = ("*.md", "docs/**/*.md", "abi/*.md", "contracts/*.md", "terraform/*.md", "tests/clients/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
