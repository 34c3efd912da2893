"""Fails on any skipped test that the list does not name with its reason.

Usage: check_skips.py LIST REPORT.xml …   A line of the list: `<part of the test's id> | <reason>`.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def listed(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    entries = [line.split("|", 1) for line in lines if line and not line.startswith("#")]
    for entry in entries:
        if len(entry) != 2 or not entry[1].strip():
            sys.exit(f"{path}: every skip needs a reason: {'|'.join(entry)}")
    return [entry[0].strip() for entry in entries]


def skipped(report: Path) -> list[tuple[str, str]]:
    cases = ET.parse(report).iter("testcase")
    return [
        (f"{case.get('classname')}::{case.get('name')}", node.get("message") or "no reason given")
        for case in cases
        for node in case.findall("skipped")
    ]


def main(arguments: list[str]) -> int:
    allowed = listed(Path(arguments[0]))
    reports = [Path(name) for name in arguments[1:]]
    if not reports:
        sys.exit("no test report was written: no test ran")
    surprising = [
        (test, why)
        for report in reports
        for test, why in skipped(report)
        if not any(part in test for part in allowed)
    ]
    for test, why in surprising:
        print(f"skipped without being listed in .ci/skips: {test}: {why}")
    return 1 if surprising else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
