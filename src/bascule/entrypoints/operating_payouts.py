"""What an operator may do to one payout: offer its bytes again, or call it off. Each leaves an audit line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bascule.chain import broadcast
from bascule.domain import stops
from bascule.domain.chain import hex32
from bascule.domain.errors import Conflict, NotFound
from bascule.domain.payout import PAYOUT, PayoutEvent, PayoutState
from bascule.domain.slot import SlotState
from bascule.entrypoints import wiring
from bascule.services.payouts import Payouts
from bascule.storage import attempts, audit, blocks, offers, payouts, signer_stops, slots
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow
from bascule.storage.slots import Slot

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings


async def rebroadcast(settings: Settings, payout_id: str, *, dry_run: bool) -> list[dict[str, Any]]:
    """Offers the dearest bytes of the payout's slot to every node now, as the submitter does by itself.

    Raises: NotFound; Conflict when nothing is signed or it is in a block, and while the chain is halted or
    it is frozen.
    """
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        async with db.read() as conn:
            slot, attempt = await _waiting(conn, await _payout(conn, payout_id))
        shown = {"payout": payout_id, "transaction": hex32(attempt.tx_hash), "nonce": slot.nonce}
        if dry_run:
            return [{**shown, "node": name, "says": "not asked"} for name in rpcs[slot.chain_id].names]
        said = await broadcast.offer(rpcs[slot.chain_id], attempt.raw, attempt.tx_hash)
        at = wiring.Seams(settings).clock.now()
        async with db.transaction() as conn:
            for each in said:
                await offers.keep(
                    conn, attempt.tx_hash, node=each.node, says=each.says, bytes=each.bytes,
                    words=each.words, accepted=each.says == broadcast.ACCEPTED, at=at,
                )  # fmt: skip
            details = {
                "transaction": hex32(attempt.tx_hash), "said": {each.node: each.says for each in said}
            }  # fmt: skip
            await audit.append(
                conn, actor="cli", action="payout.rebroadcast", object_id=payout_id, details=details
            )
    return [{**shown, "node": each.node, "says": each.words or each.says} for each in said]


async def cancel(settings: Settings, payout_id: str, *, reason: str, dry_run: bool) -> dict[str, Any]:
    """Calls a payout off as its account could; one on its way at the vault. Raises: NotFound, Conflict."""
    seams = wiring.Seams(settings)
    use_cases = Payouts(seams.clock, seams.entropy, seams.outbox)
    async with wiring.owner(settings) as db:
        if dry_run:
            async with db.read() as conn:
                payout = await _payout(conn, payout_id)
            PAYOUT.step(payout.state, PayoutEvent.CANCEL)
            at_vault = payout.state is PayoutState.IN_TRANSIT
            return {
                "payout": payout_id,
                "status": payout.state.value,
                "would_be": "called off at the vault, if that comes in time" if at_vault else "canceled",
            }
        async with db.transaction() as conn:
            payout = await _payout(conn, payout_id)
            shown = await use_cases.cancel(
                conn, account_id=payout.account_id, livemode=payout.livemode, payout_id=payout_id,
                requested_by="cli",
            )  # fmt: skip
            await audit.append(
                conn, actor="cli", action="payout.cancel", object_id=payout_id, details={"reason": reason}
            )
    return {
        "payout": payout_id,
        "status": shown["status"],
        "cancellation": (shown["cancellation"] or {}).get("status", "done"),
    }


async def _payout(conn: Connection, payout_id: str) -> PayoutRow:
    payout = await payouts.get(conn, payout_id)
    if payout is None:
        raise NotFound("resource_missing", f"there is no payout {payout_id}", param="payout")
    return payout


async def _waiting(conn: Connection, payout: PayoutRow) -> tuple[Slot, Attempt]:
    """The slot the payout stands in with its dearest bytes, which nothing forbids to send."""
    found = await slots.of_payout(conn, payout.id)
    known = await attempts.of_slot(conn, found[-1]) if found else []
    if not known:
        raise Conflict(
            "nothing_signed", f"nothing is signed for {payout.id} yet",
            next_step=f"see what it waits for: bascule explain {payout.id}",
        )  # fmt: skip
    slot = found[-1]
    if slot.state in (SlotState.MINED, SlotState.FINAL):
        raise Conflict(
            "already_mined", f"the last transaction of {payout.id} is {slot.state}: there is nothing to send",
            next_step=f"bascule explain {payout.id}",
        )  # fmt: skip
    blocks.require_running(await blocks.cursor(conn, slot.chain_id))
    scopes = (stops.wallet(slot.wallet), *stops.money(slot.chain_id, slot.batch.token))
    if held := await signer_stops.among(conn, scopes):
        raise Conflict(
            "frozen", f"an operator froze {', '.join(sorted(held))}, so nothing is pushed",
            next_step="bascule unfreeze, when the reason is gone",
        )  # fmt: skip
    return slot, known[0]
