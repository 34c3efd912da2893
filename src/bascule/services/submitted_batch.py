"""A batch as it stands in rows: the same rows always mean the same call and the same question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bascule.domain import vault as layout
from bascule.domain.errors import Halted
from bascule.services.payout_view import approval_text, token_of
from bascule.services.signing_intents import FeeOffer, PayIntent, PayItem
from bascule.storage import approvals, payouts, slots
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow
from bascule.storage.slots import Slot, SlotItem


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """A pay slot with its items in rising order, and the payouts behind them by id."""

    slot: Slot
    items: tuple[SlotItem, ...]
    payouts: Mapping[str, PayoutRow]

    def call(self) -> layout.Batch:
        """The vault call of this slot."""
        return layout.Batch(
            token=self.slot.batch.token,
            lane=self.slot.batch.lane,
            expected_head=self.slot.batch.expected_head,
            word=self.slot.batch.word,
            items=tuple(
                layout.pack_item(item.position, payout.amount, payout.destination)
                for item, payout in self.pairs()
            ),
            tags=tuple(layout.tag(reference_of(payout)) for _, payout in self.pairs()),
            deadline=int(self.slot.batch.deadline.timestamp()),
        )

    def pairs(self) -> list[tuple[SlotItem, PayoutRow]]:
        """Each item with its payout, by bit."""
        return [(item, self.payouts[item.payout_id]) for item in self.items]


def reference_of(payout: PayoutRow) -> str:
    """The payout's everlasting identity, whose hash stands in calldata."""
    return f"{payout.account_id}:{'live' if payout.livemode else 'test'}:{payout.identity}"


async def load(conn: Connection, slot: Slot, *, lock: bool = False) -> SubmittedBatch:
    """The batch of a slot; with `lock` its payouts are locked, in the order of their ids."""
    items = await slots.items(conn, slot)
    found: dict[str, PayoutRow] = {}
    for payout_id in sorted(item.payout_id for item in items):
        row = await (payouts.lock(conn, payout_id) if lock else payouts.get(conn, payout_id))
        if row is None:
            raise Halted(f"slot {slot.nonce} of 0x{slot.wallet.hex()} pays {payout_id}, which does not exist")
        found[payout_id] = row
    return SubmittedBatch(slot, tuple(items), found)


async def question(conn: Connection, slot: Slot, epoch: int) -> PayIntent:
    """What the signer is asked for a batch, with the fees its slot asks for now."""
    batch = await load(conn, slot)
    return PayIntent(
        chain_id=slot.chain_id,
        wallet=slot.wallet,
        nonce=slot.nonce,
        epoch=epoch,
        fees=FeeOffer.of(slot.fees),
        vault=slot.batch.vault,
        lane=slot.batch.lane,
        expected_head=slot.batch.expected_head,
        token=slot.batch.token,
        word=slot.batch.word,
        deadline=int(slot.batch.deadline.timestamp()),
        items=tuple([await _item(conn, item, payout) for item, payout in batch.pairs()]),
    )


async def _item(conn: Connection, item: SlotItem, payout: PayoutRow) -> PayItem:
    text = approval_text(payout, await token_of(conn, payout))
    given = await approvals.of_round(conn, payout.id, text.digest(payout.chain_id, payout.vault))
    return PayItem(
        payout_id=payout.id,
        account_id=payout.account_id,
        reference=reference_of(payout),
        position=item.position,
        to=payout.destination,
        amount=payout.amount,
        expiry=text.expiry,
        roster_version=payout.roster_version,
        approvals=tuple(each.signature for each in given),
    )
