"""Chains and tokens we know by name, from `presets.toml`: facts, each with the page of its issuer."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

from bascule.domain.chain import Address, ChainId, parse_address


@dataclass(frozen=True, slots=True)
class Eip3009:
    """The EIP-712 domain under which holders sign transfers (EIP-3009), besides chain and contract."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class TokenPreset:
    """One token on one chain. symbol: None where the contract's answer is not known for certain.

    form: native, issued on that chain; bridged, a claim on money elsewhere. source: its issuer's page.
    """

    currency: str
    contract: Address
    decimals: int
    symbol: str | None
    name: str
    issuer: str
    form: Literal["native", "bridged"]
    eip3009: Eip3009 | None
    source: str


@dataclass(frozen=True, slots=True)
class ChainPreset:
    """One chain. native: the currency of its coin; block_time_ms: about; tokens: by preset."""

    id: ChainId
    name: str
    native: str
    block_time_ms: int
    tokens: MappingProxyType[str, TokenPreset]


@cache
def chains() -> MappingProxyType[ChainId, ChainPreset]:
    """Every chain we know, by its id."""
    data = tomllib.loads(files("bascule").joinpath("presets.toml").read_text(encoding="utf-8"))
    made = (_chain(name, given, data["presets"]) for name, given in data["chains"].items())
    return MappingProxyType({chain.id: chain for chain in made})


def _chain(name: str, given: dict[str, Any], presets: dict[str, Any]) -> ChainPreset:
    tokens = {key: _token(key, {**presets[key], **token}) for key, token in given["tokens"].items()}
    return ChainPreset(
        given["id"], name, given["native"], given["block_time_ms"], MappingProxyType(tokens)
    )  # fmt: skip


def _token(name: str, given: dict[str, Any]) -> TokenPreset:
    return TokenPreset(
        currency=name,
        contract=parse_address(given["contract"]),
        decimals=given["decimals"],
        symbol=given.get("symbol"),
        name=given["name"],
        issuer=given["issuer"],
        form=given["form"],
        eip3009=Eip3009(**given["eip3009"]) if "eip3009" in given else None,
        source=given["source"],
    )
