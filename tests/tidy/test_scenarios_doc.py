"""docs/scenarios.md names what is tested, no more and no less."""

from tests.support.scenarios_doc import TARGET, render


def test_scenarios_page_is_in_step_with_the_tests() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run `make docs`"
