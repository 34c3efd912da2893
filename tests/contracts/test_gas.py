"""What the contracts cost: to the unit what was accepted, and no more than the prototype they replaced."""

import pytest

from tests.support import gas
from tests.support.gas_doc import PROTOTYPE, TARGET, render

ACCEPT = "if the change is meant, run `make gas` and say in the commit why"


@pytest.mark.parametrize("token", gas.TOKENS)
def test_gas_of_a_hundred_payees_is_what_was_accepted(token: str) -> None:
    assert gas.payments(token, [100]) == {"100": gas.read()["pay"][token]["100"]}, ACCEPT


def test_gas_of_flushing_fifty_addresses_is_what_was_accepted() -> None:
    assert gas.flushes("TestDollar", [50]) == {"50": gas.read()["flush"]["TestDollar"]["50"]}, ACCEPT


@pytest.mark.slow
def test_gas_of_every_size_is_what_was_accepted() -> None:
    assert gas.all_figures() == gas.read(), ACCEPT


@pytest.mark.parametrize("holders", ["new", "existing"])
def test_a_payee_of_a_hundred_costs_no_more_than_in_the_prototype(holders: str) -> None:
    assert gas.read()["pay"]["PlainToken"]["100"][holders] / 100 <= PROTOTYPE[holders]


def test_batches_of_more_than_a_few_cost_less_than_transfers_of_their_own() -> None:
    figures = gas.read()

    for token in gas.TOKENS:
        for size in ("10", "100", "256"):
            for holders, alone in figures["transfer"][token].items():
                assert figures["pay"][token][size][holders] < int(size) * alone


def test_largest_batch_and_flush_fit_under_the_transaction_gas_cap() -> None:
    figures = gas.read()

    most = [figures["pay"][token]["256"]["new"] for token in gas.TOKENS]
    most += [figures["flush"][asset]["200"]["first"] for asset in ("native", *gas.TOKENS)]
    # A batch's gas limit is its estimate and the floor that is left before the last token call
    assert max(most) + 200_000 <= gas.GAS_CAP


def test_gas_page_says_what_the_snapshot_says() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(gas.read()), "run `make gas`"
