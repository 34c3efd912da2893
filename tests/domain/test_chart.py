import pytest

from bascule.domain import chart
from bascule.domain.chart import Kind


@pytest.mark.parametrize(
    ("code", "kind", "may_overdraw"),
    [
        (chart.available("acct_1"), Kind.LIABILITY, False),
        (chart.suspense("acct_1"), Kind.LIABILITY, False),
        *((code, Kind.ASSET, False) for code in chart.CUSTODY),
        (chart.EXPENSE_GAS, Kind.EXPENSE, True),
        (chart.EXPENSE_OUTFLOW, Kind.EXPENSE, True),
        (chart.INCOME_NATIVE, Kind.INCOME, True),
    ],
)
def test_an_accounts_code_says_how_it_may_stand(code: str, kind: Kind, may_overdraw: bool) -> None:
    assert chart.kind_of(code) is kind
    assert chart.may_overdraw(code) is may_overdraw


def test_codes_name_their_account() -> None:
    assert chart.available("acct_1") == "available:acct_1"
    assert chart.suspense("acct_1") == "suspense:acct_1"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("vault", "custody:vault"), ("collector", "custody:collector"), ("wallet", "custody:wallets")],
)
def test_each_kind_of_own_address_has_its_custody_account(kind: str, code: str) -> None:
    assert chart.custody_of(kind) == code


def test_a_code_outside_the_chart_is_unknown() -> None:
    with pytest.raises(KeyError):
        chart.kind_of("cash:drawer")
    with pytest.raises(KeyError):
        chart.custody_of("stranger")
