"""Fails on any finding of slither that the list does not explain, and on any entry nothing was found for.

Usage: explained.py LIST FOUND. Both are JSON; LIST: `[{"check", "why", "places": ["File.sol: member"]}]`.
"""

import json
import sys
from pathlib import Path
from typing import Any


def place(finding: dict[str, Any]) -> str:
    """File and member it is about, without line numbers, which move."""
    element = finding["elements"][0]
    member = element
    while member["type"] not in ("function", "contract"):
        member = member["type_specific_fields"]["parent"]
    return f"{Path(element['source_mapping']['filename_relative']).name}: {member['name']}"


def main(arguments: list[str]) -> int:
    listed, found = (json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments)
    if not found["success"]:
        sys.exit(f"slither did not finish: {found['error']}")
    findings = found["results"].get("detectors", [])
    for entry in listed:
        if not entry["why"].strip():
            sys.exit(f"each finding needs a reason: {entry['check']}")
    explained = {(entry["check"], where) for entry in listed for where in entry["places"]}
    seen = {(finding["check"], place(finding)) for finding in findings}
    for finding in findings:
        if (finding["check"], place(finding)) not in explained:
            print(f"not explained: {finding['check']} at {place(finding)}\n{finding['description']}")
    for check, where in sorted(explained - seen):
        print(f"explained but not found any more: {check} at {where}")
    print(f"{len(findings)} findings, {len(seen - explained)} not explained, {len(explained - seen)} gone")
    return 1 if seen != explained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
