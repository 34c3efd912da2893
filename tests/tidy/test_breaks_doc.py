"""docs/operating/breaks.md names every type of break, and what to do."""

from bascule.entrypoints import docs_breaks
from tests.support.source import ROOT


def test_breaks_page_is_in_step_with_the_types() -> None:
    page = (ROOT / docs_breaks.TARGET).read_text(encoding="utf-8")

    assert page == docs_breaks.render(), "run `make docs`"
