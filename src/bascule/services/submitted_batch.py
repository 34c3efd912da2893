"""A batch as it stands in rows: the same rows always mean the same call and the same question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bascule.domain import vault as layout
from bascule.domain.errors import Halted
from bascule.services import approval_rounds, mandate_rounds
from bascule.services.approval_rounds import Round, batch_approval_text, tokens_of
from bascule.services.payout_request import everlasting
from bascule.services.signing_intents import (
    ApprovedBatch,
    BatchPlace,
    FeeOffer,
    GivenMandate,
    PayIntent,
    PayItem,
)
from bascule.storage import payouts, slots
from bascule.storage.approvals import Approval
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow
from bascule.storage.payouts import PayoutRow, WaitingRow
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


def reference_of(payout: WaitingRow) -> str:
    """The payout's everlasting identity, whose hash stands in calldata."""
    return everlasting(payout.account_id, payout.livemode, payout.identity)


async def load(conn: Connection, slot: Slot, *, lock: bool = False) -> SubmittedBatch:
    """The batch of a slot; with `lock` its payouts are locked, in the order of their ids."""
    items = await slots.items(conn, slot)
    found = await payouts.of_ids(conn, [item.payout_id for item in items], lock=lock)
    for item in items:
        if item.payout_id not in found:
            raise Halted(
                f"slot {slot.nonce} of 0x{slot.wallet.hex()} pays {item.payout_id}, which does not exist"
            )
    return SubmittedBatch(slot, tuple(items), found)


async def question(conn: Connection, slot: Slot, epoch: int) -> PayIntent:
    """What the signer is asked for a batch, with the fees its slot asks for now."""
    pairs = (await load(conn, slot)).pairs()
    rows = [payout for _, payout in pairs]
    rounds = await approval_rounds.of_payouts(conn, rows, await tokens_of(conn, rows))
    items, batches, mandates = asked_for(
        [(item.position, payout) for item, payout in pairs], rounds, await mandates_of(conn, rows)
    )
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
        items=items,
        batches=batches,
        mandates=mandates,
    )


async def mandates_of(conn: Connection, rows: Sequence[PayoutRow]) -> dict[str, GivenMandate]:
    """The mandates some payouts go out under, by id."""
    ids = {payout.mandate_id for payout in rows if payout.mandate_id is not None}
    return await mandate_rounds.given(conn, ids) if ids else {}


def asked_for(
    pairs: Sequence[tuple[int, PayoutRow]], rounds: Mapping[str, Round], under: Mapping[str, GivenMandate]
) -> tuple[tuple[PayItem, ...], tuple[ApprovedBatch, ...], tuple[GivenMandate, ...]]:
    """Payouts by their bits as the signer is told of them, the batches of their approvals, their mandates."""
    batches: dict[str, ApprovedBatch] = {}
    places = {id: place for place, id in enumerate(under)}
    items = tuple([_item(bit, payout, rounds[payout.id], batches, places) for bit, payout in pairs])
    return items, tuple(batches.values()), tuple(under.values())


def _item(
    position: int,
    payout: PayoutRow,
    round: Round,
    batches: dict[str, ApprovedBatch],
    mandates: Mapping[str, int],
) -> PayItem:
    """The item with its approvals, with its mandate, or with its place in one of `batches`, which grows by

    its own.
    """
    plain = PayItem(
        payout_id=payout.id,
        account_id=payout.account_id,
        reference=reference_of(payout),
        position=position,
        to=payout.destination,
        amount=payout.amount,
    )
    if payout.mandate_id is not None:
        return msgspec.structs.replace(plain, mandate=mandates[payout.mandate_id])
    if round.batch is None or payout.batch_position is None or len(round.own) >= payout.approvals_required:
        return msgspec.structs.replace(
            plain,
            expiry=round.text.expiry,
            roster_version=payout.roster_version,
            approvals=tuple(each.signature for each in round.own),
        )
    if round.batch.id not in batches:
        batches[round.batch.id] = _approved(round.batch, round.whole)
    place = BatchPlace(list(batches).index(round.batch.id), payout.batch_position)
    return msgspec.structs.replace(plain, batch=place)


def _approved(batch: BatchRow, given: Sequence[Approval]) -> ApprovedBatch:
    text = batch_approval_text(batch)
    return ApprovedBatch(
        batch_id=text.batch,
        account_id=text.account,
        totals=text.totals,
        leaves=text.leaves,
        expiry=text.expiry,
        roster_version=text.roster_version,
        approvals=tuple(each.signature for each in given),
    )
