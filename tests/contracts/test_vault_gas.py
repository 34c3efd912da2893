"""What a batch costs per recipient; the figures of contracts/README.md are asserted, not only written."""

import pytest

from tests.support.contracts import Chain
from tests.support.vault import FLOAT, LANE, LIMIT, WINDOW, Stage, item, payee, stage_on, word_of

# Gas per recipient of a batch of 100 with the library's plain token, in a fresh word of a lane in use.
# A prototype without a limit cost 27,445 and 10,345.
NEW_HOLDER = 27_013
EXISTING_HOLDER = 9_913


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def test_gas_of_a_hundred_payees_is_what_was_measured(stage: Stage) -> None:
    token = stage.chain.deploy("quirks/PlainToken")
    token.send("mint", stage.vault.address, FLOAT, by=stage.owner)
    stage.vault.send("setLimit", token.address, LIMIT, WINDOW, by=stage.owner)
    # Both batches must fall in one slice of the limit, whatever the time is
    stage.chain.travel((stage.chain.now // WINDOW + 1) * WINDOW)
    stage.pay([item(0, 1, payee(1_000))], token=token.address, word=word_of(LANE, 1))

    items = [item(i, 1_000 + i, payee(i)) for i in range(100)]
    first = stage.pay(items, token=token.address, word=word_of(LANE, 2))
    second = stage.pay(items, token=token.address, word=word_of(LANE, 3))

    # Calldata prices zero and other bytes apart, so hashes in it move the total a little
    assert first.gas_used / 100 == pytest.approx(NEW_HOLDER, rel=0.001)
    assert second.gas_used / 100 == pytest.approx(EXISTING_HOLDER, rel=0.002)
