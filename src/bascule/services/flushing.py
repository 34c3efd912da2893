"""The sweeper's work: calls of the deposit factory that take what lies at deposit addresses to the collector.

A call can be repeated by anybody without harm; still each request has one nonce and one end, and each of its
addresses says what became of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import structlog

from bascule.chain import factory as factory_events
from bascule.chain import fee_oracle
from bascule.chain.caller import Caller
from bascule.chain.receipts import Receipt
from bascule.domain import flush as rules
from bascule.domain.chain import Address, BlockRef, Hash, checksum
from bascule.domain.errors import Halted
from bascule.domain.fees import Ceiling, Fees, suggest
from bascule.domain.flush import FlushEvent, ItemOutcome
from bascule.domain.hashing import keccak
from bascule.services.collector_watch import CollectorWatch
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.services.signing_intents import FeeOffer, FlushIntent, FlushItem, Intent, SignerRefused
from bascule.storage import blocks, flushes, lanes, leases, slots, tokens
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection, Database
from bascule.storage.flushes import Decision, Flush, Standing
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()

WHY_MAX = 400  # characters of a token's refusal that are kept


class Flushing:
    """Takes requests of one chain. max_base_fee: while a block takes more wei per gas, none gets a nonce.

    counters: by chain, `flush_waits_for_fee`, and those of `CollectorWatch`.
    """

    proves = False
    width = 1

    def __init__(
        self,
        db: Database,
        rpc: Caller,
        chain_id: int,
        *,
        clock: Clock,
        ceiling: Ceiling,
        max_base_fee: int,
        failpoints: Failpoints,
        counters: Counter[tuple[int, str]],
    ) -> None:
        self._db = db
        self._rpc = rpc
        self._chain_id = chain_id
        self._clock = clock
        self._ceiling = ceiling
        self._max_base_fee = max_base_fee
        self._failpoints = failpoints
        self._counters = counters
        self._collectors = CollectorWatch(db, counters)

    async def wallet(self) -> Address | None:
        """The sweeper's wallet; None on a chain that has none."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        return None if wallet is None else wallet.address

    async def prepare(self, lease: Lease) -> int:
        """Nothing: what a request no longer needs is seen when its turn comes."""
        return 0

    async def reserve(self, lease: Lease) -> bool:
        """Gives the oldest request the next nonce, for what is still due of it; or ends it.

        Raises: Halted while the factory's collector is not the one we know.
        """
        async with self._db.read() as conn:
            flush_id = await self._turn(conn)
            items = [] if flush_id is None else await flushes.items(conn, flush_id)
        if flush_id is None:
            return False
        price = await fee_oracle.price(self._rpc)
        if price.base_fee > self._max_base_fee:
            self._counters[self._chain_id, "flush_waits_for_fee"] += 1
            return False
        collector = await self._collectors.confirmed(self._rpc, self._chain_id)
        if collector is None:
            raise Halted(f"nothing is flushed on chain {self._chain_id}: its collector is not confirmed")
        data = await fee_oracle.data_cost(self._rpc, collector, lambda: _as_long(len(items)))
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, self._chain_id))
            await self.lock(conn)
            if await self._turn(conn) != flush_id:
                return False
            flush = await flushes.lock(conn, flush_id)
            left = await self._left(conn, flush, collector)
            if left:
                gas = rules.gas_limit(left) + data.gas
                fees = suggest(price.base_fee, price.tip, self._ceiling.of(gas, data.fee), gas=gas)
                await self._take(conn, flush, lease.epoch, fees)
            self._failpoints.hit("submitter.before_reserve")
        self._failpoints.hit("submitter.after_reserve")
        return True

    def reserved(self, slot: Slot, epoch: int) -> None:
        """Nothing: what is asked stands in rows."""

    async def lock(self, conn: Connection) -> None:
        """The wallet, until the transaction ends."""
        await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)

    async def question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """The flush as it stands in rows; its open addresses never change while it has a slot."""
        flush = await flushes.of_slot(conn, slot)
        token = await tokens.get(conn, flush.token_id)
        assert token is not None, "a flush is of a token that exists"
        open_ones = [item for item in await flushes.items(conn, flush.id) if item.outcome is ItemOutcome.OPEN]
        return FlushIntent(
            chain_id=slot.chain_id,
            wallet=slot.wallet,
            nonce=slot.nonce,
            epoch=epoch,
            fees=FeeOffer.of(slot.fees),
            factory=flush.factory,
            token=token.contract,
            items=tuple(FlushItem(item.epoch, item.n, item.address) for item in open_ones),
        )

    async def refused(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """Addresses the signer named wait for a person or a retry; the others are planned again at once."""
        flush = await flushes.lock(conn, (await flushes.of_slot(conn, slot)).id)
        named = {item.name: item.code for item in refusal.items}
        decisions = {}
        for item in await flushes.items(conn, flush.id):
            if item.outcome is ItemOutcome.OPEN:
                code = named.get("0x" + item.address.hex())
                outcome = ItemOutcome.RELEASED if code is None else ItemOutcome.REFUSED
                decisions[item.address] = Decision(outcome, why=code)
        await flushes.decide(conn, flush.id, decisions, self._clock.now())
        await flushes.advance_end(conn, flush, FlushEvent.REFUSE, self._clock.now())

    async def flag(self, conn: Connection, slot: Slot, stuck: bool) -> None:
        """Nothing: money at deposit addresses is not late; the slot itself says why it waits."""

    async def tried(self, conn: Connection, slot: Slot, tx_hash: Hash, before: Attempt | None) -> None:
        """Nothing: money at deposit addresses is not late, whatever is tried."""

    async def lost(self, conn: Connection, slot: Slot) -> None:
        """Somebody else used its nonce: its addresses are planned anew at once."""
        await let_go(conn, slot, self._clock.now())

    async def settle(self, conn: Connection, slot: Slot, receipt: Receipt, block: BlockRef) -> None:
        """What the factory says of each address; the money itself is booked by its Transfers."""
        flush = await flushes.lock(conn, (await flushes.of_slot(conn, slot)).id)
        token = await tokens.get(conn, flush.token_id)
        assert token is not None, "a flush is of a token that exists"
        asked = [
            item.address for item in await flushes.items(conn, flush.id) if item.outcome is ItemOutcome.OPEN
        ]
        now = self._clock.now()
        if not receipt.succeeded:
            log.warning("flush reverted", flush=flush.id, nonce=slot.nonce)
            reverted = dict.fromkeys(asked, Decision(ItemOutcome.REVERTED))
            await flushes.decide(conn, flush.id, reverted, now)
            await flushes.advance_end(conn, flush, FlushEvent.REVERT, now)
            return
        said = self._said(flush, Address(token.contract), receipt)
        decisions = {each: said.get(each, Decision(ItemOutcome.ELSEWHERE)) for each in asked}
        await flushes.decide(conn, flush.id, decisions, now)
        await flushes.advance_end(conn, flush, FlushEvent.FINALIZE, now)

    def _said(self, flush: Flush, token: Address, receipt: Receipt) -> Mapping[Address, Decision]:
        flushed, failed = factory_events.facts(flush.factory, receipt.logs)
        said = {}
        for each in flushed:
            if each.token == token:
                said[each.forwarder] = Decision(ItemOutcome.FLUSHED, moved=each.amount)
                if each.collector != flush.collector:
                    self._counters[self._chain_id, "collector_changed"] += 1
                    log.error(
                        "a flush went to another collector", flush=flush.id, to=checksum(each.collector)
                    )
        for refusal in failed:
            if refusal.token == token:
                why = ("0x" + refusal.reason.hex())[:WHY_MAX]
                said[refusal.forwarder] = Decision(ItemOutcome.SKIPPED, why=why)
                log.warning("address not flushed", flush=flush.id, at=checksum(refusal.forwarder), why=why)
        return said

    async def _turn(self, conn: Connection) -> str | None:
        """The request that may get the next nonce; None while a slot is unfinished."""
        wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        if wallet is None or await slots.unfinished(conn, self._chain_id, wallet.address):
            return None
        return await flushes.oldest_requested(conn, self._chain_id)

    async def _left(self, conn: Connection, flush: Flush, collector: Address) -> int:
        """How many addresses are still to be flushed; the others are decided, with the last the request."""
        token = await tokens.get(conn, flush.token_id)
        assert token is not None, "a flush is of a token that exists"
        allowed = token.accepted and token.suspended is None and flush.collector == collector
        standing = await flushes.standing(conn, flush.id)
        decided = {at: _over(now) for at, now in standing.items() if not allowed or not now.lies or now.held}
        await flushes.decide(conn, flush.id, decided, self._clock.now())
        left = len(standing) - len(decided)
        if not left:
            elsewhere = all(each.outcome is ItemOutcome.ELSEWHERE for each in decided.values())
            event = FlushEvent.OVERTAKE if elsewhere else FlushEvent.WITHDRAW
            to = await flushes.advance_end(conn, flush, event, self._clock.now())
            log.info("flush is not needed", flush=flush.id, state=to)
        return left

    async def _take(self, conn: Connection, flush: Flush, epoch: int, fees: Fees) -> None:
        wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)
        assert wallet is not None, "locked before"
        nonce = await lanes.take_nonce(conn, wallet)
        await slots.insert_service(
            conn, self._chain_id, wallet.address, nonce=nonce, epoch=epoch, fees=fees
        )  # fmt: skip
        await flushes.advance_reserve(conn, flush, wallet.address, nonce)


def _over(now: Standing) -> Decision:
    """Why an address is not flushed after all."""
    return Decision(ItemOutcome.RELEASED if now.lies else ItemOutcome.ELSEWHERE)


def _as_long(addresses: int) -> bytes:
    """Bytes as long as the call for so many addresses, and like its salts not to be compressed."""
    return b"".join(keccak(number.to_bytes(4, "big")) for number in range(addresses + 4))


async def let_go(conn: Connection, slot: Slot, now: datetime) -> None:
    """Its addresses were not tried, so they are planned anew as soon as there is a wallet for them."""
    flush = await flushes.lock(conn, (await flushes.of_slot(conn, slot)).id)
    items = await flushes.items(conn, flush.id)
    asked = [item.address for item in items if item.outcome is ItemOutcome.OPEN]
    await flushes.decide(conn, flush.id, dict.fromkeys(asked, Decision(ItemOutcome.RELEASED)), now)
    await flushes.advance_end(conn, flush, FlushEvent.REVERT, now)
