"""Keeps the vault's word that an id was canceled or refused, in the transaction in which the payout ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from bascule.chain import vault as vault_calls
from bascule.chain.receipts import Receipt
from bascule.domain.errors import Halted
from bascule.storage import negatives
from bascule.storage.database import Connection
from bascule.storage.negatives import Negative
from bascule.storage.payouts import PayoutRow

_TOPICS = {
    "canceled_at_vault": vault_calls.PAYOUT_CANCELED,
    "refused_by_token": vault_calls.PAYOUT_REFUSED,
}


async def never_paid(
    conn: Connection,
    payout: PayoutRow,
    ground: Literal["canceled_at_vault", "refused_by_token"],
    receipt: Receipt,
    nodes: Sequence[str],
    now: datetime,
) -> None:
    """The payout has ended unpaid, as a final receipt says; its branch is kept beside. Raises: Halted."""
    assert payout.vault_id is not None, "the vault speaks of ids"
    at = vault_calls.word_on(payout.vault, receipt.logs, _TOPICS[ground], payout.vault_id)
    if at is None:
        raise Halted(f"0x{receipt.tx_hash.hex()} does not say {ground} of {payout.id}")
    found = Negative(ground, payout.chain_id, receipt.block_hash, at)
    await negatives.insert(conn, payout.id, found, nodes, now)
