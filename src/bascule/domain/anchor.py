"""An anchor: the head of the seals written on chain, where nobody who holds the database can take it back.

The transaction goes from the anchor's wallet to itself and moves nothing; its data is the payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bascule.domain.chain import Address, Hash

# The lane `CHAIN/anchor` sends them; its wallet bears the same name.
LANE: Final = "anchor"
TAG = b"bascule anchor 1"  # what it is, and which version of it: no other data begins like that
SEALS_MAX = 2**63
_LENGTH = len(TAG) + 8 + 32
# EIP-7623's floor for the data of a transaction: 21,000 and 40 a byte; zeros cost less.
GAS = 21_000 + 40 * _LENGTH


@dataclass(frozen=True, slots=True)
class Anchored:
    """What a payload says: a seal's number, and its hash in hex."""

    seal: int
    head: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A final transaction of an anchor's wallet. says: what it anchors; None for one that fills a nonce."""

    chain_id: int
    wallet: Address
    nonce: int
    tx_hash: Hash
    says: Anchored | None

    def line(self) -> dict[str, Any]:
        """The same as a line of an export."""
        seal, head = (None, None) if self.says is None else (self.says.seal, self.says.head)
        return {
            "anchor": "0x" + self.tx_hash.hex(),
            "chain_id": self.chain_id,
            "wallet": "0x" + self.wallet.hex(),
            "nonce": self.nonce,
            "seal": seal,
            "head": head,
        }


def payload(seal: int, head: bytes) -> bytes:
    """The data of an anchor: the tag, the seal's number in 8 bytes, the 32 bytes of its hash.

    Raises: ValueError when these are no seal's number and hash.
    """
    if not 1 <= seal < SEALS_MAX or len(head) != 32:
        raise ValueError("a seal has a number from 1 on and a hash of 32 bytes")
    return TAG + seal.to_bytes(8, "big") + head


def read(data: bytes) -> Anchored | None:
    """What the data of a transaction anchors; None when it is no anchor."""
    if len(data) != _LENGTH or not data.startswith(TAG):
        return None
    number, head = data[len(TAG) : len(TAG) + 8], data[len(TAG) + 8 :]
    return Anchored(int.from_bytes(number, "big"), head.hex())


def of_line(line: Mapping[str, Any]) -> Sent:
    """What `Sent.line` wrote. Raises: ValueError for anything else."""
    try:
        says = None if line["seal"] is None else Anchored(line["seal"], line["head"])
        wallet, tx_hash = (bytes.fromhex(line[name].removeprefix("0x")) for name in ("wallet", "anchor"))
        found = Sent(line["chain_id"], Address(wallet), line["nonce"], Hash(tx_hash), says)
        if says is not None:
            payload(says.seal, bytes.fromhex(says.head))
        exact = (len(wallet), len(tx_hash), found.line()) == (20, 32, dict(line))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"a line is no anchor: {error!r}") from None
    if not exact or any(type(each) is not int for each in (found.chain_id, found.nonce)):
        raise ValueError("an anchor is not written as it is exported")
    return found
