"""A treasury whose customers pay at deposit addresses, with a factory, a collector and a sweeper.

Accounts of the chain besides those of the treasury: 5 is the sweeper's wallet, 6 the collector, 8 a customer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain import forwarder
from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.flush import LANE
from bascule.domain.money import parse_amount
from bascule.entrypoints import sweeping
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.flush_planner import FlushPlanner, FlushSettings
from bascule.services.intents import IntentRequest, Intents
from bascule.services.reconciler import Reconciler
from bascule.services.seams import SystemEntropy
from bascule.services.submitter import Submitter
from bascule.storage import accounts, addresses, networks
from bascule.storage.database import Database
from bascule.storage.signer_flush_limits import FlushLimits
from tests.support.chain import calldata
from tests.support.money_in import deposit_address
from tests.support.money_out import SEED, OpenAs, Treasury, treasury

SWEEPER, COLLECTOR, NEXT_COLLECTOR, CUSTOMER = 5, 6, 7, 8
MINTED = 10**12
LIMITS = FlushLimits(max_fee_per_gas=1_000 * 10**9, max_gas=16_000_000, max_addresses=100)
EAGER = FlushSettings(min_amount=Decimal(0), min_total=Decimal(0))


@dataclass
class Sweep:
    """The treasury, and what flushing adds to it."""

    stage: Treasury
    workers_db: Database
    factory: str
    merchant: str

    # ── customers ──

    async def intent(self, amount: str = "20.00", **request: Any) -> dict[str, Any]:
        use_cases = Intents(
            self.stage.clock, SystemEntropy(), self.stage.use_cases.outbox, deposit_seed=SEED
        )  # fmt: skip
        async with self.stage.api.transaction() as conn:
            return await use_cases.create(
                conn,
                account_id=self.merchant,
                livemode=False,
                request=IntentRequest(amount=amount, currency="usdt", **request),
            )

    async def pay(self, intent: dict[str, Any], amount: str = "20.00") -> str:
        """A customer's transfer, offered to the chain; gives the address it goes to."""
        units = parse_amount(amount, "usdt").to_token(self.stage.token.asset).units
        to = deposit_address(intent)
        await self.stage.node.send(
            self.stage.node.accounts[CUSTOMER],
            to=checksum(self.stage.token.contract),
            data=calldata("transfer(address,uint256)", [to, units]),
        )
        return to

    async def paid(self, *amounts: str) -> list[str]:
        """A final payment at an address of its own for each amount; gives the addresses in order."""
        found = [await self.pay(await self.intent(amount), amount) for amount in amounts]
        await self.stage.follow(4)
        return found

    # ── workers ──

    def planner(
        self, settings: FlushSettings = EAGER, failpoints: Failpoints = NO_FAILPOINTS, **changes: Any
    ) -> FlushPlanner:
        """A fresh worker's planner."""
        return FlushPlanner(
            self.workers_db,
            self.stage.clock,
            SystemEntropy(),
            {self.stage.network.chain_id: self.rpc()},
            replace(settings, **changes),
            failpoints,
        )

    async def sweeper(self, **options: Any) -> Submitter:
        """A fresh submitter process of the sweeper's lane."""
        return await self.stage.submitter(lane=LANE, **options)

    async def request(self, *amounts: str) -> list[str]:
        """Final payments, and a request that takes them all."""
        paid = await self.paid(*amounts)
        assert await self.planner().run_once() == 1
        return paid

    def rpc(self, url: str | None = None) -> Rpc:
        guard = self.workers_db.refuse_open_transaction
        return Rpc(url or self.stage.node.url, session=self.stage.session, guard=guard, family=ETHEREUM)

    # ── the factory ──

    async def salts(self, to: Sequence[str]) -> list[bytes]:
        """The salts of deposit addresses, in the order given."""
        rows = await self.stage.rows("SELECT address, epoch, n FROM deposit_addresses")
        known = {checksum(Address(bytes(address))): (epoch, n) for address, epoch, n in rows}
        return [forwarder.salt(SEED, *known[address]) for address in to]

    async def foreign_flush(self, *to: str) -> None:
        """A stranger calls the factory, in a block of its own."""
        receipt = await self.stage.node.transact(
            self.stage.node.accounts[CUSTOMER],
            to=self.factory,
            data=calldata(
                "flush(bytes32[],address)", [await self.salts(to), checksum(self.stage.token.contract)]
            ),
        )
        assert receipt["status"] == "0x1"

    async def send_as_customer(self, signature: str, args: list[Any], *, tip: int) -> None:
        """A stranger's call of the factory, offered to the chain at a tip of so many wei per gas."""
        await self.stage.node.send(
            self.stage.node.accounts[CUSTOMER], to=self.factory, data=calldata(signature, args),
            maxFeePerGas=20 * 10**9, maxPriorityFeePerGas=tip,
        )  # fmt: skip

    async def owner_of_factory(self, signature: str, *args: Any) -> str:
        """The hash of a transaction of the factory's owner, mined."""
        receipt = await self.stage.node.transact(
            self.stage.node.accounts[0], to=self.factory, data=calldata(signature, list(args))
        )
        assert receipt["status"] == "0x1", signature
        return str(receipt["transactionHash"])

    # ── what there is ──

    async def balance(self, address: str) -> int:
        token = checksum(self.stage.token.contract)
        return int(await self.stage.node.read(token, "balanceOf(address)", [address], "uint256"))

    @property
    def collector(self) -> str:
        return self.stage.node.accounts[COLLECTOR].address

    async def requests(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Each flush's state with its addresses and their outcomes, in the order of their making."""
        found = []
        for flush_id, state in await self.stage.rows("SELECT id, state FROM flushes ORDER BY created_at, id"):
            rows = await self.stage.rows(
                "SELECT i.address, i.outcome FROM flush_items i JOIN deposit_addresses a"
                " USING (chain_id, address) WHERE flush_id = %s ORDER BY a.epoch, a.n",
                flush_id,
            )
            found.append((state, [(checksum(Address(bytes(at))), outcome) for at, outcome in rows]))
        return found

    async def require_even(self) -> None:
        """The books and the chain differ by nothing."""
        reconciler = Reconciler(
            self.workers_db, self.stage.clock, SystemEntropy(), self.stage.use_cases.outbox,
            {self.stage.network.chain_id: self.rpc()},
        )  # fmt: skip
        assert {found.residual for _, found in await reconciler.reconcile()} == {0}
        await self.stage.require_truth()


async def add_sweeper(stage: Treasury) -> str:
    """Factory, collector and sweeper of a treasury, on the chain and in rows; gives the factory's address."""
    node, chain_id = stage.node, stage.network.chain_id
    issuer, sweeper, collector = (node.accounts[number] for number in (0, SWEEPER, COLLECTOR))
    factory = await node.deploy(issuer, "DepositFactory", ["address", "uint48"], [issuer.address, 0])
    data = calldata("setCollector(address)", [collector.address])
    await node.send(issuer, to=factory, data=data)
    stage.network = replace(
        stage.network,
        deposit_factory=parse_address(factory),
        forwarder=forwarder.implementation_address(parse_address(factory)),
        collector=parse_address(collector.address),
    )
    async with stage.owner.transaction() as conn:
        await networks.publish(conn, stage.network)
        await addresses.add_own(conn, chain_id, parse_address(collector.address), "collector")
        await sweeping.register(
            conn, chain_id, parse_address(sweeper.address), factory=parse_address(factory),
            tokens=[stage.token.contract], limits=LIMITS,
        )  # fmt: skip
    return factory


@asynccontextmanager
async def sweep(open_as: OpenAs, folder: Path, **stages: Any) -> AsyncIterator[Sweep]:
    """A treasury with a sweeper and a customer with money; nothing was paid in yet. stages: as `treasury`."""
    async with treasury(open_as, folder, **stages) as stage:
        factory = await add_sweeper(stage)
        async with stage.owner.transaction() as conn:
            await accounts.create(
                conn, id="acct_merchant", kind="merchant", name="Shop", created_at=stage.clock.now()
            )
        await stage.issuer("mint(address,uint256)", stage.node.accounts[CUSTOMER].address, MINTED)
        await stage.follow(4)
        yield Sweep(stage, await open_as("worker"), factory, "acct_merchant")
