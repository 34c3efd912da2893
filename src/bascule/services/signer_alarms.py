"""Alarms of the signer: a refusal that contradicts the bridge's rows is told to the operator, once.

The signer refuses much that time heals. What is told here only a broken caller, a restored database or an
attacker is refused for.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.chain import Address, ChainId, caip2
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.signing_intents import SignerRefused
from bascule.storage import accounts, signer_alarms
from bascule.storage.database import Connection
from bascule.storage.networks import Network

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
    "nonce_skipped",
    "intent_malformed",
    "head_contradicts",
    "seal_passed",
)


def alarms(refusal: SignerRefused) -> bool:
    """Whether it, or what it says of one item, contradicts what the bridge believes."""
    return any(code in CODES for code in (refusal.code, *(item.code for item in refusal.items)))


@dataclass(frozen=True)
class SignerAlarms:
    """Keeps and tells them, in the caller's transaction."""

    network: Network
    outbox: Outbox

    async def keep(
        self, conn: Connection, chain_id: ChainId, wallet: Address, nonce: int, refusal: SignerRefused,
        subject: str = "",
    ) -> None:  # fmt: skip
        """A row and an event to the operator, the first time this nonce is refused so; else nothing.

        subject: the payout the signer would refuse, when the nonce was not given to it.
        """
        items = [{"name": item.name, "code": item.code} for item in refusal.items]
        fresh = alarms(refusal) and await signer_alarms.keep(
            conn, chain_id, wallet, nonce, code=refusal.code, subject=subject, message=refusal.message,
            items=items, at=self.outbox.clock.now(),
        )  # fmt: skip
        operator = await accounts.operator(conn) if fresh else None
        if operator is None:
            return
        name = "/".join(
            part for part in (caip2(chain_id), f"0x{wallet.hex()}", str(nonce), refusal.code, subject) if part
        )
        await self.outbox.append(
            conn,
            account_id=operator.id,
            livemode=self.network.livemode,
            type=EventType.SIGNER_REFUSED,
            object_id=name,
            object_version=1,
            object={
                "id": name, "object": "signer_refusal", "network": caip2(chain_id),
                "wallet": f"0x{wallet.hex()}", "nonce": nonce, "code": refusal.code,
                "message": refusal.message, "items": items,
            },
        )  # fmt: skip
