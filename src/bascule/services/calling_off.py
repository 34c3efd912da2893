"""What becomes of a payout that leaves its batch while somebody asked to call it off.

Runs in the caller's transaction, on a locked payout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.chain.receipts import Receipt
from bascule.domain.payout import PayoutEvent, PayoutState
from bascule.domain.webhook import EventType
from bascule.services import lost_bytes
from bascule.services.never_paid import never_paid
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.seams import Clock
from bascule.storage import cancels, ledger, payouts
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow


@dataclass(frozen=True)
class CallingOff:
    """Ends payouts that were called off, and requests that came too late. nodes: who is asked."""

    clock: Clock
    outbox: Outbox
    nodes: Sequence[str]

    async def release(self, conn: Connection, payout: PayoutRow) -> None:
        """It waits again under the same id, or is canceled if that was asked for: nothing can pay it now.

        One that was canceled at the vault meanwhile stays so. While bytes of before a restore may run, one of
        them may be the next batch of its id: one that was called off stays on its way, until the vault says
        that the canceller's call or such a batch used the id up.
        """
        if payout.state is PayoutState.CANCELED:
            return
        if await cancels.is_open(conn, payout.id):
            if await lost_bytes.may_run(conn, payout.chain_id) is None:
                await self.cancel(conn, payout)
            return
        released = await payouts.advance(conn, payout, PayoutEvent.RELEASE)
        await tell(conn, self.outbox, EventType.PAYOUT_UPDATED, released, before=payout)

    async def cancel(self, conn: Connection, payout: PayoutRow, receipt: Receipt | None = None) -> None:
        """It can never be paid: its hold ends, and the request is done. receipt: with the vault's word."""
        held = payout.state is not PayoutState.REQUIRES_ACTION
        ended = await payouts.advance(conn, payout, PayoutEvent.CANCEL)
        if held:
            await ledger.post_release(conn, payout.id)
        if ended.stuck:
            ended = await payouts.mark_stuck(conn, payout.id, False) or ended
        await cancels.decide(conn, payout.id, "canceled", self.clock.now())
        if receipt is not None:
            await self.prove(conn, ended, receipt)
        await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=payout)

    async def prove(self, conn: Connection, payout: PayoutRow, receipt: Receipt) -> None:
        """Keeps that the vault canceled the id of a payout that has ended."""
        await never_paid(conn, payout, "canceled_at_vault", receipt, self.nodes, self.clock.now())

    async def too_late(self, conn: Connection, *payout_ids: str) -> None:
        """The batch was first: whatever was asked, the payouts have another end."""
        await cancels.decide_all(conn, payout_ids, "too_late", self.clock.now())
