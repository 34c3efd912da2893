"""The facilitator wallet's work: what payers signed is presented to tokens, each by one nonce, many at once.

Whether ours succeeds is no matter: what came of an authorization is what its token says of the payer's nonce.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from bascule.chain import eip3009, erc20, fee_oracle, heads
from bascule.chain.caller import Caller
from bascule.chain.eip3009 import Nonce
from bascule.chain.receipts import Receipt
from bascule.domain import authorization as rules
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.fees import Ceiling, Fees
from bascule.services.authorization_outcomes import AuthorizationOutcomes
from bascule.services.failpoints import Failpoints
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.services.signing_intents import AuthorizationIntent, FeeOffer, Intent, SignerRefused
from bascule.storage import authorizations, blocks, lanes, leases, slots
from bascule.storage.attempts import Attempt
from bascule.storage.authorizations import AuthorizationRow
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()


class Presenting:
    """Takes authorizations of one chain."""

    proves = False
    width = rules.IN_FLIGHT

    def __init__(
        self, db: Database, rpc: Caller, chain_id: int, *, clock: Clock, outbox: Outbox, ceiling: Ceiling,
        failpoints: Failpoints,
    ) -> None:  # fmt: skip
        self._db = db
        self._rpc = rpc
        self._chain_id = chain_id
        self._clock = clock
        self._ceiling = ceiling
        self._failpoints = failpoints
        self._outcomes = AuthorizationOutcomes(db, rpc, chain_id, clock, outbox, failpoints)

    async def wallet(self) -> Address | None:
        """The facilitator's wallet; None on a chain that has none."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        return None if wallet is None else wallet.address

    async def prepare(self, lease: Lease) -> int:
        """What came of those that are open, whoever presented them."""
        return await self._outcomes.look(lease)

    async def reserve(self, lease: Lease) -> bool:
        """Gives the next nonce to the oldest authorization that the token would take, while gas is left."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
            wanted = await self._turn(conn)
        if wallet is None or wanted is None:
            return False
        call = eip3009.calldata(wanted.signed, wanted.signature)
        why = await self._why_not(wallet.address, wanted, call)
        if why is not None:
            return await self._wait(wanted, why, lease)
        cost = await fee_oracle.data_cost(self._rpc, wanted.contract, lambda: call)
        fees = await fee_oracle.offer(self._rpc, gas=rules.GAS, ceiling=self._ceiling, data_cost=cost)
        async with self._db.read() as conn:
            if not await authorizations.affordable(conn, self._chain_id, fees.gas):
                why = "gas_budget_spent"
        if why is not None:
            return await self._wait(wanted, why, lease)
        return await self._take(wanted, fees, lease)

    async def _why_not(self, wallet: Address, wanted: AuthorizationRow, call: bytes) -> str | None:
        nonce = Nonce(wanted.contract, wanted.signed.payer, wanted.signed.nonce)
        if (await eip3009.used(self._rpc, [nonce]))[0]:
            return "its nonce is used; where is being looked for"
        why = await eip3009.refusal(self._rpc, wallet, wanted.contract, call)
        return why if why is not None else await self._why_not_beside(wanted)

    async def _why_not_beside(self, wanted: AuthorizationRow) -> str | None:
        """Each is simulated on the newest block, where none of those that are on their way has paid yet."""
        async with self._db.read() as conn:
            others = await authorizations.on_their_way(conn, wanted.id)
        if not others:
            return None
        height = (await heads.latest(self._rpc)).number
        [held] = await erc20.balances(self._rpc, [(wanted.contract, wanted.signed.payer)], height)
        if held >= others + wanted.signed.amount:
            return None
        return "its payer's other payments are on their way, and the money may not do for both"

    async def _wait(self, wanted: AuthorizationRow, why: str, lease: Lease) -> bool:
        now = self._clock.now()
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            await authorizations.wait(conn, wanted.id, now + rules.look_again(now - wanted.created_at), why)
            self._failpoints.hit("presenter.before_wait")
        self._failpoints.hit("presenter.after_wait")
        return True

    async def _take(self, wanted: AuthorizationRow, fees: Fees, lease: Lease) -> bool:
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, self._chain_id))
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)
            turn = await self._turn(conn)
            if wallet is None or turn is None or turn.id != wanted.id:
                return False
            nonce = await lanes.take_nonce(conn, wallet)
            await slots.insert_service(
                conn, self._chain_id, wallet.address, nonce=nonce, epoch=lease.epoch, fees=fees
            )
            await authorizations.take(conn, wanted.id, wallet.address, nonce)
            self._failpoints.hit("presenter.before_reserve")
        self._failpoints.hit("presenter.after_reserve")
        return True

    def reserved(self, slot: Slot, epoch: int) -> None:
        """Nothing: what is asked stands in rows."""

    async def lock(self, conn: Connection) -> None:
        """The wallet, until the transaction ends."""
        await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)

    async def question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """What the payer signed, which never changes."""
        row = await authorizations.of_slot(conn, slot)
        return AuthorizationIntent(
            chain_id=slot.chain_id,
            wallet=slot.wallet,
            nonce=slot.nonce,
            epoch=epoch,
            fees=FeeOffer.of(slot.fees),
            token=row.contract,
            payer=row.signed.payer,
            pay_to=row.signed.pay_to,
            amount=row.signed.amount,
            valid_after=row.signed.valid_after,
            valid_before=row.signed.valid_before,
            authorization_nonce=row.signed.nonce,
            signature=row.signature,
        )

    async def refused(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """It waits: somebody else may present it, and a person looks at the alarm."""
        log.error("signer presents no authorization", why=refusal.message)
        await authorizations.let_go(
            conn, slot, self._clock.now() + rules.AFTER_REFUSAL, f"the signer refused: {refusal.code}"
        )

    async def flag(self, conn: Connection, slot: Slot, stuck: bool) -> None:
        """Nothing: the slot itself says why it waits, and the authorization's answer is pending."""

    async def tried(self, conn: Connection, slot: Slot, tx_hash: Hash, before: Attempt | None) -> None:
        """Nothing: the authorization's answer is pending until one is final."""

    async def lost(self, conn: Connection, slot: Slot) -> None:
        """It waits for another nonce."""
        await let_go(conn, slot, self._clock.now())

    async def settle(self, conn: Connection, slot: Slot, receipt: Receipt, block: BlockRef) -> None:
        """Ours is final, whatever it did; where it reverted, and nobody else paid, another may follow."""
        if not receipt.succeeded:
            log.warning("an authorization reverted", nonce=slot.nonce)
        await authorizations.let_go(conn, slot, self._clock.now() + rules.LOOK_AGAIN)

    async def _turn(self, conn: Connection) -> AuthorizationRow | None:
        """What may get the next nonce; None while as many are on their way as may be, or one is stuck."""
        wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        if wallet is None or not await authorizations.has_room(conn, self._chain_id, wallet.address):
            return None
        id = await authorizations.turn(conn, self._chain_id, self._clock.now())
        return None if id is None else await authorizations.get(conn, id)


async def let_go(conn: Connection, slot: Slot, now: datetime) -> None:
    """It waits for another nonce."""
    await authorizations.let_go(conn, slot, now)
