"""TypeScript types made of the OpenAPI document: right use of them compiles, each misuse is found."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import npm
from tests.support.source import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "api" / "requests.md").read_text(encoding="utf-8")
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


def snippet(name: str) -> str:
    """A marked block of the page."""
    found = re.search(rf"<!-- snippet {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None, f"{name} is a snippet of the page"
    return found[1]


@pytest.fixture(scope="module")
def place(npm_package: Callable[[str], Path]) -> Path:
    """A folder with the types, made by the page's own command."""
    place = npm_package("openapi-typescript")
    npx, name, *words = shlex.split(snippet("make-types"))
    assert (npx, name) == ("npx", "openapi-typescript")
    (place / "docs" / "api").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "api" / "openapi.json", place / "docs" / "api")
    cli = place / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
    npm.run(cli, "", *(str(place / word) if word.endswith((".json", ".ts")) else word for word in words))
    return place


def test_types_of_the_document_compile_where_they_are_used_and_find_each_misuse(place: Path) -> None:
    lines = (place / "misused.ts").read_text(encoding="utf-8").splitlines()
    mistakes = [str(number) for number, text in enumerate(lines, 1) if text.startswith("export ")]

    assert compiled(place, "used.ts") == []
    found = [re.sub(r"^misused\.ts\((\d+),.*", r"\1", line) for line in compiled(place, "misused.ts")]
    assert found == mistakes
    assert len(mistakes) == 9


def test_shop_of_the_page_compiles_and_its_mistakes_would_not(place: Path) -> None:
    shop = snippet("typescript")
    (place / "shop.ts").write_text(shop, encoding="utf-8")
    assert compiled(place, "shop.ts") == []

    for right, wrong in (
        ('amount: "25.00"', "amount: 25"), ("currency:", "curency:"), ('=== "succeeded"', '=== "paid"'),
        ("payment_intent.succeeded", "payment_intent.paid"), ("error.request_id", "error.requestId"),
    ):  # fmt: skip
        assert shop.count(right) == 1
        (place / "wrong.ts").write_text(shop.replace(right, wrong), encoding="utf-8")
        assert len(compiled(place, "wrong.ts")) == 1, wrong
