"""TypeScript types made of the OpenAPI document: right use of them compiles, each misuse is found."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import npm
from tests.support.source import ROOT

pytestmark = pytest.mark.slow

# What a parameter has as default, nobody has to send.
MAKE = "--default-non-nullable=false"
CHECK = (
    "--strict", "--noEmit", "--target", "ES2022", "--module", "ES2022", "--moduleResolution", "bundler",
    "--pretty", "false",
)  # fmt: skip


def compiled(place: Path, program: str) -> list[str]:
    """What the compiler has against a program, a line each."""
    node = shutil.which("node")
    assert node is not None, "npm was there to install it"
    tsc = place / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        [node, str(tsc), *CHECK, program], cwd=place, capture_output=True, text=True, timeout=180, check=False
    )
    found = [line for line in done.stdout.splitlines() if ": error TS" in line]
    assert (done.returncode == 0) == (found == []), done.stdout + done.stderr
    return found


def test_types_of_the_document_compile_where_they_are_used_and_find_each_misuse(
    npm_package: Callable[[str], Path],
) -> None:
    place = npm_package("openapi-typescript")
    shutil.copy(ROOT / "docs" / "api" / "openapi.json", place)
    npm.run(place / "node_modules" / "openapi-typescript" / "bin" / "cli.js", "", str(place / "openapi.json"),
            MAKE, "-o", str(place / "api.d.ts"))  # fmt: skip
    lines = (place / "misused.ts").read_text(encoding="utf-8").splitlines()
    mistakes = [str(number) for number, text in enumerate(lines, 1) if text.startswith("export ")]

    assert compiled(place, "used.ts") == []
    found = [re.sub(r"^misused\.ts\((\d+),.*", r"\1", line) for line in compiled(place, "misused.ts")]
    assert found == mistakes
    assert len(mistakes) == 8
