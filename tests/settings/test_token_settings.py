"""`tokens` of a chain: presets by name, others in full, and a precise word for whatever cannot be."""

from pathlib import Path
from typing import Any

import pytest

from bascule import settings
from bascule.domain.chain import Address, checksum
from bascule.settings import BadConfiguration
from bascule.settings.parse import ChainSettings, chains

USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
OWN = checksum(Address(b"\x77" * 20))
PLAIN = {"currency": "own", "contract": OWN, "decimals": 6}


def base(**entries: Any) -> ChainSettings:
    [chain] = chains([{"id": 8453, "rpc": ["http://node"], **entries}])
    return chain


def test_a_known_chain_brings_its_name_coin_mode_and_pace() -> None:
    chain, arbitrum = base(), chains([{"id": 42161, "rpc": ["http://node"]}])[0]
    assert (chain.name, chain.native, chain.livemode, chain.poll_interval_ms) == ("base", "eth", True, 500)
    assert (arbitrum.name, arbitrum.poll_interval_ms) == ("arbitrum-one", 125)
    [unknown] = chains([{"id": 5, "rpc": ["http://node"]}])
    assert (unknown.name, unknown.native, unknown.livemode) == ("chain-5", "eth", False)


def test_tokens_come_by_preset_by_preset_under_another_currency_and_in_full(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text(
        f'[[chains]]\nid = 8453\nrpc = ["http://node"]\n'
        f'tokens = ["usdc", {{ preset = "usdbc", currency = "usdb" }}]\n'
        f'[[chains]]\nid = 5\nrpc = ["http://node"]\n[[chains.tokens]]\ncurrency = "usdc"\n'
        f'contract = "{USDC}"\ndecimals = 6\neip3009 = {{ name = "USD Coin", version = "2" }}\n'
    )

    known, full = settings.load({"BASCULE_CONFIG": str(file)}).chains

    assert [(token.currency, token.symbol) for token in known.tokens] == [("usdc", "USDC"), ("usdb", "USDbC")]
    [token] = full.tokens
    assert (token.currency, checksum(token.contract), token.decimals) == ("usdc", USDC, 6)
    assert (token.eip3009, token.symbol) == (known.tokens[0].eip3009, None)


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ("usdc", r"\(tokens of chain 8453\) has tokens that are not a list"),
        (["usdt"], r"preset 'usdt', which is not known on chain 8453 \(there: eurc, usdbc, usdc\)"),
        ([{"preset": "usdc", "decimals": 6}], "does not know: 'decimals'"),
        ([{"preset": 7}], "a preset of 7, which is not text"),
        ([{"preset": "usdc", "currency": "US DC"}], "a currency of 'US DC', not 2 to 12"),
        (["usdc", {"preset": "usdc", "currency": "usdb"}], f"the contract {USDC} twice, as usdc and as usdb"),
        ([7], "has 7 where a table of currency, contract, decimals belongs"),
        ([{"currency": "own", "contract": OWN}], "lacks decimals"),
        ([{**PLAIN, "currency": "o"}], "a currency of 'o', not 2 to 12"),
        ([{**PLAIN, "contract": "0x77"}], "a contract of '0x77': An address is 0x and 40"),
        ([{**PLAIN, "contract": USDC.replace("fCD", "fcD")}], "do not match its EIP-55 checksum"),
        ([{**PLAIN, "contract": "0x" + "0" * 40}], "The zero address is nobody's"),
        ([{**PLAIN, "decimals": 19}], "a decimals of 19, not a whole number from 0 to 18"),
        ([{**PLAIN, "decimals": True}], "a decimals of True"),
        ([{**PLAIN, "symbol": " "}], "a symbol of ' ', which is not text"),
        ([{**PLAIN, "eip3009": {"name": "USD Coin"}}], "lacks version"),
        ([{**PLAIN, "eip3009": "2"}], "has '2' where a table of name, version belongs"),
        ([{**PLAIN, "colour": "blue"}], "does not know: 'colour'"),
    ],
)
def test_tokens_that_cannot_be_used_are_refused_by_name(tokens: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        base(tokens=tokens)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"native": "E"}, "'E' for the native coin of chain 8453"),
        ({"livemode": "perhaps"}, r"\(livemode of chain 8453\) is 'perhaps', neither true nor false"),
    ],
)
def test_other_entries_of_a_chain_are_refused_by_name(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        base(**entry)


def test_a_refused_token_stops_the_start_and_names_file_and_chain(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text('[[chains]]\nid = 8453\nrpc = ["http://node"]\ntokens = ["usdt"]\n')
    with pytest.raises(BadConfiguration) as caught:
        settings.load({"BASCULE_CONFIG": str(file)})
    assert str(caught.value).startswith(f"chains in {file} (tokens of chain 8453) names the preset 'usdt'")
