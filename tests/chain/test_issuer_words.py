"""An issuer's words are read whole or not at all: what is not known is not guessed."""

import pytest
from eth_abi.abi import encode

from bascule.chain.abi import artifact
from bascule.chain.issuer_words import IssuerSays, read
from bascule.domain.chain import Address
from bascule.domain.hashing import keccak

PAYEE, OTHER = Address(b"\x0a" * 20), Address(b"\x0b" * 20)


def reverted(error: str, *values: object) -> bytes:
    """What a contract answers that reverts with a custom error, or with a text by `Error(string)`."""
    kinds = error[error.index("(") + 1 : -1]
    return keccak(error.encode())[:4] + encode(kinds.split(",") if kinds else [], list(values))


PAUSED = reverted("Error(string)", "Pausable: paused")


CASES = {
    "USDC, paused": (PAUSED, IssuerSays.PAUSED),
    "OpenZeppelin 5, paused": (reverted("EnforcedPause()"), IssuerSays.PAUSED),
    "PYUSD, paused": (reverted("ContractPaused()"), IssuerSays.PAUSED),
    "the payee by name": (reverted("AccountBlacklisted(address)", PAYEE), IssuerSays.PAYEE_FROZEN),
    "USDC, either": (
        reverted("Error(string)", "Blacklistable: account is blacklisted"), IssuerSays.SOMEBODY_FROZEN,
    ),
    "PYUSD, either": (reverted("AddressFrozen()"), IssuerSays.SOMEBODY_FROZEN),
    "another by name": (reverted("AccountBlacklisted(address)", OTHER), IssuerSays.UNREAD),
    "nothing": (b"", IssuerSays.UNREAD),
    "false": (bytes(32), IssuerSays.UNREAD),
    "more than the words": (PAUSED + bytes(32), IssuerSays.UNREAD),
    "less than the words": (PAUSED[:-32], IssuerSays.UNREAD),
    "other words": (reverted("Error(string)", "Pausable: not paused"), IssuerSays.UNREAD),
    "a panic": (reverted("Panic(uint256)", 0x11), IssuerSays.UNREAD),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "means"), CASES.values(), ids=CASES)
def test_words_mean_what_their_issuer_means_by_them(answer: bytes, means: IssuerSays) -> None:
    assert read(answer, PAYEE) is means


def test_words_of_our_own_token_are_those_it_was_compiled_with() -> None:
    """TestDollar inherits them from OpenZeppelin, whose next release may rename them."""
    errors = {
        f"{each['name']}({','.join(value['type'] for value in each['inputs'])})"
        for each in artifact("TestDollar").abi
        if each["type"] == "error"
    }
    assert {"EnforcedPause()", "AccountBlacklisted(address)"} <= errors
