"""Money out, and coin for its gas: a wallet that runs short is seen and filled up, once for each need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bascule.domain.errors import Retryable
from bascule.services.submitter import Submitter
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs, Treasury, payee, treasury

GWEI = 10**9
ETHER = 10**18
FULL = 500 * GWEI * (300_000 + 60_000 * 100)  # a full batch at the ceiling


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def drain(stage: Treasury) -> None:
    """The lane's wallet keeps next to nothing; its first nonce is used up by that."""
    sent = await stage.node.transact(
        stage.wallet, to=stage.node.accounts[0].address, value=await coin(stage) - 21_000 * 20 * GWEI
    )
    assert sent["status"] == "0x1"
    await stage.rows_change(
        "UPDATE wallets SET next_nonce = 1 WHERE name = 'vault-0';"
        " UPDATE signer.wallets SET highest_nonce = 0"
    )
    await stage.follow(3)


async def coin(stage: Treasury) -> int:
    return int(await stage.node.rpc("eth_getBalance", stage.wallet.address, "latest"), 16)


async def later(stage: Treasury, *lanes: Submitter, rounds: int = 1) -> None:
    """Sixteen seconds pass, each lane works, what it sent becomes final."""
    for _ in range(rounds):
        stage.clock.advance(timedelta(seconds=16))
        for lane in lanes:
            await lane.run_once()
        await stage.follow(3)


async def top_ups(stage: Treasury) -> list[tuple[str, int]]:
    found = await stage.rows("SELECT outcome, amount FROM gas_top_ups ORDER BY nonce")
    return [(outcome, int(amount)) for outcome, amount in found]


async def test_empty_wallet_is_topped_up_once_and_its_queue_drains_in_order(stage: Treasury) -> None:
    await drain(stage)
    await stage.open_gas_wallet(max_per_item=8 * ETHER)
    first = await stage.approved("5.00", payee(1))
    stage.clock.advance(timedelta(seconds=1))
    second = await stage.approved("6.00", payee(2))
    lane = await stage.submitter(max_items=1)
    gas = await stage.submitter(holder="g", lane="gas")
    await lane.run_once()
    assert await stage.rows("SELECT stuck FROM slots") == [("wallet_unfunded",)]

    await later(stage, gas, lane, rounds=6)

    assert [await stage.status(each) for each in (first, second)] == ["paid", "paid"]
    assert [to for to, _ in await stage.transfers_out()] == [payee(1), payee(2)]
    [(outcome, amount)] = await top_ups(stage)
    assert outcome == "done"
    assert await coin(stage) > amount * 9 // 10
    nonces = await stage.rows("SELECT nonce FROM slots WHERE kind = 'pay' ORDER BY nonce")
    assert nonces == [(1,), (2,)], "no nonce is lost"
    unbooked = await stage.rows(
        "SELECT a.nonce FROM attempts AS a WHERE NOT EXISTS"
        " (SELECT 1 FROM ledger.tx AS t WHERE t.source_id = encode(a.tx_hash, 'hex'))"
    )
    assert unbooked == [], "the top-up's own fee is booked like any"
    await stage.require_truth(strangers=1)  # whoever emptied it used one


async def test_wallet_that_has_enough_is_not_topped_up(stage: Treasury) -> None:
    await stage.open_gas_wallet()
    lane, gas = await stage.submitter(), await stage.submitter(holder="g", lane="gas")

    await later(stage, lane, gas, rounds=2)

    assert await top_ups(stage) == []
    assert await stage.rows("SELECT w.name FROM wallet_gas AS g JOIN wallets AS w ON w.address = g.wallet"
                            " ORDER BY 1") == [("gas",), ("vault-0",)]  # fmt: skip


async def test_wallet_funded_since_the_blocks_we_read_is_not_short(stage: Treasury) -> None:
    """The watcher catches up, as after an outage or on a chain it begins to read: the coin is there."""
    await drain(stage)
    await stage.open_gas_wallet()
    lane, gas = await stage.submitter(), await stage.submitter(holder="g", lane="gas")
    await stage.node.transact(stage.node.accounts[0], to=stage.wallet.address, value=50 * ETHER)

    await lane.run_once()

    assert await stage.rows("SELECT w.name, g.balance >= 50e18 FROM wallet_gas AS g JOIN wallets AS w"
                            " ON w.address = g.wallet") == [("vault-0", True)]  # fmt: skip
    assert await gas.run_once() == 0
    assert await top_ups(stage) == []


async def test_balance_of_before_the_top_up_asks_for_no_second_one(stage: Treasury) -> None:
    await drain(stage)
    await stage.open_gas_wallet(max_per_item=8 * ETHER)
    lane, gas = await stage.submitter(), await stage.submitter(holder="g", lane="gas")
    await lane.run_once()

    await later(stage, gas, rounds=4)  # the lane's own process is away: its last word is an old one

    assert [outcome for outcome, _ in await top_ups(stage)] == ["done"]


async def test_limit_of_an_item_and_of_a_day_hold_whatever_is_missing(stage: Treasury) -> None:
    await drain(stage)
    await stage.open_gas_wallet(max_per_item=ETHER, max_per_day=5 * ETHER // 2)
    lane, gas = await stage.submitter(), await stage.submitter(holder="g", lane="gas")

    await later(stage, lane, gas, rounds=12)

    assert await top_ups(stage) == [("done", ETHER), ("done", ETHER), ("done", ETHER // 2)]
    assert await stage.rows("SELECT g.balance < g.full_cost FROM wallet_gas AS g JOIN wallets AS w"
                            " ON w.address = g.wallet WHERE w.name = 'vault-0'") == [(True,)]  # fmt: skip


async def test_signer_holds_a_top_up_against_its_own_limits(stage: Treasury) -> None:
    """The bridge's limits were raised by somebody with its database alone."""
    await drain(stage)
    await stage.open_gas_wallet(max_per_item=ETHER, max_per_day=ETHER)
    await stage.rows_change("UPDATE gas_routes SET max_per_item = 9e18, max_per_day = 9e18")
    lane, gas = await stage.submitter(), await stage.submitter(holder="g", lane="gas")
    await lane.run_once()

    with pytest.raises(Retryable, match="at most 1000000000000000000"):
        await gas.run_once()
    assert await stage.rows("SELECT count(*) FROM attempts") == [(0,)]


@pytest.mark.parametrize(
    "name",
    [
        "submitter.after_reserve",
        "submitter.after_sign",
        "submitter.after_send",
        "submitter.after_final_commit",
    ],
)
async def test_crashed_gas_lane_sends_the_coin_once_after_it_returns(stage: Treasury, name: str) -> None:
    await drain(stage)
    await stage.open_gas_wallet(max_per_item=8 * ETHER)
    lane = await stage.submitter()
    await lane.run_once()
    dying = await stage.submitter(holder="g", lane="gas", failpoints=Crashing(name))
    with pytest.raises(Crash):
        await later(stage, dying, rounds=3)

    await stage.follow(3)
    await later(stage, await stage.submitter(holder="g", lane="gas"), lane, rounds=4)

    [(outcome, amount)] = await top_ups(stage)
    assert outcome == "done"
    assert FULL < amount < 2 * FULL
    assert await stage.rows("SELECT count(*) FROM attempts") == [(1,)]
