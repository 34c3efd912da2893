"""An API in the test's own process over a real database: two merchants, an operator, networks, tokens, keys.

Every answer that passes through the client is held against the shapes that the OpenAPI document is made of.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
from pydantic import BaseModel

from bascule.domain.chain import Address, Hash
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints.api import ApiDeps, create_app
from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.effects import Download, Stream
from bascule.entrypoints.api.openapi import document
from bascule.entrypoints.api.operation import Operation
from bascule.entrypoints.api.shape import Problem
from bascule.services import api_keys
from bascule.services.dispatcher import Dispatcher
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemEntropy, new_id
from bascule.services.sequencer import Sequencer
from bascule.storage import accounts, networks, tokens
from bascule.storage.database import Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token
from tests.support.money_in import StandingClock
from tests.support.postgres import TestServer

OpenAs = Callable[[str], Awaitable[Database]]

PEPPER = b"pepper of the tests, 32 bytes or more"
SEED = b"seed of the tests' addresses"
LOCAL, SECOND, LIVE = 31337, 31338, 8453
FACTORY, VAULT = Address(b"\xfa" * 20), Address(b"\x01" * 20)
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
ENTROPY = SystemEntropy()
DOCUMENT = document(OPERATIONS, "http://bridge.test")
_PATTERNS = [
    (re.compile(re.sub(r"\{\w+\}", "[^/]+", operation.path)), operation)
    for operation in sorted(OPERATIONS, key=lambda each: each.path.count("{"))
]

# httpx looks for it before each request, through every folder of the path (a tenth of a request's cost).
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]


_DRY = re.compile(rb'dry_run(=|":\s*)"?true')


def operation_of(method: str, path: str) -> Operation | None:
    """The operation that answers, the most literal path first."""
    for pattern, operation in _PATTERNS:
        if operation.method == method and pattern.fullmatch(path):
            return operation
    return None


async def conforms(response: httpx.Response) -> None:
    """Fails unless the answer is one that the document promises for this operation."""
    await response.aread()
    path = response.request.url.path
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["bascule-version"]
    if response.status_code >= 400 and path != "/readyz" and not path.startswith(("/c/", "/i/", "/r/")):
        assert response.headers["content-type"] == "application/problem+json", response.text
        problem = Problem.model_validate_json(response.content)
        assert problem.status == response.status_code
        assert problem.error.request_id == response.headers["request-id"]
    operation = operation_of(response.request.method, path)
    if operation is None:
        return
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert str(response.status_code) in described["responses"], f"{operation.name}: {response.status_code}"
    if response.status_code == 200 and not isinstance(operation.effect, Download | Stream):
        shape: type[BaseModel] = operation.returns
        shape.model_validate_json(response.content, strict=True)


@dataclass
class Shop:
    """What a test of the API needs. merchant, rival: accounts with a key each."""

    owner: Database
    api: Database
    worker: Database
    clock: StandingClock
    deps: ApiDeps
    operator: str
    merchant: str
    rival: str
    secret: str
    rival_secret: str
    live_secret: str
    tokens: dict[str, Token]
    app: Any = None
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @asynccontextmanager
    async def client(
        self, secret: str | None = None, *, failpoints: Failpoints = NO_FAILPOINTS
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A client with the merchant's key, or another; `secret=""` sends none."""
        given = self.secret if secret is None else secret
        app = create_app(self.deps if failpoints is NO_FAILPOINTS else with_failpoints(self.deps, failpoints))
        headers = {"authorization": f"Bearer {given}"} if given else {}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://bridge.test",
            headers=headers,
            event_hooks={"response": [conforms, self.audited]},
        ) as client:
            yield client

    async def audited(self, response: httpx.Response) -> None:
        """Fails unless what changed something left one line of audit, and what did not left none."""
        operation = operation_of(response.request.method, response.request.url.path)
        if operation is None or operation.reads:
            return
        told = (
            "SELECT actor LIKE 'key_%%', action FROM audit_log WHERE action LIKE 'api.%%' AND request_id = %s"
        )
        async with self.worker.read() as conn:
            found = await (await conn.execute(told, [response.headers["request-id"]])).fetchall()
        request = response.request
        sent = await request.aread() if isinstance(request.stream, httpx.ByteStream) else b""
        dry = _DRY.search(request.url.query + b"&" + sent)
        once = response.status_code == 200 and "idempotent-replayed" not in response.headers and not dry
        expected = [(True, f"api.{operation.name}")] if once and operation.changes else []
        assert found == expected, f"audit of {operation.name}"

    async def key(self, account_id: str, **options: Any) -> api_keys.IssuedKey:
        """A fresh key of an account."""
        settings: dict[str, Any] = {"livemode": False, "kind": "sk"} | options
        async with self.owner.transaction() as conn:
            return await api_keys.issue(
                conn, account_id=account_id, pepper=PEPPER, clock=self.clock, entropy=ENTROPY, **settings
            )

    def sequencer(self, failpoints: Failpoints = NO_FAILPOINTS) -> Sequencer:
        """A sequencer under the worker's login."""
        return Sequencer(self.worker, self.clock, ENTROPY, failpoints)

    def dispatcher(self, sender: Any, **options: Any) -> Dispatcher:
        """A dispatcher under the worker's login."""
        return Dispatcher(self.worker, self.clock, ENTROPY, Outbox(self.clock, ENTROPY), sender, **options)

    async def rows(self) -> dict[str, int]:
        """How many rows the tables that requests may write have."""
        tables = (
            "payment_intents", "deposit_addresses", "payouts", "payout_approvals", "idempotency_keys",
            "webhook_endpoints", "deliveries", "outbox", "audit_log", "api_keys", "policies",
            "destinations", "destination_verifications", "payout_batches", "payout_batch_approvals",
            "checkout_sessions",
        )  # fmt: skip
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
        async with self.owner.read() as conn:
            row = await (await conn.execute(f"SELECT {counts}".encode())).fetchone()
        assert row is not None
        return dict(zip(tables, row, strict=True))

    async def run(self, statement: str, *values: object) -> None:
        """One statement by the database's owner."""
        async with self.owner.transaction() as conn:
            await conn.execute(statement.encode(), values)

    async def arrive(
        self, intent: dict[str, Any], amount: int, *, number: int = 10, account: str | None = None
    ) -> str:
        """A deposit at the intent's first address with an application, as the watcher would write it."""
        n = next(self._numbers)
        [(network, details)] = list(
            intent["next_action"]["display_deposit_details"]["deposit_addresses"].items()
        )[:1]
        chain_id, token = int(network.split(":")[1]), details["supported_tokens"][0]
        dst, contract = bytes.fromhex(details["address"][2:]), bytes.fromhex(token["contract"][2:])
        block, tx_hash = Hash(number.to_bytes(32, "big")), n.to_bytes(32, "big")
        deposit = new_id("dep", self.clock, ENTROPY)
        await self.run(
            "INSERT INTO blocks (chain_id, hash, number, parent, block_time) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            *(chain_id, block, number, (number - 1).to_bytes(32, "big"), self.clock.now()),
        )
        await self.run(
            "INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst,"
            " amount, occurrence) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0)",
            *(chain_id, block, n, number, tx_hash, contract, b"\x99" * 20, dst, amount),
        )
        await self.run(
            "INSERT INTO deposits (id, account_id, livemode, kind, chain_id, tx_hash, token, src, dst,"
            " occurrence, token_id, amount, block_hash, block_number, block_time, log_index, created_at)"
            " VALUES (%s, %s, false, 'payment', %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s, %s)",
            *(deposit, account or self.merchant, chain_id, tx_hash, contract, b"\x99" * 20, dst),
            *(token["token"], amount, block, number, self.clock.now(), n, self.clock.now()),
        )
        await self.run(
            "INSERT INTO applications (deposit_id, intent_id, state, amount_applied)"
            " VALUES (%s, %s, 'applied', %s)",
            *(deposit, intent["id"], amount),
        )
        await self.run(
            "UPDATE payment_intents SET received = received + %s WHERE id = %s",
            *(amount * 10 ** (18 - token["decimals"]), intent["id"]),
        )
        return deposit


