"""docs/contracts/README.md names tests that exist, and every invariant."""

import re

from tests.support.source import ROOT

PAGE = (ROOT / "docs" / "contracts" / "README.md").read_text(encoding="utf-8")
TESTS = [*(ROOT / "tests" / "contracts").glob("test_*.py"), *(ROOT / "contracts" / "test").rglob("*.t.sol")]
DEFINED = {
    name
    for path in TESTS
    for name in re.findall(r"(?:def|function) ((?:test|invariant)_\w+)\(", path.read_text(encoding="utf-8"))
}


def test_each_test_the_page_names_exists() -> None:
    named = set(re.findall(r"`((?:test|invariant)_\w+)`", PAGE))

    assert len(named) > 50
    assert named - DEFINED == set()


def test_each_invariant_stands_on_the_page() -> None:
    invariants = {name for name in DEFINED if name.startswith("invariant_")}

    assert len(invariants) > 10
    assert {name for name in invariants if f"`{name}`" not in PAGE} == set()
