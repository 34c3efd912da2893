"""An API process that is told to stop writes a line for each request that it answered."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import httpx
import pytest

from bascule.entrypoints.ports import held
from tests.support.api import PEPPER, OpenAs, Shop, open_shop

pytestmark = pytest.mark.slow
CLIENTS, ANSWERS = 8, 300  # of whom all are asking when it is told to stop


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    return await open_shop(db_as)


@pytest.fixture
async def api(shop: Shop) -> AsyncIterator[tuple[Process, str]]:
    """`bascule api` and its URL; killed at the end, unless it has ended before."""
    with held("127.0.0.1", 0) as port:
        settings = {
            "BASCULE_DATABASE_URL_API": shop.api.url,
            "BASCULE_API_PEPPER": PEPPER.decode(),
            "BASCULE_DEPOSIT_SEED": "5e" * 32,
            "BASCULE_API_PORT": str(port),
            "BASCULE_RATE_LIMIT_TEST": "0",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bascule", "api", env=os.environ | settings, stdout=PIPE
        )
        try:
            assert process.stdout is not None
            assert json.loads(await process.stdout.readline())["port"] == port
            yield process, f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_stop_loses_no_answered_request_from_the_log(shop: Shop, api: tuple[Process, str]) -> None:
    process, url = api
    answered: list[str] = []
    enough = asyncio.Event()

    async def ask(client: httpx.AsyncClient) -> None:
        while True:
            try:
                answer = await client.get("/v1/balance")
            except httpx.TransportError:  # it has gone
                return
            assert answer.status_code == 200, answer.text
            answered.append(answer.headers["request-id"])
            if len(answered) >= ANSWERS:
                enough.set()

    key = {"authorization": f"Bearer {shop.secret}"}
    async with (
        httpx.AsyncClient(base_url=url, headers=key, timeout=60) as client,
        asyncio.TaskGroup() as all_,
    ):
        for _ in range(CLIENTS):
            all_.create_task(ask(client))
        await enough.wait()
        process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0

    async with shop.owner.read() as conn:
        rows = await (await conn.execute("SELECT id, left_out FROM requests")).fetchall()
    assert set(answered) <= {id for id, _ in rows}
    assert sum(left_out for _, left_out in rows) == 0
