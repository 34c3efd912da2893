"""A treasury for stories about money going out: real database, chain, contracts, a signer behind its socket.

Every part works under its own database login. The clock stands still until a test moves it; blocks come when
a test mines; each worker works when a test lets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import aiohttp
from eth_account import Account
from eth_account.messages import encode_typed_data

from bascule.chain.families import ETHEREUM, Family
from bascule.chain.pool import pool
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, caip2, checksum, parse_address
from bascule.domain.hashing import keccak
from bascule.entrypoints import gassing
from bascule.entrypoints.devchain.accounts import DevAccount
from bascule.entrypoints.devchain.node import DEFAULT_CHAIN_ID
from bascule.entrypoints.signer_client import SignerClient
from bascule.entrypoints.signer_server import SignerServer
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.outbox import Outbox
from bascule.services.pace import Pace
from bascule.services.payouts import PayoutRequest, Payouts, describe
from bascule.services.seams import SystemEntropy
from bascule.services.signer import Signer
from bascule.services.submitter import Submitter, SubmitterSettings
from bascule.services.watcher import Watcher
from bascule.signing.keystore import LocalKey
from bascule.storage import addresses, lanes, ledger, signer_wallets
from bascule.storage.database import Database
from bascule.storage.networks import Network
from bascule.storage.signer_limits import HardLimits
from bascule.storage.tokens import Token
from tests.support.chain import LocalNode, calldata
from tests.support.money_out_setup import FLOAT, LANE_NAME, LIMIT, START, approver, deploy_vault, write_rows
from tests.support.oracle import judge_outgoing
from tests.support.prepared import Lay, prepared_node
from tests.support.stage_clock import StageClock
from tests.support.told import require_told

__all__ = ["FLOAT", "LANE_NAME", "LIMIT", "START", "OpenAs", "Treasury"]
__all__ += ["approver", "payee", "sign_typed", "treasury"]

OpenAs = Callable[[str], Awaitable[Database]]
SEED = bytes(range(32))
TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()


def payee(number: int) -> str:
    """An outside address nobody else in a test is paid at."""
    return checksum(Address(keccak(b"payee %d" % number)[12:]))


def sign_typed(person: DevAccount, typed_data: dict[str, Any]) -> str:
    """What a wallet answers to eth_signTypedData_v4."""
    signed = Account.sign_message(encode_typed_data(full_message=typed_data), person.private_key)
    return "0x" + bytes(signed.signature).hex()


@dataclass
class Treasury:
    """A funded vault with one lane, an operator with three approvers of whom two must sign.

    Accounts of the chain: 0 issues the token and owns the vault, 1 is the lane's wallet, 2 the treasury,
    3 guardian, 4 canceller.
    """

    node: LocalNode
    clock: StageClock
    owner: Database
    api: Database
    submitters_db: Database
    signers_db: Database
    watcher: Watcher
    session: aiohttp.ClientSession
    network: Network
    token: Token
    operator: str
    vault: str
    use_cases: Payouts
    socket: Path
    server: SignerServer | None = None
    clients: AsyncExitStack = field(default_factory=AsyncExitStack)
    requests: int = 0
    tells: bool = True  # False where a test changes rows behind everybody's back
    left: list[str] = field(default_factory=list)  # vaults it had before

    async def request(self, amount: str = "10.50", to: str | None = None, **changes: Any) -> dict[str, Any]:
        """A payout asked for through the API's login; to an address of its own unless given."""
        self.requests += 1
        key = changes.pop("idempotency_key", f"key-{self.requests}")
        maker = changes.pop("maker", None)
        asked = PayoutRequest(
            amount=amount,
            currency=changes.pop("currency", "usdt"),
            network=changes.pop("network", caip2(self.network.chain_id)),
            destination=to or payee(self.requests),
            **changes,
        )
        async with self.api.transaction() as conn:
            return await self.use_cases.request(
                conn,
                account_id=self.operator,
                livemode=False,
                request=asked,
                idempotency_key=key,
                requested_by="key_test",
                maker=maker,
            )

    async def approve(
        self, payout: dict[str, Any], *people: int, signature: str | None = None
    ) -> dict[str, Any]:
        """Each person signs what the payout asks for now; returns the payout after the last one."""
        for number in people or (1, 2):
            now = await self.read(payout)
            person = approver(number)
            given = signature or sign_typed(person, now["next_action"]["typed_data"])
            async with self.api.transaction() as conn:
                payout = await self.use_cases.approve(
                    conn,
                    account_id=self.operator,
                    livemode=False,
                    payout_id=payout["id"],
                    approver=person.address,
                    signature=given,
                )
        return payout

    async def approved(self, amount: str = "10.50", to: str | None = None, **changes: Any) -> dict[str, Any]:
        """A payout that two people approved."""
        return await self.approve(await self.request(amount, to, **changes))

    async def cancel(self, payout: dict[str, Any]) -> dict[str, Any]:
        async with self.api.transaction() as conn:
            return await self.use_cases.cancel(
                conn,
                account_id=self.operator,
                livemode=False,
                payout_id=payout["id"],
                requested_by="key_test",
            )

    async def reject(self, payout: dict[str, Any]) -> dict[str, Any]:
        async with self.api.transaction() as conn:
            return await self.use_cases.reject(
                conn, account_id=self.operator, livemode=False, payout_id=payout["id"]
            )

    async def read(self, payout: dict[str, Any]) -> dict[str, Any]:
        async with self.api.read() as conn:
            return await describe(conn, payout["id"])

    async def status(self, payout: dict[str, Any]) -> str:
        return str((await self.read(payout))["status"])

    # ── workers ──

    async def start_signer(self, failpoints: Failpoints = NO_FAILPOINTS, **settings: Any) -> None:
        """A fresh signer process at the same socket; an earlier one is stopped first."""
        if self.server is not None:
            await self.server.close()
        keys = [LocalKey(bytes.fromhex(account.private_key[2:])) for account in self.node.accounts[1:8]]
        signer = Signer(
            self.signers_db, keys, self.clock, deposit_seed=SEED, failpoints=failpoints, **settings
        )  # fmt: skip
        self.server = SignerServer(signer, self.socket)
        await self.server.open()

    async def submitter(
        self,
        *,
        holder: str = "submitter-1",
        failpoints: Failpoints = NO_FAILPOINTS,
        url: str | Sequence[str] = (),
        lane: str = LANE_NAME,
        family: Family = ETHEREUM,
        pace: Pace | None = None,
        **settings: Any,
    ) -> Submitter:
        """A fresh submitter process of a lane, asking one node or several; a holder finds its lease."""
        guard = self.submitters_db.refuse_open_transaction
        urls = [url] if isinstance(url, str) else [*url] or [self.node.url]
        rpcs = [(Rpc(each, session=self.session, guard=guard, family=family), 1) for each in urls]
        several = partial(pool, chain_id=self.network.chain_id, patience_s=60.0, clock=self.clock.seconds)
        caller = rpcs[0][0] if len(rpcs) == 1 else several(rpcs)
        client = await self.clients.enter_async_context(SignerClient(self.socket, guard=guard))
        return Submitter(
            self.submitters_db, caller, client, self.network, lane, clock=self.clock,
            outbox=self.use_cases.outbox, holder=holder, settings=SubmitterSettings(**settings),
            failpoints=failpoints, pace=pace,
        )  # fmt: skip

    def restart_watcher(self, db: Database, url: str | None = None) -> None:
        """A fresh watcher process, on this login; it reads the node at `url`, else the true one."""
        node = Rpc(
            url or self.node.url, session=self.session, guard=db.refuse_open_transaction, family=ETHEREUM
        )
        shared = {"clock": self.clock, "entropy": SystemEntropy(), "outbox": self.use_cases.outbox}
        self.watcher = Watcher(db, node, self.network, **shared)

    async def open_lane(self, number: int, account: int) -> str:
        """A second lane of the vault, with a wallet of its own; returns its name."""
        name, wallet = f"vault-{number}", parse_address(self.node.accounts[account].address)
        chain_id, vault = self.network.chain_id, parse_address(self.vault)
        async with self.owner.transaction() as conn:
            await addresses.add_own(conn, chain_id, wallet, "wallet")
            await lanes.add_wallet(conn, chain_id, wallet, name=name)
            await lanes.open(conn, chain_id, lane=number, name=name, vault=vault, wallet=wallet)
            await signer_wallets.add(conn, chain_id, wallet)
        await self.vault_owner("setLane(uint32,address)", number, self.node.accounts[account].address)
        await self.follow(3)
        return name

    async def open_canceller(self) -> str:
        """The vault's canceller gets its lane; returns its name."""
        chain_id, wallet = self.network.chain_id, parse_address(self.node.accounts[4].address)
        async with self.owner.transaction() as conn:
            await addresses.add_own(conn, chain_id, wallet, "wallet")
            await lanes.add_wallet(conn, chain_id, wallet, name="canceller")
            await signer_wallets.add(conn, chain_id, wallet, role="canceller")
        await self.follow(3)
        return "canceller"

    async def open_gas_wallet(self, *, max_per_item: int = 4 * 10**18, max_per_day: int = 10**19) -> str:
        """The chain's gas wallet, which may fill up the lane's; returns its lane's name."""
        source, chain_id = parse_address(self.node.accounts[5].address), self.network.chain_id
        async with self.owner.transaction() as conn:
            await gassing.register(conn, chain_id, source, next_nonce=0)
            lane = parse_address(self.wallet.address)
            limits = HardLimits(max_per_item, max_per_day, 1_000 * 10**9, 1_000_000)
            await gassing.open_route(conn, chain_id, lane, limits)
        await self.follow(3)
        return "gas"

    async def follow(self, blocks: int = 0) -> None:
        """Mines, and lets the watcher read to the head."""
        if blocks:
            await self.node.dev.mine(blocks)
        while await self.watcher.run_once():
            pass

    async def run(self, submitter: Submitter | None = None, rounds: int = 1) -> None:
        """Each round: the submitter works, its bytes are mined and become final, and it sees that."""
        working = submitter or await self.submitter()
        for _ in range(rounds):
            await working.run_once()
            await self.follow(3)
            await working.run_once()

    # ── the chain's word ──

    @property
    def wallet(self) -> DevAccount:
        return self.node.accounts[1]

    async def transfers_out(self) -> list[tuple[str, int]]:
        """Every Transfer of the token from a vault of its own: (payee, base units), in chain order."""
        vaults = ["0x" + vault[2:].lower().rjust(64, "0") for vault in (*self.left, self.vault)]
        topics = [TRANSFER, vaults]
        asked = {"address": checksum(self.token.contract), "topics": topics}
        logs = await self.node.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", **asked})
        return [
            (checksum(Address(bytes.fromhex(log["topics"][2][26:]))), int(log["data"], 16)) for log in logs
        ]

    async def issuer(self, signature: str, *args: Any, **fees: int) -> None:
        """The token's issuer calls it, in the next block; with more `fees` before what waits for that."""
        data = calldata(signature, list(args))
        to = checksum(self.token.contract)
        receipt = await self.node.transact(self.node.accounts[0], to=to, data=data, **fees)
        assert receipt["status"] == "0x1", signature

    async def vault_owner(self, signature: str, *args: Any) -> None:
        """The vault's owner calls it, in a block of its own."""
        receipt = await self.node.transact(
            self.node.accounts[0], to=self.vault, data=calldata(signature, list(args))
        )
        assert receipt["status"] == "0x1", signature

    # ── the oracle ──

    async def require_truth(self, *, strangers: int = 0) -> None:
        """At most one Transfer per payout and id, paid where there is one; sound books; no nonce but ours."""
        await asyncio.to_thread(judge_outgoing, self.node.url, self.owner.url, strangers)
        moved = await self.transfers_out()
        rows = await self.rows("SELECT id, state, destination, amount FROM payouts")
        for _, state, destination, amount in rows:
            times = moved.count((checksum(Address(bytes(destination))), int(amount)))
            assert times <= 1, "a payout was paid twice"
            if state == "paid":
                assert times == 1, "a payout is called paid without a Transfer"
            if state in ("failed", "canceled"):
                assert times == 0, "a payout has a Transfer and is not called paid"
        assert len(moved) <= len(rows), "a Transfer belongs to no payout"
        held = await self.rows(
            "SELECT coalesce(sum(held_debit), 0) FROM ledger.balances WHERE token_id = %s", self.token.id
        )
        due = sum(int(amount) for _, state, _, amount in rows if state in ("pending", "in_transit"))
        assert held == [(due,)], "what is held is not what is on its way"
        async with self.owner.read() as conn:
            assert await ledger.verify(conn) == []

    async def rows(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """What the database's owner sees."""
        async with self.owner.read() as conn:
            return await (await conn.execute(statement, values)).fetchall()

    async def rows_change(self, statement: LiteralString, *values: object) -> None:
        """What the database's owner does by hand."""
        async with self.owner.read() as conn:
            await conn.execute(statement, values)

    async def events(self, payout: dict[str, Any]) -> list[str]:
        """The events told of a payout, in order."""
        found = await self.rows("SELECT type FROM outbox WHERE object_id = %s ORDER BY id", payout["id"])
        return [row[0].removeprefix("payout.") for row in found]


@asynccontextmanager
async def treasury(
    open_as: OpenAs,
    folder: Path,
    lay: Lay[Any] = deploy_vault,
    start: datetime = START,
    chain_id: int = DEFAULT_CHAIN_ID,
) -> AsyncIterator[Treasury]:
    """A treasury whose float is booked, with a signer listening and nothing paid yet."""
    clock = StageClock(start)
    async with (
        prepared_node(lay, chain_id=chain_id, finalized=2, clock=clock.seconds) as (node, (vault, dollar)),
        aiohttp.ClientSession() as session,
        AsyncExitStack() as clients,
    ):
        clock.head = lambda: node.dev.chain.tagged("latest").time
        owner = await open_as("owner")
        operator, network, token = await write_rows(owner, node, vault, dollar)
        watchers_db = await open_as("watcher")
        outbox = Outbox(clock, SystemEntropy())
        watcher = Watcher(
            watchers_db,
            Rpc(node.url, session=session, guard=watchers_db.refuse_open_transaction, family=ETHEREUM),
            network,
            clock=clock,
            entropy=SystemEntropy(),
            outbox=outbox,
        )
        stage = Treasury(
            node=node,
            clock=clock,
            owner=owner,
            api=await open_as("api"),
            submitters_db=await open_as("submitter"),
            signers_db=await open_as("signer"),
            watcher=watcher,
            session=session,
            network=network,
            token=token,
            operator=operator,
            vault=vault,
            use_cases=Payouts(clock, SystemEntropy(), outbox),
            socket=folder / "signer.sock",
            clients=clients,
        )
        await stage.follow(3)
        await stage.start_signer()
        try:
            yield stage
            await require_told(stage.owner if stage.tells else None)
        finally:
            assert stage.server is not None
            await stage.server.close()
