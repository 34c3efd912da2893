"""Presets are facts: spelled with their checksum, each asset once, each with where it can be checked."""

import tomllib
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule import presets
from bascule.domain.chain import checksum
from bascule.domain.money import Asset, parse_amount
from bascule.presets import ChainPreset, TokenPreset
from bascule.settings.parse import chains

KNOWN = [(chain, name, token) for chain in presets.chains().values() for name, token in chain.tokens.items()]
TOKENS = pytest.mark.parametrize(
    ("chain", "name", "token"), KNOWN, ids=[f"{chain.name}-{name}" for chain, name, _ in KNOWN]
)


@TOKENS
def test_preset_is_whole_and_its_source_can_be_opened(
    chain: ChainPreset, name: str, token: TokenPreset
) -> None:
    source = urlsplit(token.source)
    assert (source.scheme, bool(source.hostname)) == ("https", True)
    assert token.issuer
    assert token.name
    assert token.form in ("native", "bridged")
    [told] = chains([{"id": chain.id, "rpc": ["http://node"], "tokens": [name]}])[0].tokens
    assert (told.currency, told.contract, told.decimals) == (name, token.contract, token.decimals)


def test_every_contract_is_written_with_its_eip_55_checksum() -> None:
    data = tomllib.loads(files("bascule").joinpath("presets.toml").read_text(encoding="utf-8"))
    written = {t["contract"] for chain in data["chains"].values() for t in chain["tokens"].values()}
    assert written == {checksum(token.contract) for _, _, token in KNOWN}


def test_no_contract_stands_twice_on_a_chain_and_every_preset_is_used() -> None:
    assert len({(chain.id, token.contract) for chain, _, token in KNOWN}) == len(KNOWN)
    data = tomllib.loads(files("bascule").joinpath("presets.toml").read_text(encoding="utf-8"))
    assert {name for _, name, _ in KNOWN} == set(data["presets"])


def test_native_and_bridged_are_different_currencies_everywhere() -> None:
    forms = {name: {token.form for _, other, token in KNOWN if other == name} for _, name, _ in KNOWN}
    assert all(len(found) == 1 for found in forms.values())
    assert forms["usdc"] == {"native"}
    assert forms["usdce"] == {"bridged"}


def test_only_bnb_has_eighteen_decimals() -> None:
    assert {chain.name for chain, _, token in KNOWN if token.decimals == 18} == {"bnb"}
    assert {token.decimals for chain, _, token in KNOWN if chain.name == "bnb"} == {18}
    assert {token.decimals for chain, _, token in KNOWN if chain.name != "bnb"} == {6}


@settings(deadline=None)  # the first example reads the file
@given(st.sampled_from(KNOWN), st.integers(1, 10**9))
def test_every_preset_can_express_cents(known: tuple[ChainPreset, str, TokenPreset], cents: int) -> None:
    chain, _, token = known
    asset = Asset(chain.id, token.contract, token.currency, token.decimals)
    amount = parse_amount(f"{cents // 100}.{cents % 100:02}", token.currency).to_token(asset)
    assert amount.units == cents * 10 ** (token.decimals - 2)
