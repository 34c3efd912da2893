"""Why a payout failed that its token refused, as far as the final batch it stood in says."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.chain.issuer_words import IssuerSays, read
from bascule.domain.chain import Address
from bascule.domain.payout import FailureCode


def failure_code(refusals: Mapping[int, bytes], vault_id: int, payee: Address, *, paid: bool) -> FailureCode:
    """The code of a refused item, never guessed.

    refusals: the token's answers, as the vault kept them in its log; paid: whether an item beside it was paid
    in the same transaction, which an issuer that froze the vault, or paused the token, would not have let
    through.
    """
    says = read(refusals.get(vault_id, b""), payee)
    if says is IssuerSays.PAUSED and not paid:
        return FailureCode.TOKEN_PAUSED
    if says is IssuerSays.PAYEE_FROZEN or (says is IssuerSays.SOMEBODY_FROZEN and paid):
        return FailureCode.DESTINATION_FROZEN
    return FailureCode.REFUSED_BY_TOKEN