def with_failpoints(deps: ApiDeps, failpoints: Failpoints) -> ApiDeps:
    """The same API with places where it dies."""
    return ApiDeps(
        deps.db, deps.clock, deps.entropy, deps.pepper, deps.deposit_seed,
        allow_local_webhooks=deps.allow_local_webhooks, public_url=deps.public_url, failpoints=failpoints,
    )  # fmt: skip


async def open_shop(open_as: OpenAs) -> Shop:
    """Sets up accounts, networks, tokens and keys as the owner, and the API under its own login."""
    owner, api, worker = await open_as("owner"), await open_as("api"), await open_as("worker")
    clock = StandingClock(START)
    ids = {name: new_id("acct", clock, ENTROPY) for name in ("operator", "merchant", "rival")}
    known: dict[str, Token] = {}
    async with owner.transaction() as conn:
        for name, id in ids.items():
            kind: Any = "operator" if name == "operator" else "merchant"
            await accounts.create(conn, id=id, kind=kind, name=name.title(), created_at=clock.now())
        for chain_id, name in ((LOCAL, "local"), (SECOND, "second"), (LIVE, "base")):
            await networks.publish(conn, _network(chain_id, name))
            token = Token(
                new_id("tok", clock, ENTROPY), chain_id, Address(b"\xc0" * 20), "usdc", "Test Dollar", 6, True
            )
            known[name] = await tokens.publish(conn, token)
    deps = ApiDeps(
        api, clock, ENTROPY, PEPPER, SEED, allow_local_webhooks=True, public_url="http://bridge.test"
    )
    shop = Shop(
        owner, api, worker, clock, deps, **ids, secret="", rival_secret="", live_secret="", tokens=known
    )
    shop.secret = (await shop.key(shop.merchant)).secret
    shop.rival_secret = (await shop.key(shop.rival)).secret
    shop.live_secret = (await shop.key(shop.merchant, livemode=True)).secret
    return shop


@asynccontextmanager
async def shop_on(server: TestServer, name: str) -> AsyncIterator[Shop]:
    """A shop on a database of this name while this is open, for a file of tests that change nothing."""
    server.create(name)
    async with AsyncExitStack() as stack:

        async def open_as(role: str) -> Database:
            return await stack.enter_async_context(Database(server.url_of(name, role), pool_size=2))

        yield await open_shop(open_as)
    server.drop(name)


def _network(chain_id: int, name: str) -> Network:
    policy = FinalityPolicy("depth", 3) if chain_id == LOCAL else FinalityPolicy("finalized", 0)
    return Network(chain_id, name, chain_id == LIVE, policy, VAULT, FACTORY, None, None)
