import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.money import (
    SCALE,
    AmountOutOfRange,
    Asset,
    AssetMismatch,
    Money,
    TokenAmount,
    display_units,
    parse_amount,
)

SPELLING = re.compile(r"(0|[1-9][0-9]{0,17})\.[0-9]{2,6}")
CONTRACT = Address(b"\x11" * 20)
UINT256 = st.integers(0, 2**256 - 1)


def asset(decimals: int = 6, currency: str = "usdc") -> Asset:
    return Asset(8453, CONTRACT, currency, decimals)


assets = st.integers(0, 18).map(asset)
spelled = st.from_regex(SPELLING, fullmatch=True).filter(lambda text: text.strip("0.") != "")


@given(spelled)
def test_a_parsed_amount_displays_as_it_was_spelled(text: str) -> None:
    whole, _, fraction = text.partition(".")

    assert parse_amount(text, "usdc").display() == f"{whole}.{fraction.ljust(6, '0')}"


@given(spelled)
def test_a_parsed_amount_is_exact_in_a_token_of_six_decimals(text: str) -> None:
    token = parse_amount(text, "usdc").to_token(asset(6))

    assert token.units == int(text.partition(".")[0]) * 10**6 + int(text.partition(".")[2].ljust(6, "0"))
    assert token.to_money() == parse_amount(text, "usdc")


@given(UINT256, assets)
def test_base_units_survive_the_way_to_money_and_back(units: int, token: Asset) -> None:
    amount = TokenAmount(units, token)

    assert amount.to_money().to_token(token) == amount


@given(UINT256, assets)
def test_display_cuts_and_never_adds(units: int, token: Asset) -> None:
    shown = TokenAmount(units, token).display()

    assert re.fullmatch(r"[0-9]+\.[0-9]{6}", shown)
    micro = int(shown.replace(".", ""))
    assert 0 <= units * 10**6 - micro * 10**token.decimals < 10**token.decimals
    assert shown == display_units(units, token.decimals) == TokenAmount(units, token).to_money().display()


@given(st.text(max_size=30) | st.text("0123456789.-", max_size=12))
def test_a_text_is_an_amount_exactly_when_the_documented_spelling_matches(text: str) -> None:
    if SPELLING.fullmatch(text) is not None and text.strip("0.") != "":
        assert parse_amount(text, "usdc").units > 0
        return
    with pytest.raises(Rejected) as refused:
        parse_amount(text, "usdc")
    assert refused.value.param == "amount"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (10, "amount_not_string"),
        (10.5, "amount_not_string"),
        (None, "amount_not_string"),
        (True, "amount_not_string"),
        (["1.00"], "amount_not_string"),
        ("1050", "amount_decimal_point_required"),
        ("0", "amount_decimal_point_required"),
        ("1.0000001", "amount_too_precise"),
        ("1.0000000", "amount_too_precise"),
        ("1." + "0" * 5000, "amount_too_precise"),
        ("0.00", "amount_too_small"),
        ("-1.00", "amount_too_small"),
        ("-1", "amount_too_small"),
        ("1234567890123456789.00", "amount_too_large"),
        ("9" * 5000 + ".00", "amount_too_large"),
        ("1.5", "parameter_invalid"),
        ("1.", "parameter_invalid"),
        (".50", "parameter_invalid"),
        ("01.00", "parameter_invalid"),
        ("1,00", "parameter_invalid"),
        ("1e5", "parameter_invalid"),
        ("+1.00", "parameter_invalid"),
        (" 1.00", "parameter_invalid"),
        ("1.00\n", "parameter_invalid"),
        ("1.00\x00", "parameter_invalid"),
        ("\u0661.\u0660\u0660", "parameter_invalid"),
        ("", "parameter_invalid"),
        ("NaN", "parameter_invalid"),
    ],
)
def test_each_wrong_spelling_has_its_own_code(text: object, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_amount(text, "usdc", param="amount")

    assert refused.value.code == code


@pytest.mark.parametrize("decimals", range(2, 19))
def test_as_many_digits_as_allowed_and_not_one_more(decimals: int) -> None:
    assert parse_amount("0." + "1" * decimals, "usdc", max_decimals=decimals).units > 0
    with pytest.raises(Rejected, match="digits"):
        parse_amount("0." + "1" * (decimals + 1), "usdc", max_decimals=decimals)


@given(st.integers(0, 17), st.integers(1, 10**30))
def test_what_a_token_cannot_express_is_refused_never_rounded(decimals: int, units: int) -> None:
    step = 10 ** (SCALE - decimals)
    if units % step == 0:
        assert Money(units, "usdc").to_token(asset(decimals)).units * step == units
        return
    with pytest.raises(Rejected) as refused:
        Money(units, "usdc").to_token(asset(decimals))
    assert refused.value.code == "amount_too_precise"


def test_what_a_contract_cannot_hold_is_refused() -> None:
    assert Money(2**256 - 1, "usdc").to_token(asset(18)).units == 2**256 - 1
    with pytest.raises(Rejected) as refused:
        Money(2**256, "usdc").to_token(asset(18))
    assert refused.value.code == "amount_too_large"


@given(st.integers(0, 2**255 - 1), st.integers(0, 2**255 - 1))
def test_sums_and_differences_undo_each_other(left: int, right: int) -> None:
    one, other = TokenAmount(left, asset()), TokenAmount(right, asset())

    assert one + other == other + one
    assert (one + other) - other == one
    assert (one.to_money() + other.to_money()) - other.to_money() == one.to_money()


@pytest.mark.parametrize("units", [-1, 2**256, 1.0, "1", None, True])
def test_token_amounts_are_whole_and_within_uint256(units: object) -> None:
    with pytest.raises(AmountOutOfRange):
        TokenAmount(units, asset())  # type: ignore[arg-type]


@pytest.mark.parametrize("units", [-1, 0.5, "1", None, False])
def test_money_is_whole_and_not_negative(units: object) -> None:
    with pytest.raises(AmountOutOfRange):
        Money(units, "usdc")  # type: ignore[arg-type]


def test_a_difference_below_zero_halts() -> None:
    with pytest.raises(AmountOutOfRange):
        TokenAmount(1, asset()) - TokenAmount(2, asset())
    with pytest.raises(AmountOutOfRange):
        TokenAmount(2**256 - 1, asset()) + TokenAmount(1, asset())


def test_different_assets_never_add_up() -> None:
    other = Asset(1, CONTRACT, "usdc", 6)

    with pytest.raises(AssetMismatch):
        TokenAmount(1, asset()) + TokenAmount(1, other)
    with pytest.raises(AssetMismatch):
        Money(1, "usdc") + Money(1, "eurc")
    with pytest.raises(AssetMismatch):
        Money(10**18, "eurc").to_token(asset())


@pytest.mark.parametrize("decimals", [-1, 19])
def test_a_token_of_more_than_eighteen_decimals_is_unsupported(decimals: int) -> None:
    with pytest.raises(Rejected) as refused:
        asset(decimals)
    assert refused.value.code == "token_unsupported"
