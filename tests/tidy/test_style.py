"""Format, lint and types are tests like all others."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source import ROOT

BIN = Path(sys.executable).parent


def run(*command: str) -> str:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_code_is_formatted_and_linted() -> None:
    run("ruff", "format", "--check", ".")
    run("ruff", "check", ".")


def test_types_hold_in_strict_mode() -> None:
    assert "Success" in run("mypy")


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files are tracked is unknown")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


# Assembled here so that this file does not match itself.
FORBIDDEN = re.compile(
    "|".join(
        [
            "registry" + r"\.npmjs",
            "files" + r"\.pythonhosted",
            "pypi" + r"\.org/simple",
            r"BEGIN [A-Z ]*PRIVATE " + "KEY",
        ]
    )
)


def test_no_tracked_file_names_a_registry_host_or_holds_a_private_key() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix not in {".png", ".woff2"}
        and FORBIDDEN.search(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


def test_no_build_product_is_tracked() -> None:
    names = {str(p.relative_to(ROOT)) for p in tracked_files()}

    assert not [
        n
        for n in names
        if n == "uv.lock" or n.startswith(("dist/", ".venv/", "node_modules/")) or "__pycache__" in n
    ]


def test_requirements_are_pinned_by_hash_and_name_no_index() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")

    assert "://" not in text
    pins = re.findall(r"^([a-z0-9_.-]+(?:\[[a-z,]+\])?)==", text, re.MULTILINE | re.IGNORECASE)
    assert len(pins) > 50
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert [b.splitlines()[0] for b in blocks if "--hash=sha256:" not in b] == []
