"""What approvers sign: EIP-712 messages, hashed by hand so that a signer needs no library for it.

The domain binds a signature to one vault on one chain; the message binds it to one payout with
one content, or to one version of one account's roster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bascule.domain.chain import Address, ChainId, Hash, checksum
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak

NAME = "Bascule"
VERSION = "1"

_DOMAIN = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_PAYOUT = (
    ("account", "string"),
    ("payout", "string"),
    ("token", "address"),
    ("to", "address"),
    ("amount", "uint256"),
    ("expiry", "uint256"),
    ("rosterVersion", "uint256"),
)
_ROSTER = (
    ("account", "string"),
    ("version", "uint256"),
    ("threshold", "uint256"),
    ("approvers", "address[]"),
)

_Fields = tuple[tuple[str, str], ...]
_Value = str | int | bytes | Sequence[bytes]


@dataclass(frozen=True, slots=True)
class PayoutApproval:
    """One approver's word for one payout. amount: base units; expiry: unix seconds, inclusive."""

    account: str
    payout: str
    token: Address
    to: Address
    amount: int
    expiry: int
    roster_version: int

    def digest(self, chain_id: ChainId, vault: Address) -> Hash:
        """The 32 bytes an approver's key signs."""
        return _digest("PayoutApproval", _PAYOUT, self._values(), chain_id, vault)

    def typed_data(self, chain_id: ChainId, vault: Address) -> dict[str, Any]:
        """The same as JSON for wallets (eth_signTypedData_v4); amounts are decimal strings."""
        return _typed_data("PayoutApproval", _PAYOUT, self._values(), chain_id, vault)

    def _values(self) -> tuple[_Value, ...]:
        return (
            self.account,
            self.payout,
            self.token,
            self.to,
            self.amount,
            self.expiry,
            self.roster_version,
        )


@dataclass(frozen=True, slots=True)
class RosterUpdate:
    """A new version of who approves an account's payouts, and how many of them it takes.

    Raises: Rejected `roster_invalid`. The approvers' order makes no difference to the digest.
    """

    account: str
    version: int
    threshold: int
    approvers: tuple[Address, ...]

    def __post_init__(self) -> None:
        if len(set(self.approvers)) != len(self.approvers):
            raise Rejected("roster_invalid", "An approver is named twice.", param="approvers")
        if not 1 <= self.threshold <= len(self.approvers):
            raise Rejected(
                "roster_invalid",
                f"{self.threshold} of {len(self.approvers)} approvers can never agree.",
                param="threshold",
            )

    def digest(self, chain_id: ChainId, vault: Address) -> Hash:
        """The 32 bytes an approver's key signs."""
        return _digest("RosterUpdate", _ROSTER, self._values(), chain_id, vault)

    def typed_data(self, chain_id: ChainId, vault: Address) -> dict[str, Any]:
        """The same as JSON for wallets."""
        return _typed_data("RosterUpdate", _ROSTER, self._values(), chain_id, vault)

    def _values(self) -> tuple[_Value, ...]:
        return (self.account, self.version, self.threshold, sorted(self.approvers))


def _digest(name: str, fields: _Fields, values: Sequence[_Value], chain_id: ChainId, vault: Address) -> Hash:
    separator = _struct("EIP712Domain", _DOMAIN, (NAME, VERSION, chain_id, vault))
    return Hash(keccak(b"\x19\x01" + separator + _struct(name, fields, values)))


def _struct(name: str, fields: _Fields, values: Sequence[_Value]) -> bytes:
    spelled = f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"
    words = (_word(value) for value in values)
    return keccak(keccak(spelled.encode()) + b"".join(words))


def _word(value: _Value) -> bytes:
    """One value as its 32 bytes: numbers and addresses padded, text and lists hashed."""
    if isinstance(value, str):
        return keccak(value.encode())
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    if isinstance(value, bytes):
        return value.rjust(32, b"\0")
    return keccak(b"".join(_word(item) for item in value))


def _typed_data(
    name: str, fields: _Fields, values: Sequence[_Value], chain_id: ChainId, vault: Address
) -> dict[str, Any]:
    return {
        "types": {
            "EIP712Domain": [{"name": field, "type": kind} for field, kind in _DOMAIN],
            name: [{"name": field, "type": kind} for field, kind in fields],
        },
        "primaryType": name,
        "domain": {
            "name": NAME,
            "version": VERSION,
            "chainId": chain_id,
            "verifyingContract": checksum(vault),
        },
        "message": {field: _json(value) for (field, _), value in zip(fields, values, strict=True)},
    }


def _json(value: _Value) -> str | list[str]:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return checksum(Address(value))
    return [checksum(Address(item)) for item in value]
