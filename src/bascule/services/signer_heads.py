"""What the signer holds an anchor against: one head for each seal, in rising order, at a bounded price."""

from __future__ import annotations

from datetime import datetime

from bascule.chain.tx import UnsignedTx
from bascule.domain import anchor
from bascule.domain.chain import Address
from bascule.domain.fees import Fees
from bascule.services.signing_intents import AnchorIntent, OffendingItem, SignerRefused, address
from bascule.storage import signer_anchors
from bascule.storage.database import Connection
from bascule.storage.signer_ledger import SlotKey
from bascule.storage.signer_limits import FeeLimits


def transaction(intent: AnchorIntent, fees: Fees) -> UnsignedTx:
    """Nothing, from the wallet to itself, with the head as its data. Raises: SignerRefused."""
    try:
        data = anchor.payload(intent.seal, intent.head)
    except ValueError as error:
        raise SignerRefused("intent_malformed", f"An anchor is of a seal: {error}.") from None
    return UnsignedTx(intent.chain_id, intent.nonce, address(intent.wallet, "wallet"), 0, data, fees)


async def limits_of(conn: Connection, chain_id: int, wallet: bytes) -> FeeLimits:
    """What an anchor of the wallet may cost. Raises: SignerRefused when nobody registered that."""
    limits = await signer_anchors.current(conn, chain_id, Address(wallet))
    if limits is None:
        raise SignerRefused("anchors_unlimited", "There are no limits for this anchor's wallet.")
    return limits


async def keep(conn: Connection, intent: AnchorIntent, key: SlotKey, now: datetime) -> None:
    """Writes the head down. The caller holds the wallet's lock.

    Raises: SignerRefused, naming the seal, when another head was signed for it, or a later seal from this
    wallet: history was written anew, or an old backup of the bridge was put back.
    """
    if await signer_anchors.contradicts(conn, intent.seal, intent.head):
        raise _refused(intent, "head_contradicts", "Another head was signed for this seal.")
    newest = await signer_anchors.newest(conn, key.chain_id, key.wallet)
    if intent.seal < newest:
        raise _refused(intent, "seal_passed", f"Seal {newest} was signed for before.")
    await signer_anchors.insert(conn, key, intent.seal, intent.head, now)


def _refused(intent: AnchorIntent, code: str, message: str) -> SignerRefused:
    return SignerRefused(code, message, (OffendingItem(f"seal {intent.seal}", code),))
