"""What a reader copies from docs/testing is what tests run: the files themselves."""

import re
from pathlib import Path

import pytest

from tests.support.source import ROOT

PAGES = sorted((ROOT / "docs" / "testing").glob("*.md"))
SHOWN = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)


def shown_files(page: Path) -> list[tuple[str, str]]:
    return SHOWN.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_on_a_page_is_the_file_it_names(page: Path) -> None:
    for name, text in shown_files(page):
        assert text == (page.parent / name).read_text(encoding="utf-8"), f"{page.name} shows another {name}"


def test_every_example_file_is_shown_on_a_page() -> None:
    shown = {(page.parent / name).resolve() for page in PAGES for name, _ in shown_files(page)}
    examples = {
        path for path in (ROOT / "docs" / "testing").rglob("*")
        if path.is_file() and path.suffix != ".md" and "__pycache__" not in path.parts
    }  # fmt: skip

    assert examples == {path for path in shown if path.is_relative_to(ROOT / "docs" / "testing")}
