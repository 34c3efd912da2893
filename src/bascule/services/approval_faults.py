"""Why a signature approves nothing here: what else its signer signed, where that can be told.

A signature names nothing but its signer, and that only beside the right text. So texts that differ in one
word are tried: the networks and vaults we know, the account's other amounts, and its own with other decimals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bascule.chain.signatures import recover
from bascule.domain.approval import PayoutApproval
from bascule.domain.chain import Address, ChainId, Hash, caip2, checksum
from bascule.domain.errors import Rejected
from bascule.services.approval_rounds import batch_approval_text
from bascule.storage import lanes, networks, payouts
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow
from bascule.storage.payouts import PayoutRow

MISMATCH = "signature_mismatch"
OTHER_CHAIN = "approval_other_chain"
OTHER_VAULT = "approval_other_vault"
OTHER_AMOUNT = "approval_other_amount"
_DECIMALS = range(1, 19)

_DigestAt = Callable[[ChainId, Address], Hash]


async def of_payout(
    conn: Connection, payout: PayoutRow, text: PayoutApproval, who: Address, signature: bytes
) -> Rejected:
    """What is wrong with a signature that does not approve this payout. signature: of the right shape."""
    found = await _elsewhere(conn, payout.chain_id, payout.vault, text.digest, who, signature)
    if found is None:
        lately = await payouts.amounts_lately(conn, payout.account_id, payout.token_id)
        shifted = {payout.amount * 10**by for by in _DECIMALS}
        shifted |= {payout.amount // 10**by for by in _DECIMALS if payout.amount % 10**by == 0}
        for amount in sorted(({*lately} | shifted) - {payout.amount}):
            digest = replace(text, amount=amount).digest(payout.chain_id, payout.vault)
            if recover(digest, signature) == who:
                found = OTHER_AMOUNT, f"{amount} base units, and this payout is of {payout.amount}"
                break
    return _refusal("payout", who, found)


async def of_batch(conn: Connection, batch: BatchRow, who: Address, signature: bytes) -> Rejected:
    """The same of a whole batch, whose amounts are too many to try."""
    digest_at = batch_approval_text(batch).digest
    found = await _elsewhere(conn, batch.chain_id, batch.vault, digest_at, who, signature)
    return _refusal("batch", who, found)


async def _elsewhere(
    conn: Connection, chain_id: ChainId, vault: Address, digest_at: _DigestAt, who: Address, signature: bytes
) -> tuple[str, str] | None:
    """The code and the place of another network or vault for which it was signed; None for none."""
    places = {(each.chain_id, Address(each.vault)) for each in await networks.every(conn) if each.vault}
    places |= await lanes.vaults(conn)
    places |= {(other, vault) for other, _ in places}  # a wallet that stood on another network
    for other, there in sorted(places - {(chain_id, vault)}):
        if recover(digest_at(other, there), signature) == who:
            code = OTHER_VAULT if other == chain_id else OTHER_CHAIN
            return (
                code,
                f"vault {checksum(there)} on {caip2(other)}, not for {checksum(vault)} on {caip2(chain_id)}",
            )
    return None


def _refusal(what: str, who: Address, found: tuple[str, str] | None) -> Rejected:
    code, why = (MISMATCH, None) if found is None else found
    told = f"did not sign this {what} as it stands now" if why is None else f"signed it for {why}"
    return Rejected(
        code,
        f"{checksum(who)} {told}.",
        param="signature",
        next_step=f"Sign next_action.typed_data of this {what}.",
    )
