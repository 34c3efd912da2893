"""What is said of rates: read whole, or refused by the name of what is wrong."""

from pathlib import Path

import pytest

from bascule import settings
from bascule.domain.rates import ONE, Pair
from bascule.settings import BadConfiguration
from bascule.settings.rates import FixedSource, HttpSource

FIXED = '[[rates.sources]]\nname = "fixed"\nprices = "usdc/usd=1 usdc/eur=0.92"\n'
HTTP = (
    '[[rates.sources]]\nname = "a"\nurl = "https://a.example/{currency}?to={FIAT}&key=s3cret"\n'
    'pairs = ["usdc/usd"]\nprice = "data.0.price"\ntime = "data.0.at"\n'
)


def loaded(tmp_path: Path, text: str) -> settings.Settings:
    file = tmp_path / "bascule.toml"
    file.write_text(text)
    return settings.load({"BASCULE_CONFIG": str(file)})


def test_sources_are_read_with_their_defaults(tmp_path: Path) -> None:
    found = loaded(tmp_path, FIXED + HTTP)

    assert found.rates is not None
    assert [type(source) for source in found.rates.sources] == [FixedSource, HttpSource]
    assert found.rates.asked() == {Pair("usdc", "usd"): ["fixed", "a"], Pair("usdc", "eur"): ["fixed"]}
    assert (found.rates.max_age_s, found.rates.spread_bps, found.rates.peg_bound_bps) == (60, 100, 200)
    assert "s3cret" not in repr(found)
    assert "s3cret" not in "".join(shown.value for shown in found.shown())


def test_prices_in_the_environment_are_one_fixed_source() -> None:
    found = settings.load({"BASCULE_RATES": "usdc/usd=1.00, usdc/eur=0.92"})

    assert found.rates is not None
    [source] = found.rates.sources
    assert isinstance(source, FixedSource)
    assert source.prices == {Pair("usdc", "usd"): ONE, Pair("usdc", "eur"): 92 * ONE // 100}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rates = 5\n", "a table of sources"),
        ("[rates]\nmax_age_s = 60\n", "lacks sources"),
        ("[rates]\nsources = []\n", "has no sources"),
        ("[rates]\nspread = 1\n" + FIXED, "'spread'"),
        ("[rates]\nspread_bps = 10001\n" + FIXED, "spread_bps"),
        ("[rates]\nmax_age_s = 15\n" + FIXED, "looks every 15 s"),
        ('[rates]\npegs = "usdc"\n' + FIXED, "has pegs of"),
        (FIXED + FIXED, "the source 'fixed' twice"),
        (FIXED.replace("usdc/usd=1 ", ""), "no source of usdc/usd"),
        (FIXED.replace("=1 ", "=-1 "), "a price of '-1' for usdc/usd: not a plain number"),
        (FIXED.replace("=1 ", "=0 "), "not above 0"),
        (FIXED.replace("=1 ", " "), "where PAIR=PRICE belongs"),
        (FIXED.replace("usdc/usd", "usd"), "a pair of 'usd'"),
        (FIXED.replace("usdc/eur", "usdc/usd"), "a price of usdc/usd twice"),
        (HTTP.replace("https", "http"), "neither https nor of this machine"),
        (HTTP.replace("{FIAT}", "{TO}"), "an url with {TO}"),
        (HTTP.replace("{FIAT}", "{"), "which is none"),
        (HTTP.replace('["usdc/usd"]', "[]"), "a source with no pairs"),
        (HTTP.replace("price =", "prize ="), "lacks price"),
    ],
)
def test_what_is_wrong_with_rates_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        loaded(tmp_path, text)
    assert said in str(refused.value)
    assert refused.value.param is not None
    assert refused.value.param.startswith("rates in ")
