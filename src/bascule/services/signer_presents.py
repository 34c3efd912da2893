"""What the signer holds a payer's authorization against: its wallet's tokens, fee caps, and the day's gas."""

from __future__ import annotations

from datetime import datetime

from bascule.chain import eip3009
from bascule.chain.tx import UnsignedTx
from bascule.domain.authorization import DAY, Authorization
from bascule.domain.chain import Address
from bascule.domain.fees import Fees
from bascule.services.signing_intents import AuthorizationIntent, SignerRefused, address
from bascule.storage import signer_authorizations
from bascule.storage.database import Connection
from bascule.storage.signer_authorizations import PresentLimits
from bascule.storage.signer_ledger import SlotKey

_WORD = 2**256


def transaction(intent: AuthorizationIntent, fees: Fees) -> UnsignedTx:
    """The call of the token that presents what the payer signed. Raises: SignerRefused."""
    numbers = (intent.amount, intent.valid_after, intent.valid_before)
    if not all(0 <= number < _WORD for number in numbers) or len(intent.authorization_nonce) != 32:
        raise SignerRefused("intent_malformed", "An amount, a time or the payer's nonce is out of range.")
    if len(intent.signature) != 65:
        raise SignerRefused("intent_malformed", "The payer's signature is not one of a key.")
    signed = Authorization(
        address(intent.payer, "payer"), address(intent.pay_to, "pay_to"), *numbers, intent.authorization_nonce
    )
    calldata = eip3009.calldata(signed, intent.signature)
    return UnsignedTx(intent.chain_id, intent.nonce, address(intent.token, "token"), 0, calldata, fees)


async def limits_of(conn: Connection, chain_id: int, wallet: bytes) -> PresentLimits:
    """What the wallet may present. Raises: SignerRefused when nobody registered that."""
    limits = await signer_authorizations.current(conn, chain_id, Address(wallet))
    if limits is None:
        raise SignerRefused(
            "authorizations_unlimited", "There are no limits for this wallet's authorizations."
        )
    return limits


async def count(conn: Connection, intent: AuthorizationIntent, key: SlotKey, now: datetime) -> None:
    """Writes it into its day, at the most it can ever cost. The caller holds the wallet's lock.

    Raises: SignerRefused.
    """
    limits = await limits_of(conn, key.chain_id, key.wallet)
    token = Address(intent.token)
    if token not in limits.tokens:
        raise SignerRefused("token_unknown", f"This wallet presents nothing to 0x{token.hex()}.")
    cost = limits.max_fee_per_gas * intent.fees.gas
    spent = await signer_authorizations.spent_since(conn, key.chain_id, key.wallet, now - DAY)
    if spent + cost > limits.max_per_day:
        raise SignerRefused("gas_budget_spent", f"{spent} of {limits.max_per_day} wei are given out today.")
    await signer_authorizations.insert(
        conn, key, token=token, payer=Address(intent.payer), payers_nonce=intent.authorization_nonce,
        cost=cost, signed_at=now,
    )  # fmt: skip
