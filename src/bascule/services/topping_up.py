"""The gas wallet's work: coin for wallets of ours that run short, within the limits of their routes.

A need is met once: the request takes its nonce in one transaction, one top-up per wallet may be open, and
the next is decided on a balance of its block or a later one.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from bascule.chain import erc20, fee_oracle, heads
from bascule.chain.caller import Caller
from bascule.chain.fee_oracle import DataCost
from bascule.chain.hexes import number
from bascule.chain.receipts import Receipt
from bascule.domain import gas as rules
from bascule.domain.chain import ZERO_ADDRESS, Address, BlockRef, Hash, checksum
from bascule.domain.errors import Halted
from bascule.domain.fees import Ceiling
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.services.signing_intents import FeeOffer, Intent, SignerRefused, TopUpIntent
from bascule.storage import blocks, gas, lanes, leases, slots
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection, Database
from bascule.storage.gas import TopUp
from bascule.storage.lanes import Wallet
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()


class ToppingUp:
    """Sends coin on one chain."""

    proves = False
    width = 1

    def __init__(
        self, db: Database, rpc: Caller, chain_id: int, *, clock: Clock, ceiling: Ceiling,
        failpoints: Failpoints,
    ) -> None:  # fmt: skip
        self._db = db
        self._rpc = rpc
        self._chain_id = chain_id
        self._clock = clock
        self._ceiling = ceiling
        self._failpoints = failpoints

    async def wallet(self) -> Address | None:
        """The gas wallet; None on a chain that has none."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        return None if wallet is None else wallet.address

    async def prepare(self, lease: Lease) -> int:
        """Nothing: a need is looked at when its turn comes."""
        return 0

    async def reserve(self, lease: Lease) -> bool:
        """Gives the next nonce to the emptiest wallet that is short, if the gas wallet has that much."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
            wanted = await self._turn(conn)
        if wallet is None or wanted is None:
            return False
        head = await heads.latest(self._rpc)
        [held] = await erc20.balances(self._rpc, [(ZERO_ADDRESS, wallet.address)], head.number)
        if held <= wanted.amount:  # of which no node would say what it takes
            return self._short(wallet, held)
        gas_limit = await self._gas_limit(wallet.address, wanted)
        # its gas limit counts the data already; what is taken beside gas it cannot count
        cost = DataCost(fee=(await fee_oracle.data_cost(self._rpc, wanted.destination, bytes)).fee)
        fees = await fee_oracle.offer(self._rpc, gas=gas_limit, ceiling=self._ceiling, data_cost=cost)
        if held < wanted.amount + fees.max_fee_per_gas * fees.gas + cost.fee:
            return self._short(wallet, held)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, self._chain_id))
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)
            if wallet is None or await self._turn(conn) != wanted:
                return False
            nonce = await lanes.take_nonce(conn, wallet)
            await slots.insert_service(
                conn, self._chain_id, wallet.address, nonce=nonce, epoch=lease.epoch, fees=fees
            )
            await gas.insert(conn, self._chain_id, wallet.address, nonce, wanted, self._clock.now())
            self._failpoints.hit("submitter.before_reserve")
        self._failpoints.hit("submitter.after_reserve")
        log.info("wallet is topped up", wallet=checksum(wanted.destination), wei=wanted.amount)
        return True

    def reserved(self, slot: Slot, epoch: int) -> None:
        """Nothing: what is asked stands in rows."""

    async def lock(self, conn: Connection) -> None:
        """The gas wallet, until the transaction ends."""
        await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)

    async def question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """The transfer the slot was taken for; it never changes."""
        wanted = await gas.of_slot(conn, slot)
        return TopUpIntent(
            chain_id=slot.chain_id,
            wallet=slot.wallet,
            nonce=slot.nonce,
            epoch=epoch,
            fees=FeeOffer.of(slot.fees),
            asset=ZERO_ADDRESS,
            to=wanted.destination,
            amount=wanted.amount,
        )

    async def refused(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """The signer names nothing: it signs the transfer or does not."""
        raise Halted(f"the signer refuses a top-up for {[item.name for item in refusal.items]}")

    async def flag(self, conn: Connection, slot: Slot, stuck: bool) -> None:
        """Nothing: the wallet that is short says so; the slot itself says why it waits."""

    async def tried(self, conn: Connection, slot: Slot, tx_hash: Hash, before: Attempt | None) -> None:
        """Nothing: the need is met when the coin is there, and final."""

    async def lost(self, conn: Connection, slot: Slot) -> None:
        """The need is looked at anew."""
        await let_go(conn, slot, self._clock.now())

    async def settle(self, conn: Connection, slot: Slot, receipt: Receipt, block: BlockRef) -> None:
        """It is there, in this block; or the receiver did not take it."""
        if not receipt.succeeded:
            log.error("top-up reverted", nonce=slot.nonce)
        at = self._clock.now()
        await gas.decide(conn, slot, "done" if receipt.succeeded else "failed", at, block.number)

    async def _turn(self, conn: Connection) -> TopUp | None:
        """What may get the next nonce; None while a slot is unfinished."""
        wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        if wallet is None or await slots.unfinished(conn, self._chain_id, wallet.address):
            return None
        for tank, limits in await gas.fillable(conn, self._chain_id, self._clock.now()):
            amount = limits.allowed(tank.missing)
            if amount:
                return TopUp(tank.wallet, amount)
            if tank.missing:
                log.warning("the route's limit of a day is reached", wallet=checksum(tank.wallet))
        return None

    def _short(self, wallet: Wallet, held: int) -> bool:
        log.error("the gas wallet is short itself", wallet=checksum(wallet.address), holds=held)
        return False

    async def _gas_limit(self, wallet: Address, wanted: TopUp) -> int:
        """As the chain says: rollups count their data too; a quarter more, as that moves."""
        call = {"from": checksum(wallet), "to": checksum(wanted.destination), "value": hex(wanted.amount)}
        method = "eth_estimateGas"
        needed = number(await self._rpc.call_as(str, method, call), method=method)
        return rules.TRANSFER_GAS if needed <= rules.TRANSFER_GAS else needed * 5 // 4


async def let_go(conn: Connection, slot: Slot, now: datetime) -> None:
    """The need is looked at anew."""
    await gas.decide(conn, slot, "lost", now)
