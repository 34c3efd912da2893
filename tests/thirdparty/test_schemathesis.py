"""A program that knows of us only the OpenAPI document finds no answer that the document has not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from bascule.entrypoints.api import create_app
from tests.support.api import Shop
from tests.support.sandbox import served

pytestmark = pytest.mark.slow

BUDGET_S = 25
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# One never ends; the others would end the key that asks.
LEFT_OUT = ("stream_events", "revoke_api_key", "rotate_api_key")


@pytest.mark.parametrize("asks", ["merchant", "operator"])
async def test_no_answer_is_a_fault_or_undocumented(shop: Shop, tmp_path: Path, asks: str) -> None:
    secret = shop.secret if asks == "merchant" else (await shop.key(shop.operator)).secret
    async with served(create_app(shop.deps)) as url:
        words = [
            "run", f"{url}/openapi.json", "-H", f"Authorization: Bearer {secret}", "--checks", CHECKS,
            "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "2", "--no-shrink",
            "--max-time", str(BUDGET_S), "--request-timeout", "10", "--generation-database", "none",
            *(word for name in LEFT_OUT for word in ("--exclude-operation-id", name)),
        ]  # fmt: skip
        program = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "schemathesis"), *words,
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = await asyncio.wait_for(program.communicate(), 4 * BUDGET_S)
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
    async with shop.client(secret) as client:
        still = await client.get("/v1/balance")

    text = said.decode()
    assert program.returncode == 0, text
    assert "Stateful" in text, text
    assert still.status_code == 200, "the key was good to the end"
