"""Random histories of batches, cancellations and refusals: an id moves money at most once, bits only grow."""

import random

import pytest

from tests.support.contracts import Chain, Receipt
from tests.support.vault import FLOAT, LANE, LIMIT, WINDOW, Stage, item, payee, stage_on, word_of

WORD = word_of(LANE)
PAYEES = 12


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def test_bits_once_set_stay_set_through_later_batches(stage: Stage) -> None:
    for index in (3, 1, 200):
        stage.pay([item(index, 10, payee(0))])

    stage.pay([item(index, 10, payee(0)) for index in (1, 3, 200)])

    assert stage.vault.read("usedMask", WORD) == 1 << 3 | 1 << 1 | 1 << 200
    assert stage.held(payee(0)) == 30


def paid_by(stage: Stage, receipt: Receipt, items: list[int]) -> dict[int, int]:
    """Index -> amount as the events tell it: the k-th paid item pairs with the k-th Transfer."""
    *_, (_, _, _, _, _, attempted, refused) = stage.vault.events(receipt)
    assert refused & ~attempted == 0
    paid = [one for one in items if (attempted & ~refused) >> (one >> 248) & 1]
    transfers = stage.token.events(receipt)
    assert [(one >> 160) % 2**88 for one in paid] == [value for _, _, _, value in transfers]
    assert [(one % 2**160).to_bytes(20, "big") for one in paid] == [to for _, _, to, _ in transfers]
    return {one >> 248: (one >> 160) % 2**88 for one in paid}


@pytest.mark.parametrize("seed", range(3))
def test_no_id_moves_money_twice_whatever_happens(stage: Stage, seed: int) -> None:
    choose = random.Random(seed)
    stage.vault.send("setLimit", stage.token.address, LIMIT, WINDOW, by=stage.owner)
    paid: dict[int, int] = {}
    canceled: set[int] = set()
    before = 0
    for _ in range(25):
        kind = choose.choice(["pay", "pay", "pay", "cancel", "bar", "unbar"])
        if kind == "cancel":
            ids = [WORD << 8 | choose.randrange(40) for _ in range(3)]
            events = stage.vault.events(stage.vault.send("cancel", ids, by=stage.canceller))
            named = {one & 0xFF for _, one in events}
            assert not named & (paid.keys() | canceled)
            canceled |= named
        elif kind == "pay":
            indexes = sorted(choose.sample(range(40), choose.randint(1, 8)))
            items = [
                item(index, choose.randint(1, 1_000), payee(choose.randrange(PAYEES))) for index in indexes
            ]
            new = paid_by(stage, stage.pay(items), items)
            assert not new.keys() & (paid.keys() | canceled)
            paid |= new
        else:
            method = "blacklist" if kind == "bar" else "unBlacklist"
            stage.token.send(method, payee(choose.randrange(PAYEES)), by=stage.owner)
        mask = stage.vault.read("usedMask", WORD)
        assert mask & before == before
        assert all(mask >> index & 1 for index in paid.keys() | canceled)
        before = mask

    moved = sum(paid.values())
    assert moved > 0
    assert stage.held(stage.vault.address) == FLOAT - moved
    assert sum(stage.held(payee(number)) for number in range(PAYEES)) == moved
