"""A treasury whose history is sealed and whose heads are written on chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bascule.domain.chain import parse_address
from bascule.entrypoints import anchoring
from bascule.services.anchor_planner import AnchorPlanner
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.sealer import Sealer
from bascule.storage import audit
from bascule.storage.database import Database
from tests.support.money_out import Treasury

ACCOUNT = 7


@dataclass
class Notary:
    """Seals, asks for anchors and sends them, step by step."""

    stage: Treasury
    worker: Database

    async def open(self) -> Notary:
        """The anchor's wallet gets its lane."""
        wallet, chain_id = parse_address(self.address), self.stage.network.chain_id
        async with self.stage.owner.transaction() as conn:
            limits = anchoring.hard_limits(1_000 * 10**9)
            await anchoring.register(conn, chain_id, wallet, limits=limits, next_nonce=0)
        await self.stage.follow(3)
        return self

    @property
    def address(self) -> str:
        return self.stage.node.accounts[ACCOUNT].address

    async def spend_all(self) -> None:
        """The wallet keeps nothing; its first nonce is used up by that."""
        node = self.stage.node
        held = int(await node.rpc("eth_getBalance", self.address, "latest"), 16)
        price = {"gas": 21_000, "maxFeePerGas": 20 * 10**9, "maxPriorityFeePerGas": 20 * 10**9}
        left = held - 21_000 * 20 * 10**9
        sent = await node.transact(node.accounts[ACCOUNT], to=node.accounts[0].address, value=left, **price)
        assert sent["status"] == "0x1"
        await self.stage.rows_change("UPDATE wallets SET next_nonce = 1 WHERE name = 'anchor'")
        await self.stage.follow(3)

    async def happens(self, action: str) -> None:
        """Somebody changes something."""
        async with self.stage.owner.transaction() as conn:
            await audit.append(conn, actor="cli", action=action, object_id="o")

    async def seal(self) -> None:
        """All that was written so far."""
        while await Sealer(self.worker, self.stage.clock).run_once():
            pass

    async def ask(self, failpoints: Failpoints = NO_FAILPOINTS) -> int:
        """What there is is sealed, and the head asked for; how many requests that made."""
        await self.seal()
        return await AnchorPlanner(self.worker, self.stage.clock, failpoints).run_once()

    async def send(self, failpoints: Failpoints = NO_FAILPOINTS) -> None:
        """The lane's submitter works until what it sent is final."""
        await self.stage.run(await self.stage.submitter(holder="a", lane="anchor", failpoints=failpoints))

    async def on_chain(self) -> list[bytes]:
        """The data of what the wallet sent, in order, as the chain has it."""
        found: list[bytes] = []
        head = int(await self.stage.node.rpc("eth_blockNumber"), 16)
        for number in range(head + 1):
            block: dict[str, Any] = await self.stage.node.rpc("eth_getBlockByNumber", hex(number), True)
            found += [
                bytes.fromhex(tx["input"][2:])
                for tx in block["transactions"]
                if tx["from"].lower() == self.address.lower() == tx["to"].lower()
                and int(tx["value"], 16) == 0
            ]
        return found
