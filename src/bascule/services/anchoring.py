"""The anchor wallet's work: the head that a worker asked for is written on chain, each seal's once.

Whether the transaction succeeds is no matter: once it is in a final block, everybody can read its data.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from bascule.chain import fee_oracle
from bascule.chain.caller import Caller
from bascule.chain.receipts import Receipt
from bascule.domain import anchor as rules
from bascule.domain.anchor import Anchored
from bascule.domain.chain import Address, BlockRef, Hash, hex32
from bascule.domain.fees import Ceiling
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.services.signing_intents import AnchorIntent, FeeOffer, Intent, SignerRefused
from bascule.storage import anchors, blocks, lanes, leases, slots
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()


class Anchoring:
    """Takes requests of one chain."""

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
        """The anchor's wallet; None on a chain that has none."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        return None if wallet is None else wallet.address

    async def prepare(self, lease: Lease) -> int:
        """Nothing: the worker makes the requests."""
        return 0

    async def reserve(self, lease: Lease) -> bool:
        """Gives the next nonce to the head that waits."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
            wanted = await self._turn(conn)
        if wallet is None or wanted is None:
            return False
        data = rules.payload(wanted.seal, bytes.fromhex(wanted.head))
        cost = await fee_oracle.data_cost(self._rpc, wallet.address, lambda: data)
        fees = await fee_oracle.offer(self._rpc, gas=rules.GAS, ceiling=self._ceiling, data_cost=cost)
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
            await anchors.take(conn, self._chain_id, wanted.seal, wallet.address, nonce)
            self._failpoints.hit("anchor.before_reserve")
        self._failpoints.hit("anchor.after_reserve")
        return True

    def reserved(self, slot: Slot, epoch: int) -> None:
        """Nothing: what is asked stands in rows."""

    async def lock(self, conn: Connection) -> None:
        """The wallet, until the transaction ends."""
        await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)

    async def question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """The head the slot was taken for; it never changes."""
        wanted = await anchors.of_slot(conn, slot)
        return AnchorIntent(
            chain_id=slot.chain_id,
            wallet=slot.wallet,
            nonce=slot.nonce,
            epoch=epoch,
            fees=FeeOffer.of(slot.fees),
            seal=wanted.seal,
            head=bytes.fromhex(wanted.head),
        )

    async def refused(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """The signer knows another head: it is an alarm, and later seals are anchored again."""
        log.error("signer refuses a head", why=refusal.message)
        await anchors.decide(conn, slot, "refused", self._clock.now())

    async def flag(self, conn: Connection, slot: Slot, stuck: bool) -> None:
        """Nothing: the slot itself says why it waits, and nobody waits for it."""

    async def tried(self, conn: Connection, slot: Slot, tx_hash: Hash, before: Attempt | None) -> None:
        """Nothing: nobody waits for it."""

    async def lost(self, conn: Connection, slot: Slot) -> None:
        """The head waits for another nonce."""
        await let_go(conn, slot, self._clock.now())

    async def settle(self, conn: Connection, slot: Slot, receipt: Receipt, block: BlockRef) -> None:
        """It stands on chain for ever, in this block."""
        wanted = await anchors.of_slot(conn, slot)
        await anchors.decide(conn, slot, "done", self._clock.now())
        log.info("head is anchored", seal=wanted.seal, transaction=hex32(receipt.tx_hash))

    async def _turn(self, conn: Connection) -> Anchored | None:
        """What may get the next nonce; None while a slot is unfinished."""
        wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        if wallet is None or await slots.unfinished(conn, self._chain_id, wallet.address):
            return None
        return await anchors.waiting(conn, self._chain_id)


async def let_go(conn: Connection, slot: Slot, now: datetime) -> None:
    """The head waits for another nonce."""
    await anchors.put_back(conn, slot)
