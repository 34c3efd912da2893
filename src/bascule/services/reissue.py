"""A payout in the place of another: only where a final block proves that the other can never be paid."""

from __future__ import annotations

from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.services.payout_request import PayoutTerms
from bascule.storage import blocks, negatives, payouts, refunds
from bascule.storage.database import Connection

_PARAM = "reissue_of"


async def require_reissue(
    conn: Connection, named: str, terms: PayoutTerms, *, account_id: str, livemode: bool
) -> None:
    """Returns when the named payout of the account may be asked for again on these terms; it stays locked.

    Raises: NotFound; Conflict `payout_of_refund`, `payout_not_proven_unpaid`, `payout_reissued`; Rejected
    `reissue_terms_differ`.
    """
    old = await payouts.get(conn, named)
    if old is None or (old.account_id, old.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such payout: {named!r:.70}.", param=_PARAM)
    refund_id = await refunds.paid_by(conn, old.id)
    if refund_id is not None:  # its amount can be refunded anew: both would give the same money back
        raise Conflict(
            "payout_of_refund",
            f"{old.id} was to pay {refund_id}, whose payment can be refunded anew.",
            param=_PARAM,
            next_step="Ask for a new refund of that payment.",
        )
    if await negatives.of_payout(conn, old.id) is None:
        raise Conflict(
            "payout_not_proven_unpaid",
            f"{old.id} is {old.state}, and no final block proves that it can never be paid.",
            param=_PARAM,
            next_step=f"Call it off, and wait until GET /v1/payouts/{old.id}/evidence says never_paid. One "
            "that never had a vault_id needs none: ask for an ordinary payout instead.",
        )
    cursor = await blocks.cursor(conn, old.chain_id)
    if cursor is None or cursor.halted_reason is not None:
        raise Conflict(
            "payout_not_proven_unpaid",
            f"The chain of {old.id} is halted: its final blocks are in doubt, and so is the proof.",
            param=_PARAM,
            next_step="Wait until the chain goes on; docs/operating/halts.md says how a halt ends.",
        )
    if (old.token_id, old.amount) != (terms.token.id, terms.amount.units):
        raise Rejected(
            "reissue_terms_differ",
            f"{old.id} was to pay {old.amount} base units of {old.token_id}.",
            param=_PARAM,
            next_step="Name the same token and amount; another payee may be named.",
        )
    # whoever asks at the same time waits here, and finds what was inserted meanwhile
    await payouts.lock(conn, old.id)
    standing = await negatives.reissued_as(conn, old.id)
    if standing is not None:
        raise Conflict(
            "payout_reissued",
            f"{standing} stands in the place of {old.id}.",
            param=_PARAM,
            next_step=f"Read {standing}; if it can never be paid either, reissue that one.",
        )
