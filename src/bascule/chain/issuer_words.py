"""Why a token refused a transfer, in its issuer's words: what the vault kept of its answer, in a proven log.

Words that are not listed stay unread, as nothing is guessed: some tokens (Tether's) say nothing at all.
"""

from __future__ import annotations

from enum import StrEnum

from eth_abi.abi import encode

from bascule.domain.chain import Address
from bascule.domain.hashing import keccak

_ADDRESS = 20


class IssuerSays(StrEnum):
    """What an issuer means. somebody_frozen: sender or payee, without saying which of them."""

    PAUSED = "paused"
    PAYEE_FROZEN = "payee_frozen"
    SOMEBODY_FROZEN = "somebody_frozen"
    UNREAD = "unread"


def _selector(error: str) -> bytes:
    return keccak(error.encode())[:4]


def _words(text: str) -> bytes:
    """The answer of `require(…, text)`."""
    return _selector("Error(string)") + encode(["string"], [text])


# Whole answers, so that nothing that only begins alike counts: of Circle, OpenZeppelin (4 and 5) and Paxos.
_WHOLE = {
    _words("Pausable: paused"): IssuerSays.PAUSED,
    _words("ERC20Pausable: token transfer while paused"): IssuerSays.PAUSED,
    _selector("EnforcedPause()"): IssuerSays.PAUSED,
    _selector("ContractPaused()"): IssuerSays.PAUSED,
    _words("Blacklistable: account is blacklisted"): IssuerSays.SOMEBODY_FROZEN,
    _selector("AddressFrozen()"): IssuerSays.SOMEBODY_FROZEN,
}
# Those that name the account, as TestDollar does.
_NAMING = frozenset({_selector("AccountBlacklisted(address)"), _selector("Blacklisted(address)")})


def read(answer: bytes, payee: Address) -> IssuerSays:
    """What a token's answer to a transfer to `payee` means."""
    if answer[:4] in _NAMING and answer[4:] == bytes(32 - _ADDRESS) + payee:
        return IssuerSays.PAYEE_FROZEN
    return _WHOLE.get(answer, IssuerSays.UNREAD)
