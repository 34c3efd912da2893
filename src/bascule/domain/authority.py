"""What approvers sign to change whom and how much the signer obeys: EIP-712, each text naming its version.

A text travels as its typed data, the very JSON a wallet shows, and is read back from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from bascule.domain import typed_data as eip712
from bascule.domain.chain import Address, ChainId, Hash, parse_address
from bascule.domain.errors import Rejected
from bascule.domain.typed_data import Struct, Value

VERSION_MAX = 2**31 - 1


class Update:
    """A text approvers sign. Its fields stand in the order of its struct's."""

    __slots__ = ()
    STRUCT: ClassVar[Struct]

    def digest(self, chain_id: ChainId, vault: Address) -> Hash:
        """The 32 bytes an approver's key signs."""
        return eip712.digest(self.STRUCT.hash(*self._values()), chain_id, vault)

    def typed_data(self, chain_id: ChainId, vault: Address) -> dict[str, Any]:
        """The same as JSON for wallets (eth_signTypedData_v4); numbers are decimal strings."""
        return eip712.typed_data(self.STRUCT, self.STRUCT.told(*self._values()), chain_id, vault)

    def _values(self) -> tuple[Value, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class RosterUpdate(Update):
    """A new version of who approves an account's payouts, and how many of them it takes.

    Raises: Rejected `roster_invalid`. The approvers' order makes no difference.
    """

    STRUCT = Struct(
        "RosterUpdate",
        (
            ("account", "string"),
            ("version", "uint256"),
            ("threshold", "uint256"),
            ("approvers", "address[]"),
        ),
    )
    account: str
    version: int
    threshold: int
    approvers: tuple[Address, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "approvers", tuple(sorted(self.approvers)))
        if len(set(self.approvers)) != len(self.approvers):
            raise Rejected("roster_invalid", "An approver is named twice.", param="approvers")
        if not 1 <= self.threshold <= len(self.approvers):
            raise Rejected(
                "roster_invalid",
                f"{self.threshold} of {len(self.approvers)} approvers can never agree.",
                param="threshold",
            )


@dataclass(frozen=True, slots=True)
class LimitsUpdate(Update):
    """A new version of a token's hard limits in the vault of the domain.

    Amounts in base units, a day is any 24 hours, fees in wei per gas. Zero for an amount: nothing is paid.
    """

    STRUCT = Struct(
        "LimitsUpdate",
        (
            ("token", "address"),
            ("version", "uint256"),
            ("maxPerItem", "uint256"),
            ("maxPerDay", "uint256"),
            ("maxFeePerGas", "uint256"),
            ("maxGas", "uint256"),
        ),
    )
    token: Address
    version: int
    max_per_item: int
    max_per_day: int
    max_fee_per_gas: int
    max_gas: int

    def __post_init__(self) -> None:
        if self.max_gas >= 2**63:
            raise Rejected("limits_invalid", "No block has that much gas.", param="maxGas")


@dataclass(frozen=True, slots=True)
class AccountLimitsUpdate(Update):
    """A new version of what one account may be paid out for, of a token in the vault of the domain.

    Base units of any 24 hours, zero: nothing is paid; the only destinations, none named: any. Their order
    makes no difference. Raises: Rejected `limits_invalid`.
    """

    STRUCT = Struct(
        "AccountLimitsUpdate",
        (
            ("account", "string"),
            ("token", "address"),
            ("version", "uint256"),
            ("maxPerDay", "uint256"),
            ("destinations", "address[]"),
        ),
    )
    account: str
    token: Address
    version: int
    max_per_day: int
    destinations: tuple[Address, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "destinations", tuple(sorted(self.destinations)))
        if len(set(self.destinations)) != len(self.destinations):
            raise Rejected("limits_invalid", "A destination is named twice.", param="destinations")


AnyUpdate = RosterUpdate | LimitsUpdate | AccountLimitsUpdate


@dataclass(frozen=True, slots=True)
class Request:
    """An update and the domain it is signed in."""

    update: AnyUpdate
    chain_id: ChainId
    vault: Address

    def digest(self) -> Hash:
        """The 32 bytes an approver's key signs."""
        return self.update.digest(self.chain_id, self.vault)

    def typed_data(self) -> dict[str, Any]:
        """The JSON it travels as."""
        return self.update.typed_data(self.chain_id, self.vault)


_KINDS: Mapping[str, type[AnyUpdate]] = {
    kind.__name__: kind for kind in (RosterUpdate, LimitsUpdate, AccountLimitsUpdate)
}


def read(typed_data: Mapping[str, Any]) -> Request:
    """The update that this typed data is and says exactly.

    Raises: Rejected `update_malformed`, `roster_invalid`, `limits_invalid`, `address_invalid`,
    `address_checksum_mismatch`.
    """
    try:
        kind = _KINDS[typed_data["primaryType"]]
        message, domain = typed_data["message"], typed_data["domain"]
        values = (_value(of, message[name]) for name, of in kind.STRUCT.fields)
        update = kind(*values)  # type: ignore[arg-type]
        request = Request(update, int(domain["chainId"]), parse_address(domain["verifyingContract"]))
        same = request.typed_data() == typed_data
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _malformed(f"{type(error).__name__} {error}") from None
    if not same or not 1 <= request.chain_id < 2**63:
        raise _malformed("it is not written as a wallet would show it")
    if isinstance(update.version, int) and not 1 <= update.version <= VERSION_MAX:
        raise _malformed("a version is 1 or more")
    return request


def _value(kind: str, told: Any) -> Value:
    if kind == "uint256":
        number = int(told)
        if not 0 <= number < 2**256:
            raise ValueError(f"{number} is no uint256")
        return number
    if kind == "address":
        return parse_address(told)
    if kind == "address[]":
        return tuple(parse_address(each) for each in told)
    if not isinstance(told, str) or "\0" in told or len(told) > 400:
        raise ValueError("a text of at most 400 signs")
    return told


def _malformed(why: str) -> Rejected:
    return Rejected("update_malformed", f"The typed data is no update of ours: {why}.", param="typed_data")
