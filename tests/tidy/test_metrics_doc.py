"""docs/operating/metrics.md names every metric, no more and no less."""

from bascule.entrypoints import docs_metrics
from tests.support.source import ROOT


def test_metrics_page_is_in_step_with_the_code() -> None:
    page = (ROOT / docs_metrics.TARGET).read_text(encoding="utf-8")

    assert page == docs_metrics.render(), "run `make docs`"
