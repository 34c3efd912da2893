"""docs/operating/configuration.md names every setting, no more and no less."""

from bascule.entrypoints import docs_configuration
from tests.support.source import ROOT


def test_configuration_page_is_in_step_with_the_settings() -> None:
    page = (ROOT / docs_configuration.TARGET).read_text(encoding="utf-8")

    assert page == docs_configuration.render(), "run `make docs`"
