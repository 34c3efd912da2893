"""Readers of what is to stand on the chains: `[contracts]`, `contracts` of one chain, `[[deployments]]`.

As in `settings.parse`, a reader raises ValueError with words that follow the setting's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bascule.domain.chain import ZERO_HASH, Address, Hash, checksum, parse_hash
from bascule.settings import tables

TWO_DAYS_S = 48 * 3600
CONTRACTS = ("DepositFactory", "DepositForwarder", "PayoutVault", "TestDollar")

# Bounds of the vault's own types: lane uint32, limit uint96, window uint32; of the factory's: delay uint48.
LANE_MAX, LIMIT_MAX, WINDOW_MAX, DELAY_MAX = 2**32 - 1, 2**96 - 1, 2**32 - 1, 2**48 - 1


@dataclass(frozen=True, slots=True)
class OwnerSettings:
    """The contract wallet (a Safe) that is to own vault and factory, and who must stand behind it."""

    address: Address
    owners: tuple[Address, ...]
    threshold: int


@dataclass(frozen=True, slots=True)
class ContractsSettings:
    """What the contracts are born with, equal on every chain and for ever: it decides their addresses.

    deployer: the key-held first owner. owner: who it hands over to; None where it stays the owner.
    """

    deployer: Address
    treasury: Address
    guardian: Address
    canceller: Address
    collector_delay_s: int
    salt: Hash
    owner: OwnerSettings | None

    def __str__(self) -> str:
        return f"deployed by {checksum(self.deployer)}, treasury {checksum(self.treasury)}"


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """The vault's rolling limit of one token: base units in any `window_s` seconds."""

    token: Address
    amount_atomic: int
    window_s: int


@dataclass(frozen=True, slots=True)
class ChainContracts:
    """Roles on one chain, which may change. guardian, canceller: None while still those of the birth.

    vault_salt: of a vault that took the place of the first one; None: the first one stands.
    """

    collector: Address
    guardian: Address | None = None
    canceller: Address | None = None
    vault_salt: Hash | None = None
    operators: Mapping[int, Address] = field(default_factory=dict)
    limits: tuple[LimitSettings, ...] = ()
    test_dollars: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Deployed:
    """A contract of ours that stands on a chain. code_hash: keccak256 of its code with immutables masked."""

    chain: int
    contract: str
    address: Address
    code_hash: Hash

    def __str__(self) -> str:
        return f"{self.contract} {checksum(self.address)} on {self.chain}"


def contracts(given: Any) -> ContractsSettings:
    """The `[contracts]` table."""
    table = tables.table(given, required=("deployer", "treasury", "guardian", "canceller"),
                   optional=("collector_delay_s", "salt", "owner"))  # fmt: skip
    owner = table.get("owner")
    return ContractsSettings(
        deployer=tables.address(table, "deployer"),
        treasury=tables.address(table, "treasury"),
        guardian=tables.address(table, "guardian"),
        canceller=tables.address(table, "canceller"),
        collector_delay_s=tables.whole(table, "collector_delay_s", 0, DELAY_MAX, default=TWO_DAYS_S),
        salt=tables.read(table, "salt", parse_hash) if "salt" in table else ZERO_HASH,
        owner=None if owner is None else _owner(owner),
    )


def chain_contracts(given: Any) -> ChainContracts:
    """The `contracts` table of one chain."""
    table = tables.table(
        given,
        required=("collector",),
        optional=("guardian", "canceller", "vault_salt", "lanes", "limits", "test_dollars"),
    )
    lanes = [tables.table(each, required=("lane", "operator")) for each in tables.items(table, "lanes")]
    operators = {tables.whole(each, "lane", 0, LANE_MAX): tables.address(each, "operator") for each in lanes}
    limits = tuple(_limit(each) for each in tables.items(table, "limits"))
    if len(operators) != len(lanes) or len({limit.token for limit in limits}) != len(limits):
        raise ValueError("names a lane or a limit's token twice")
    return ChainContracts(
        collector=tables.address(table, "collector"),
        guardian=tables.address(table, "guardian") if "guardian" in table else None,
        canceller=tables.address(table, "canceller") if "canceller" in table else None,
        vault_salt=tables.read(table, "vault_salt", parse_hash) if "vault_salt" in table else None,
        operators=operators,
        limits=limits,
        test_dollars=tuple(_test_dollar(each) for each in tables.items(table, "test_dollars")),
    )


def deployments(given: Any) -> tuple[Deployed, ...]:
    """The `[[deployments]]` tables."""
    if not isinstance(given, list):
        raise ValueError("is not a list of tables")
    found = tuple(_deployed(each) for each in given)
    if len({(each.chain, each.address) for each in found}) != len(found):
        raise ValueError("names an address twice")
    return found


def _owner(given: Any) -> OwnerSettings:
    table = tables.table(given, required=("address", "owners", "threshold"))
    owners = tuple(tables.address({"owners": each}, "owners") for each in tables.items(table, "owners"))
    if not owners or len(set(owners)) != len(owners):
        raise ValueError("has an owner without owners, or names one of them twice")
    return OwnerSettings(
        tables.address(table, "address"), owners, tables.whole(table, "threshold", 1, len(owners))
    )


def _limit(given: Any) -> LimitSettings:
    table = tables.table(given, required=("token", "amount_atomic", "window_s"))
    window = tables.whole(table, "window_s", 8, WINDOW_MAX)
    if window % 8:
        raise ValueError(f"has a window_s of {window}, which is not a multiple of 8 (the vault's slices)")
    return LimitSettings(
        tables.address(table, "token"), tables.whole(table, "amount_atomic", 0, LIMIT_MAX), window
    )  # fmt: skip


def _test_dollar(given: Any) -> tuple[str, str]:
    table = tables.table(given, required=("name", "symbol"))
    if not all(isinstance(table[key], str) and table[key] for key in ("name", "symbol")):
        raise ValueError("has a test dollar whose name or symbol is not text")
    return table["name"], table["symbol"]


def _deployed(given: Any) -> Deployed:
    table = tables.table(given, required=("chain", "contract", "address", "code_hash"))
    if table["contract"] not in CONTRACTS:
        raise ValueError(f"has a contract {table['contract']!r}; there are {', '.join(CONTRACTS)}")
    return Deployed(
        tables.whole(table, "chain", 1, 2**53),
        table["contract"],
        tables.address(table, "address"),
        tables.read(table, "code_hash", parse_hash),
    )
