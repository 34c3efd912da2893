"""A client that a generator makes of the OpenAPI document works as it is."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bascule.entrypoints.api import create_app
from tests.support.api import Shop
from tests.support.sandbox import served
from tests.support.source import ROOT

pytestmark = pytest.mark.slow

LIMIT_S = 600  # only of a run that hangs
LOCK = Path(__file__).with_name("generator.txt")


async def ran(*words: str, **environment: str) -> str:
    program = await asyncio.create_subprocess_exec(
        *words, env=os.environ | environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(program.communicate(), LIMIT_S)
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == 0, said.decode()
    return said.decode()


@pytest.fixture
async def generator() -> str:
    """The generator with its Java, in an environment of its own, made where it is not there yet."""
    programs = Path(sys.executable).parent
    folder, uv = programs.parent / "generator", str(programs / "uv")
    try:
        await ran(uv, "venv", "--quiet", "--allow-existing", str(folder))
        python = str(folder / "bin" / "python")
        await ran(uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", str(LOCK))
    except (AssertionError, OSError) as error:
        pytest.skip(f"the generator with its Java cannot be installed: {str(error).strip()[-200:]}")
    return str(folder / "bin" / "openapi-generator-cli")


async def test_generated_python_client_asks_for_money_and_finds_it_again(
    shop: Shop, generator: str, tmp_path: Path
) -> None:
    document = str(ROOT / "docs" / "api" / "openapi.json")
    words = ("generate", "-g", "python", "-i", document, "-o", str(tmp_path))
    await ran(generator, *words, JAVA_OPTS="-XX:TieredStopAtLevel=1")  # half the time of a short run

    async with served(create_app(shop.deps)) as url:
        smoke = str(Path(__file__).parent / "smoke.py")
        said = await ran(sys.executable, smoke, url, shop.secret, PYTHONPATH=str(tmp_path))

    assert said.strip() == "done"
