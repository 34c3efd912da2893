"""A link from one page to another leads somewhere."""

import re

from tests.support.source import ROOT

PLACES = ("*.md", "docs/**/*.md", "abi/*.md", "contracts/*.md", "terraform/*.md", "tests/clients/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")


def test_every_link_to_a_file_leads_to_one() -> None:
    links = [(page, link) for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert links

    broken = [(page, link) for page, link in links if not (page.parent / link).exists()]
    assert [(str(page.relative_to(ROOT)), link) for page, link in broken] == []
