from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import Address
from bascule.domain.flush import ADDRESSES_MAX, Economy, Lying, due, gas_limit

NOW = datetime(2027, 1, 2, tzinfo=UTC)
GWEI = 10**9
EAGER = Economy(
    min_amount=0, min_total=0, max_age=timedelta(days=1), max_cost_bps=100, max_addresses=100, coin_price=None
)
# One coin of 18 decimals is worth 4,000 of a token of 6 decimals.
PRICE = Decimal(4_000 * 10**6) / 10**18


def lying(number: int, amount: int, hours: int = 0, *, deployed: bool = False) -> Lying:
    return Lying(Address(bytes([number]) * 20), amount, NOW - timedelta(hours=hours), deployed)


def chosen(*money: Lying, wei_per_gas: int = GWEI, **changes: object) -> list[int]:
    """The numbers of the addresses to flush."""
    economy = Economy(**{**{n: getattr(EAGER, n) for n in Economy.__slots__}, **changes})  # type: ignore[arg-type]
    return [each.address[0] for each in due(money, economy, wei_per_gas=wei_per_gas, now=NOW)]


def test_small_money_waits_until_it_is_old() -> None:
    assert chosen(lying(1, 9), lying(2, 10), min_amount=10) == [2]
    assert chosen(lying(1, 9, hours=23), min_amount=10) == []
    assert chosen(lying(1, 9, hours=24), min_amount=10) == [1]


def test_little_in_total_waits_unless_some_of_it_is_old() -> None:
    assert chosen(lying(1, 20), lying(2, 20), min_total=50) == []
    assert chosen(lying(1, 20), lying(2, 20), lying(3, 20), min_total=60) == [1, 2, 3]
    assert chosen(lying(1, 20), lying(2, 20, hours=24), min_total=50) == [2, 1]


def test_address_whose_gas_costs_too_much_of_it_waits_however_old_it_is() -> None:
    # about 70,400 gas at 1 gwei and 4,000 a coin cost 0.2816: 1 % of 28.16
    enough, little = lying(1, 28_170_000), lying(2, 28_150_000, hours=999)

    assert chosen(enough, little, coin_price=PRICE) == [1]
    assert chosen(enough, little, coin_price=PRICE, wei_per_gas=2 * GWEI) == []
    assert chosen(lying(2, 28_150_000, deployed=True), coin_price=PRICE) == [2]


def test_the_oldest_go_first_and_no_more_than_fit() -> None:
    money = [lying(1, 5, hours=1), lying(2, 5, hours=3), lying(3, 5, hours=2)]

    assert chosen(*money, max_addresses=2) == [2, 3]


def test_full_flush_stays_below_the_gas_cap_of_a_transaction() -> None:
    assert gas_limit(ADDRESSES_MAX) < 2**24


amounts = st.lists(st.tuples(st.integers(1, 100), st.integers(0, 48), st.booleans()), max_size=12)


@given(amounts, st.integers(0, 100), st.integers(0, 400), st.integers(1, 5))
def test_what_is_chosen_is_ripe_and_enough_or_old(
    money: list[tuple[int, int, bool]], min_amount: int, min_total: int, most: int
) -> None:
    every = [lying(n, a, hours=h, deployed=d) for n, (a, h, d) in enumerate(money)]
    by_number = {each.address[0]: each for each in every}

    found = [
        by_number[n] for n in chosen(*every, min_amount=min_amount, min_total=min_total, max_addresses=most)
    ]

    assert len({each.address for each in found}) == len(found) <= most
    old = [each for each in found if NOW - each.since >= timedelta(days=1)]
    assert all(each.amount >= min_amount or each in old for each in found)
    if found:
        assert old or sum(each.amount for each in found) >= min_total
