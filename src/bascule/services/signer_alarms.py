"""Alarms of the signer: a refusal that contradicts the bridge's rows is told to the operator, once.

The signer refuses much that time heals. What is told here only a broken caller, a restored database or an
attacker is refused for.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.chain import caip2
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.signing_intents import SignerRefused
from bascule.storage import accounts, signer_alarms
from bascule.storage.database import Connection
from bascule.storage.networks import Network
from bascule.storage.slots import Slot

CODES = (
    "approver_unknown",
    "approvals_missing",
    "signature_invalid",
    "content_changed",
    "slot_taken",
    "not_in_batch",
    "not_in_mandate",
    "wallet_unknown",
    "lane_denied",
    "epoch_stale",
    "nonce_below_watermark",
    "intent_malformed",
)


def alarms(refusal: SignerRefused) -> bool:
    """Whether it, or what it says of one item, contradicts what the bridge believes."""
    return any(code in CODES for code in (refusal.code, *(item.code for item in refusal.items)))


@dataclass(frozen=True)
class SignerAlarms:
    """Keeps and tells them, in the caller's transaction."""

    network: Network
    outbox: Outbox

    async def keep(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """A row and an event to the operator, the first time this slot is refused so; else nothing."""
        items = [{"name": item.name, "code": item.code} for item in refusal.items]
        fresh = alarms(refusal) and await signer_alarms.keep(
            conn, slot, code=refusal.code, message=refusal.message, items=items, at=self.outbox.clock.now()
        )
        operator = await accounts.operator(conn) if fresh else None
        if operator is None:
            return
        place = f"{caip2(slot.chain_id)}/0x{slot.wallet.hex()}/{slot.nonce}"
        await self.outbox.append(
            conn,
            account_id=operator.id,
            livemode=self.network.livemode,
            type=EventType.SIGNER_REFUSED,
            object_id=f"{place}/{refusal.code}",
            object_version=1,
            object={
                "id": f"{place}/{refusal.code}", "object": "signer_refusal", "network": caip2(slot.chain_id),
                "wallet": f"0x{slot.wallet.hex()}", "nonce": slot.nonce, "code": refusal.code,
                "message": refusal.message, "items": items,
            },
        )  # fmt: skip
