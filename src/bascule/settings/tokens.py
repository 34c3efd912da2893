"""Reader of a chain's `tokens`: names of presets, and tables of what no preset knows.

As in `settings.parse`, a reader raises ValueError with words that follow the setting's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from bascule import presets
from bascule.domain.chain import Address, ChainId, checksum
from bascule.domain.money import SCALE
from bascule.presets import Eip3009
from bascule.settings import tables

CURRENCY = re.compile(r"[a-z0-9]{2,12}")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A token to be accepted as payment. symbol, eip3009: held against the chain where they are given."""

    currency: str
    contract: Address
    decimals: int
    name: str = ""
    symbol: str | None = None
    eip3009: Eip3009 | None = None

    def __str__(self) -> str:
        return f"{self.currency} {checksum(self.contract)}"


def tokens(chain_id: ChainId, given: Any) -> tuple[TokenSettings, ...]:
    """The `tokens` of one chain."""
    found = tuple(_token(chain_id, each) for each in tables.items({"tokens": given}, "tokens"))
    seen: dict[Address, TokenSettings] = {}
    for token in found:
        first = seen.setdefault(token.contract, token)
        if first is not token:
            twice = f"{first.currency} and as {token.currency}"
            raise ValueError(f"has the contract {checksum(token.contract)} twice, as {twice}")
    return found


def _token(chain_id: ChainId, given: Any) -> TokenSettings:
    if isinstance(given, str):
        return _preset(chain_id, given)
    if isinstance(given, dict) and "preset" in given:
        table = tables.table(given, required=("preset",), optional=("currency",))
        preset = _preset(chain_id, tables.word(table, "preset"))
        return replace(preset, currency=_currency(table)) if "currency" in table else preset
    table = tables.table(given, required=("currency", "contract", "decimals"),
                         optional=("name", "symbol", "eip3009"))  # fmt: skip
    return TokenSettings(
        currency=_currency(table),
        contract=tables.address(table, "contract"),
        decimals=tables.whole(table, "decimals", 0, SCALE),
        name=tables.word(table, "name") if "name" in table else "",
        symbol=tables.word(table, "symbol") if "symbol" in table else None,
        eip3009=_eip3009(table["eip3009"]) if "eip3009" in table else None,
    )


def _preset(chain_id: ChainId, name: str) -> TokenSettings:
    chain = presets.chains().get(chain_id)
    known = chain.tokens if chain else {}
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise ValueError(
            f"names the preset {name!r}, which is not known on chain {chain_id} (there: {there});"
            " give currency, contract and decimals instead"
        )
    token = known[name]
    return TokenSettings(
        token.currency, token.contract, token.decimals, token.name, token.symbol, token.eip3009
    )


def _currency(table: dict[str, Any]) -> str:
    given = table["currency"]
    if not isinstance(given, str) or not CURRENCY.fullmatch(given):
        raise ValueError(f"has a currency of {given!r}, not 2 to 12 lower-case letters and digits")
    return given


def _eip3009(given: Any) -> Eip3009:
    table = tables.table(given, required=("name", "version"))
    return Eip3009(tables.word(table, "name"), tables.word(table, "version"))
