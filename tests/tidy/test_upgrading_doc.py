"""The page about new versions speaks of migrations that are there, in the words of the check it names."""

import re

from tests.support.source import ROOT, SRC

PAGE = (ROOT / "docs" / "operating" / "upgrading.md").read_text(encoding="utf-8")
CHECKS = (SRC / "storage" / "invariants" / "rows.sql").read_text(encoding="utf-8")


def test_upgrading_page_names_migrations_and_a_finding_that_exist() -> None:
    named = re.findall(r"^\| (\d{4}) to (\d{4}) \|", PAGE, re.MULTILINE)
    [finding] = re.findall(r"\"(and nobody looks .*)\"", PAGE)
    versions = SRC / "storage" / "migrations" / "bridge" / "versions"

    assert named == [("0121", "0123")]
    assert all(list(versions.glob(f"{number}_*.sql")) for pair in named for number in pair)
    assert f"is open, {finding}'" in CHECKS
