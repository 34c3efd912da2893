"""Reservation: nonce and vault ids are taken in the one transaction that puts payouts in transit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bascule.domain import vault as layout
from bascule.domain.chain import Address
from bascule.domain.errors import Halted
from bascule.domain.fees import Fees
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.seams import Clock
from bascule.storage import lanes, payouts, slots, tokens
from bascule.storage.database import Connection
from bascule.storage.lanes import Lane
from bascule.storage.payouts import PayoutRow

log = structlog.get_logger()

# The vault wants 200,000 gas left before each token call (contracts/README.md), and a transfer to a new
# holder in a token behind a proxy stays below 60,000; 256 items stay below 2**24 gas (EIP-7825).
GAS_OF_BATCH = 300_000
GAS_OF_ITEM = 60_000

FLOAT_SHORT = "float_short"


@dataclass(frozen=True)
class Reservation:
    """Takes batches for a lane. batch_life: how long a batch may be mined after its reservation."""

    clock: Clock
    outbox: Outbox
    max_items: int
    batch_life: timedelta

    async def reserve(self, conn: Connection, lane: Lane, epoch: int, fees: Fees) -> bool:
        """One batch of one token in one word owns the lane's next nonce; False when none can be taken now.

        Runs in the caller's transaction, which holds the lease. fees: per gas; the gas limit is set here.
        """
        lane = await lanes.lock(conn, lane.chain_id, lane.name)
        if lane.state != "open" or await slots.unfinished(conn, lane.chain_id, lane.wallet):
            return False
        short: list[str] = []
        while first := await payouts.oldest_waiting(conn, lane.chain_id, lane.vault, lane.lane, short):
            word = layout.word_of(
                layout.make_id(lane.lane, lane.next_sequence) if first.vault_id is None else first.vault_id
            )
            waiting = await payouts.lock_waiting(
                conn, lane.chain_id, lane.vault, first.token_id, word, self.max_items
            )
            affordable = await self._affordable(conn, first.token_id, waiting)
            if affordable:
                await self._take(conn, lane, epoch, fees, word, affordable)
                return True
            short.append(first.token_id)
        return False

    async def _affordable(
        self, conn: Connection, token_id: str, waiting: Sequence[PayoutRow]
    ) -> list[PayoutRow]:
        """The oldest payouts the vault's journal float covers; the reason is kept on those it does not."""
        left = await payouts.vault_float(conn, token_id)
        affordable: list[PayoutRow] = []
        open_ones = [payout for payout in waiting if payout.approval_expires_at > self.clock.now()]
        for payout in open_ones:
            if payout.amount > left:
                break
            left -= payout.amount
            affordable.append(payout)
        if open_ones and not affordable:
            first = open_ones[0]
            await payouts.mark_waiting(conn, first.chain_id, first.vault, token_id, FLOAT_SHORT)
            log.warning("payouts wait for float", token=token_id, waiting=len(waiting))
        return affordable

    async def _take(
        self, conn: Connection, lane: Lane, epoch: int, fees: Fees, word: int, waiting: Sequence[PayoutRow]
    ) -> None:
        given, next_sequence = _with_ids(lane, word, waiting)
        token = await tokens.get(conn, waiting[0].token_id)
        if token is None:
            raise Halted(f"payout {waiting[0].id} is of a token that does not exist")
        nonce = await lanes.take_nonce(conn, lane)
        await lanes.take_sequences(conn, lane, next_sequence)
        await slots.insert_pay(
            conn,
            lane,
            nonce=nonce,
            epoch=epoch,
            token=Address(token.contract),
            word=word,
            deadline=(self.clock.now() + self.batch_life).replace(microsecond=0),
            fees=Fees(
                fees.max_fee_per_gas,
                fees.max_priority_fee_per_gas,
                GAS_OF_BATCH + GAS_OF_ITEM * len(given),
            ),
            items={layout.index_of(vault_id): payout.id for vault_id, payout in given},
        )
        for vault_id, payout in given:
            taken = await payouts.advance_to_in_transit(conn, payout, vault_id)
            await tell(conn, self.outbox, EventType.PAYOUT_IN_TRANSIT, taken, before=payout)


def _with_ids(lane: Lane, word: int, waiting: Sequence[PayoutRow]) -> tuple[list[tuple[int, PayoutRow]], int]:
    """Each payout with its id in `word`: the one it keeps, or the lane's next; and the next free sequence.

    Payouts for which the word has no bit left are left out.
    """
    next_sequence = lane.next_sequence
    given: list[tuple[int, PayoutRow]] = []
    for payout in waiting:
        vault_id = payout.vault_id
        if vault_id is None:
            vault_id = layout.make_id(lane.lane, next_sequence)
            if layout.word_of(vault_id) != word:
                continue
            next_sequence += 1
        given.append((vault_id, payout))
    return given, next_sequence
