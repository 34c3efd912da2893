"""Readers of what is to stand on the chains: `[contracts]`, `contracts` of one chain, `[[deployments]]`.

As in `settings_parse`, a reader raises ValueError with words that follow the setting's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bascule.domain.chain import ZERO_HASH, Address, Hash, checksum, parse_address, parse_hash
from bascule.domain.errors import Rejected

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
    """Roles on one chain, which may change. guardian, canceller: None while still those of the birth."""

    collector: Address
    guardian: Address | None = None
    canceller: Address | None = None
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
    table = _table(given, required=("deployer", "treasury", "guardian", "canceller"),
                   optional=("collector_delay_s", "salt", "owner"))  # fmt: skip
    owner = table.get("owner")
    return ContractsSettings(
        deployer=_address(table, "deployer"),
        treasury=_address(table, "treasury"),
        guardian=_address(table, "guardian"),
        canceller=_address(table, "canceller"),
        collector_delay_s=_whole(table, "collector_delay_s", 0, DELAY_MAX, default=TWO_DAYS_S),
        salt=_read(table, "salt", parse_hash) if "salt" in table else ZERO_HASH,
        owner=None if owner is None else _owner(owner),
    )


def chain_contracts(given: Any) -> ChainContracts:
    """The `contracts` table of one chain."""
    table = _table(given, required=("collector",),
                   optional=("guardian", "canceller", "lanes", "limits", "test_dollars"))  # fmt: skip
    lanes = [_table(each, required=("lane", "operator")) for each in _list(table, "lanes")]
    operators = {_whole(each, "lane", 0, LANE_MAX): _address(each, "operator") for each in lanes}
    limits = tuple(_limit(each) for each in _list(table, "limits"))
    if len(operators) != len(lanes) or len({limit.token for limit in limits}) != len(limits):
        raise ValueError("names a lane or a limit's token twice")
    return ChainContracts(
        collector=_address(table, "collector"),
        guardian=_address(table, "guardian") if "guardian" in table else None,
        canceller=_address(table, "canceller") if "canceller" in table else None,
        operators=operators,
        limits=limits,
        test_dollars=tuple(_test_dollar(each) for each in _list(table, "test_dollars")),
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
    table = _table(given, required=("address", "owners", "threshold"))
    owners = tuple(_address({"owners": each}, "owners") for each in _list(table, "owners"))
    if not owners or len(set(owners)) != len(owners):
        raise ValueError("has an owner without owners, or names one of them twice")
    return OwnerSettings(_address(table, "address"), owners, _whole(table, "threshold", 1, len(owners)))


def _limit(given: Any) -> LimitSettings:
    table = _table(given, required=("token", "amount_atomic", "window_s"))
    window = _whole(table, "window_s", 8, WINDOW_MAX)
    if window % 8:
        raise ValueError(f"has a window_s of {window}, which is not a multiple of 8 (the vault's slices)")
    return LimitSettings(
        _address(table, "token"), _whole(table, "amount_atomic", 0, LIMIT_MAX), window
    )  # fmt: skip


def _test_dollar(given: Any) -> tuple[str, str]:
    table = _table(given, required=("name", "symbol"))
    if not all(isinstance(table[key], str) and table[key] for key in ("name", "symbol")):
        raise ValueError("has a test dollar whose name or symbol is not text")
    return table["name"], table["symbol"]


def _deployed(given: Any) -> Deployed:
    table = _table(given, required=("chain", "contract", "address", "code_hash"))
    if table["contract"] not in CONTRACTS:
        raise ValueError(f"has a contract {table['contract']!r}; there are {', '.join(CONTRACTS)}")
    return Deployed(
        _whole(table, "chain", 1, 2**53),
        table["contract"],
        _address(table, "address"),
        _read(table, "code_hash", parse_hash),
    )


def _table(given: Any, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ValueError(f"has {given!r} where a table of {', '.join(required)} belongs")
    if missing := [key for key in required if key not in given]:
        raise ValueError(f"lacks {missing[0]}")
    if odd := sorted(given.keys() - {*required, *optional}):
        raise ValueError(f"has an entry it does not know: {odd[0]!r}")
    return given


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    given = table.get(key, [])
    if not isinstance(given, list):
        raise ValueError(f"has {key} that are not a list")
    return given


def _address(table: Mapping[str, Any], key: str) -> Address:
    found: Address = _read(table, key, parse_address)
    return found


def _read(table: Mapping[str, Any], key: str, read: Callable[[Any], Any]) -> Any:
    try:
        return read(table[key])
    except Rejected as refused:
        raise ValueError(f"has a {key} of {table[key]!r}: {refused}") from None


def _whole(table: Mapping[str, Any], key: str, low: int, high: int, *, default: int | None = None) -> int:
    """Large amounts may be text too: other readers of TOML stop at 64 bits."""
    given = table.get(key, default)
    text = str(given)
    if isinstance(given, bool) or not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(f"has a {key} of {given!r}, not a whole number from {low} to {high}")
    return int(text)
