"""docs/testing/faults.md is the vocabulary's own page."""

from tests.support.faults_doc import TARGET, render


def test_committed_page_of_faults_is_what_the_vocabulary_says() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run `make docs`"
