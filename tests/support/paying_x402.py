"""A merchant whose server is paid by x402, a customer who signs authorizations, and us as the facilitator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain.authorization import LANE, SigningDomain
from bascule.domain.chain import caip2, checksum, parse_address
from bascule.domain.hashing import keccak
from bascule.entrypoints import presenting
from bascule.entrypoints.api import ApiDeps, create_app
from bascule.services import api_keys
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.seams import SystemEntropy
from bascule.services.submitter import Submitter
from bascule.storage import authorizations
from tests.support.api import PEPPER, conforms
from tests.support.authorizations import Dollar, request
from tests.support.chain import calldata
from tests.support.flushing import CUSTOMER, Sweep, sweep
from tests.support.money_out import SEED, OpenAs, Treasury

WALLET = 7  # the facilitator's account
DOMAIN = SigningDomain("Test Dollar", "1")
HOUR = 3_600
STATE = keccak(b"authorizationState(address,bytes32)")[:4]
PRESENT = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"


@dataclass
class Till:
    """The world of flushes, with a facilitator. pay_to: the merchant's standing address."""

    world: Sweep
    client: httpx.AsyncClient
    pay_to: str
    secret: str
    nonces: count[int] = field(default_factory=lambda: count(1))

    @property
    def stage(self) -> Treasury:
        return self.world.stage

    @property
    def dollar(self) -> Dollar:
        return Dollar(self.stage.network.chain_id, checksum(self.stage.token.contract), DOMAIN.name)

    def requirements(self, amount: int = 10_000, **changes: Any) -> dict[str, Any]:
        """What the merchant's server asks for; amount in base units."""
        return self.dollar.requirements(self.pay_to, amount, **changes)

    def authorization(self, amount: int = 10_000, **changes: Any) -> dict[str, str]:
        """What the customer is to sign, valid for an hour."""
        now = int(self.stage.clock.now().timestamp())
        return {
            "from": self.stage.node.accounts[CUSTOMER].address,
            "to": self.pay_to,
            "value": str(amount),
            "validAfter": "0",
            "validBefore": str(now + HOUR),
            "nonce": "0x" + next(self.nonces).to_bytes(32, "big").hex(),
        } | changes

    def signed(self, authorization: dict[str, str], by: int = CUSTOMER) -> str:
        """The signature of an account of the chain."""
        return self.dollar.signature(self.stage.node.accounts[by].private_key, authorization)

    def payment(self, amount: int = 10_000, **changes: Any) -> dict[str, Any]:
        """A request to the facilitator, of a payment of its own. changes: of what is signed."""
        said = self.authorization(amount, **changes)
        return request(said, self.signed(said), self.requirements(amount))

    async def ask(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The verdict, which is 200 whatever it says."""
        answer = await self.client.post(f"/x402/{path}", json=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def lane(self, failpoints: Failpoints = NO_FAILPOINTS, **options: Any) -> Submitter:
        """A fresh submitter process of the facilitator's lane."""
        return await self.stage.submitter(lane=LANE, failpoints=failpoints, **options)

    async def work(self, lane: Submitter | None = None, blocks: int = 4) -> None:
        """The lane works while blocks come, each read by the watcher."""
        lane = lane or await self.lane()
        for _ in range(blocks):
            while await lane.run_once():
                pass
            await self.stage.follow(1)
        while await lane.run_once():
            pass

    async def stranger(self, payment: dict[str, Any]) -> str:
        """Somebody else presents what was signed, in a block of its own; gives the transaction's hash."""
        said = payment["paymentPayload"]["payload"]
        a, raw = said["authorization"], bytes.fromhex(said["signature"][2:])
        arguments = [
            a["from"], a["to"], int(a["value"]), int(a["validAfter"]), int(a["validBefore"]),
            bytes.fromhex(a["nonce"][2:]), raw[64], raw[:32], raw[32:64],
        ]  # fmt: skip
        receipt = await self.stage.node.transact(
            self.stage.node.accounts[9],
            to=checksum(self.stage.token.contract),
            data=calldata(PRESENT, arguments),
            maxFeePerGas=20 * 10**9,
            maxPriorityFeePerGas=10 * 10**9,  # before ours in its block
        )
        assert receipt["status"] == "0x1"
        return str(receipt["transactionHash"])

    async def by_hand(self, amount: int) -> None:
        """The customer sends as much by a plain transfer, in a block of its own; amount in base units."""
        done = await self.stage.node.transact(
            self.stage.node.accounts[CUSTOMER],
            to=checksum(self.stage.token.contract),
            data=calldata("transfer(address,uint256)", [self.pay_to, amount]),
        )
        assert done["status"] == "0x1"

    async def stored(self) -> list[tuple[Any, ...]]:
        """State and failure of every authorization, by its amount."""
        return await self.stage.rows("SELECT state, failure_code FROM authorizations ORDER BY amount, id")

    async def received(self) -> list[int]:
        """Base units of each Transfer to the standing address, as the chain has it."""
        topic = "0x" + self.pay_to[2:].lower().rjust(64, "0")
        wanted = {
            "fromBlock": "0x0",
            "toBlock": "latest",
            "address": checksum(self.stage.token.contract),
            "topics": ["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef", None, topic],
        }
        return [int(log["data"], 16) for log in await self.stage.node.rpc("eth_getLogs", wanted)]

    async def books(self) -> dict[str, int]:
        """What the merchant has, by the kind of its ledger account, credit positive."""
        rows = await self.stage.rows(
            "SELECT split_part(code, ':', 1), -posted FROM ledger.balances WHERE owner_account = %s",
            self.world.merchant,
        )
        return {name: int(posted) for name, posted in rows}


@asynccontextmanager
async def till(
    open_as: OpenAs,
    folder: Path,
    *,
    failpoints: Failpoints = NO_FAILPOINTS,
    per_day: int = 10**19,
    **stages: Any,
) -> AsyncIterator[Till]:
    """A merchant with a standing address, a customer with money, a facilitator with coin; nothing is paid."""
    async with sweep(open_as, folder, **stages) as world:
        stage = world.stage
        await open_facilitator(stage, WALLET, per_day)
        secret = await secret_of(stage, world.merchant)
        await stage.follow(3)
        async with client_of(world, secret, failpoints) as client:
            made = await client.post(
                "/v1/standing_addresses", json={"network": caip2(stage.network.chain_id)}
            )
            assert made.status_code == 200, made.text
            yield Till(world, client, made.json()["address"], secret)


async def secret_of(stage: Treasury, account_id: str) -> str:
    """A fresh key of an account."""
    async with stage.owner.transaction() as conn:
        issued = await api_keys.issue(
            conn, account_id=account_id, pepper=PEPPER, clock=stage.clock, entropy=SystemEntropy(),
            livemode=False, kind="sk",
        )  # fmt: skip
    return issued.secret


async def open_facilitator(stage: Treasury, account: int, per_day: int = 10**19) -> None:
    """An account of the chain presents what holders of the stage's token sign. per_day: wei."""
    wallet = parse_address(stage.node.accounts[account].address)
    async with stage.owner.transaction() as conn:
        await authorizations.publish_domain(conn, stage.token.id, DOMAIN)
        await presenting.register(
            conn, stage.network.chain_id, wallet, [stage.token], max_fee_per_gas=1_000 * 10**9,
            max_per_day=per_day, next_nonce=0,
        )  # fmt: skip


def api_of(world: Sweep, failpoints: Failpoints = NO_FAILPOINTS, **options: Any) -> Any:
    """The API, beside the world's own node."""
    stage = world.stage
    guard = stage.api.refuse_open_transaction
    node = Rpc(stage.node.url, session=stage.session, guard=guard, family=ETHEREUM)
    deps = ApiDeps(
        stage.api, stage.clock, SystemEntropy(), PEPPER, SEED, public_url="http://b.test",
        failpoints=failpoints, nodes={stage.network.chain_id: node}, **options,
    )  # fmt: skip
    return create_app(deps)


def client_of(world: Sweep, secret: str, failpoints: Failpoints = NO_FAILPOINTS) -> httpx.AsyncClient:
    """The API, asked with this key; settle waits for nothing."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=api_of(world, failpoints, settle_wait_s=0)),
        base_url="http://b.test",
        headers={"authorization": f"Bearer {secret}"},
        event_hooks={"response": [conforms]},
    )
