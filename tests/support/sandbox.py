"""The API with its sandbox behind real HTTP, beside a story's own database, chain and clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import uvicorn

from bascule.chain.dev_node import DevNode
from bascule.chain.rpc import Rpc
from bascule.entrypoints.api import ApiDeps, create_app
from bascule.entrypoints.dev.purse import WellKnownPurse
from bascule.entrypoints.ports import listen
from bascule.services import api_keys, sandbox_suspect
from bascule.services.compliance import Compliance
from bascule.services.outbox import Outbox
from bascule.services.sandbox import Sandbox
from bascule.services.seams import Clock, SystemEntropy
from bascule.storage.database import Database
from tests.support.api import PEPPER, conforms


async def fresh_key(owner: Database, account_id: str, clock: Clock) -> str:
    """A fresh secret test key of the account."""
    async with owner.transaction() as conn:
        issued = await api_keys.issue(
            conn, account_id=account_id, livemode=False, kind="sk", pepper=PEPPER, clock=clock,
            entropy=SystemEntropy(),
        )  # fmt: skip
    return issued.secret


@asynccontextmanager
async def sandbox_api(
    db: Database, clock: Clock, nodes: Mapping[int, str], secret: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a served API. db: under the API's login; nodes: URLs by chain id."""
    async with aiohttp.ClientSession() as session:
        guard = db.refuse_open_transaction
        controls = {
            chain_id: DevNode(Rpc(url, session=session, guard=guard)) for chain_id, url in nodes.items()
        }
        box = Sandbox(db, controls, WellKnownPurse())
        compliance = Compliance(clock, Outbox(clock, SystemEntropy()))
        await sandbox_suspect.stands_on_its_list(box, compliance)
        deps = ApiDeps(db, clock, SystemEntropy(), PEPPER, bytes(32), sandbox=box)
        async with served(create_app(deps)) as url, client_of(url, secret) as client:
            yield client


def client_of(url: str, secret: str) -> httpx.AsyncClient:
    """A client whose every answer is held against the API's document."""
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.AsyncClient(base_url=url, headers=headers, event_hooks={"response": [conforms]}, timeout=20)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The application on a free port of loopback."""
    with listen("127.0.0.1", 0) as sock:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def ask(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    """What a test helper answers; fails on anything but 200."""
    answer = await client.post(f"/v1/test_helpers/{path}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refusal(client: httpx.AsyncClient, path: str, **body: Any) -> tuple[int, str, str | None]:
    """Status, code and parameter of a refused test helper."""
    answer = await client.post(f"/v1/test_helpers/{path}", json=body)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]
