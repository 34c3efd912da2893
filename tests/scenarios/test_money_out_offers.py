"""Money out, offered: every node gets the same bytes, fees rise to a ceiling, and what is stuck says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString

import pytest

from bascule.chain.errors import WrongChain
from bascule.chain.families import ARBITRUM, OP_STACK
from bascule.domain.fees import Ceiling
from bascule.entrypoints import wiring
from bascule.entrypoints.explaining import explain
from tests.support.fault_proxy import fault_proxy
from tests.support.money_out import OpenAs, Treasury, treasury
from tests.support.nodes import lying_node

SEND = ["eth_sendRawTransaction"]
GWEI = 10**9


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def require_paid_once(
    stage: Treasury, payout: Mapping[str, Any], *, strangers: int = 0
) -> dict[str, Any]:
    paid = await stage.read(dict(payout))
    assert paid["status"] == "paid"
    assert not paid["stuck"]
    assert len(await stage.transfers_out()) == 1
    assert await stage.rows("SELECT count(*) FROM slots WHERE stuck IS NOT NULL") == [(0,)]
    await stage.require_truth(strangers=strangers)
    return paid


async def said(stage: Treasury) -> list[tuple[str, int, int]]:
    """What nodes said: (class, times asked, times accepted)."""
    rows = await stage.rows("SELECT says, times, accepted FROM offers ORDER BY says")
    return [(says, times, accepted) for says, times, accepted in rows]


async def base_fee(stage: Treasury, wei: int) -> None:
    """What a block takes at least from now on."""
    await stage.node.rpc("bascule_setBaseFee", {"baseFee": hex(wei), "blocks": hex(1_000)})
    await stage.follow(1)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("intrinsic gas too low", "gas_too_low"),
        ("tx fee (9 ether) exceeds the configured cap (1 ether)", "fee_above_cap"),
        ("insufficient funds for gas * price + value", "insufficient_funds"),
    ],
)
async def test_refusal_of_one_node_is_kept_and_decides_nothing_while_another_accepts(
    stage: Treasury, words: str, kept: str
) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        submitter = await stage.submitter(url=[proxy.url, stage.node.url])
        with proxy.lying({"kind": "error", "message": words, "methods": SEND}):
            await submitter.run_once()
        assert not (await stage.read(payout))["stuck"]
        assert await said(stage) == [("accepted", 1, 1), (kept, 1, 0)]
        await stage.run(submitter)

    await require_paid_once(stage, payout)
    assert await stage.rows("SELECT count(*) FROM attempts") == [(1,)]


async def test_submitter_of_a_node_of_another_chain_neither_starts_nor_signs(
    stage: Treasury, database_url: Callable[..., str]
) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        settings = wiring.load(
            {
                "BASCULE_DATABASE_URL_SUBMITTER": database_url("submitter"),
                "BASCULE_CHAINS": f"{stage.network.chain_id}={proxy.url}",
                "BASCULE_SIGNER_SOCKET": str(stage.socket),
            }
        )
        lane = [f"{stage.network.chain_id}/vault-0"]
        proxy.set("wrong_chain")
        with pytest.raises(WrongChain):
            async with wiring.paying(settings, lane, wiring.Seams(settings)):
                pass
        assert await stage.rows("SELECT 1 FROM slots UNION ALL SELECT 1 FROM attempts") == []
        assert await stage.rows("SELECT 1 FROM leases WHERE name LIKE 'submitter%%'") == []
        proxy.clear()
        async with wiring.paying(settings, lane, wiring.Seams(settings)) as work:
            assert work.facts == {"lanes": lane}

    await stage.run()
    await require_paid_once(stage, payout)


async def test_hash_that_a_node_makes_up_counts_for_nothing(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    payout = await stage.approved()
    async with lying_node(stage.node.url) as node:
        node.twist = lambda method, params, result: "0x" + "77" * 32 if method in SEND else result
        submitter = await stage.submitter(url=node.url)
        await submitter.run_once()
        assert await said(stage) == [("other_hash", 1, 0)]
        [alarm] = [line for line in capsys.readouterr().out.splitlines() if "names another hash" in line]
        assert ("[error" in alarm, "77" * 32 in alarm) == (True, True)
        await stage.run(submitter)

    paid = await require_paid_once(stage, payout)
    assert [t["hash"] != "0x" + "77" * 32 for t in paid["transactions"]] == [True]


async def test_send_that_times_out_and_did_not_arrive_goes_out_again_as_the_same_bytes(
    stage: Treasury,
) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        submitter = await stage.submitter(url=proxy.url)
        with proxy.lying({"kind": "drop", "methods": SEND}):
            await submitter.run_once()
        await stage.follow(3)
        assert await stage.transfers_out() == []
        stage.clock.advance(timedelta(seconds=16))
        await stage.run(submitter)

    await require_paid_once(stage, payout)
    assert await said(stage) == [("accepted", 2, 1)]


async def test_node_that_fails_to_tell_receipts_is_not_believed_to_know_none(stage: Treasury) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        fault = {"kind": "error", "message": "kaputt", "methods": ["eth_getTransactionReceipt"]}
        with proxy.lying(fault):
            await stage.run(await stage.submitter(url=[proxy.url, stage.node.url]))

    await require_paid_once(stage, payout)
    assert await stage.rows("SELECT count(*) FROM attempts") == [(1,)]


async def test_older_cheaper_bytes_that_are_mined_after_all_pay_and_the_dearer_never_can(
    stage: Treasury,
) -> None:
    """The bump reaches the node behind the block that holds what it was to replace."""
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        submitter = await stage.submitter(url=proxy.url)
        await submitter.run_once()
        stage.clock.advance(timedelta(seconds=61))
        with proxy.lying({"kind": "drop", "methods": SEND}):
            await submitter.run_once()
        await stage.node.dev.mine()  # nobody of ours has read that block
        stage.clock.advance(timedelta(seconds=16))
        await submitter.run_once()
        assert "nonce_too_low" in [says for says, _, _ in await said(stage)]
        await stage.follow(3)
        await submitter.run_once()

    dearer, cheaper = (await require_paid_once(stage, payout))["transactions"]
    assert (cheaper["status"], dearer["status"]) == ("final", "superseded")


async def test_tenfold_base_fee_is_met_by_one_bump_and_the_ceiling_by_a_flag(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter(ceiling=Ceiling(per_gas=50 * GWEI, cost=10**18))
    await submitter.run_once()
    await base_fee(stage, 10 * GWEI)
    stage.clock.advance(timedelta(seconds=61))
    await submitter.run_once()
    dear, first = (await stage.read(payout))["transactions"]
    assert int(dear["fees"]["max_fee_per_gas"]) >= 20 * GWEI
    for field in ("max_fee_per_gas", "max_priority_fee_per_gas"):
        assert int(dear["fees"][field]) * 8 >= int(first["fees"][field]) * 9
    await base_fee(stage, 100 * GWEI)
    await stage.node.dev.reorg(2, drop=[dear["hash"]])  # the pool has forgotten it, and nobody mined it
    await base_fee(stage, 100 * GWEI)
    for _ in range(8):
        stage.clock.advance(timedelta(seconds=61))
        await submitter.run_once()

    stuck = await stage.read(payout)
    assert (stuck["status"], stuck["stuck"]) == ("in_transit", True)
    async with stage.owner.read() as conn:
        told = await explain(conn, payout["id"])
    assert told is not None
    assert "max_transaction_cost" in told["next"]
    assert all(told["nodes_said"].values())
    assert (await stage.events(payout)).count("stuck") == 1
    assert await stage.rows("SELECT stuck FROM slots") == [("fee_ceiling",)]
    most = max(int(t["fees"]["max_fee_per_gas"]) for t in stuck["transactions"])
    assert most <= 50 * GWEI
    sent = await stage.rows("SELECT max(times) FROM offers")
    stage.clock.advance(timedelta(seconds=61))
    await submitter.run_once()
    assert await stage.rows("SELECT max(times) FROM offers") > sent  # offered on at the ceiling

    await base_fee(stage, 1 * GWEI)
    await stage.run(submitter, rounds=2)
    await require_paid_once(stage, payout)
    assert (await stage.events(payout))[-2:] == ["updated", "paid"]


async def test_whole_transaction_never_costs_more_than_its_ceiling(stage: Treasury) -> None:
    payout = await stage.approved()
    ceiling = Ceiling(per_gas=500 * GWEI, cost=360_000 * 4 * GWEI)  # one payout's gas limit at 4 gwei
    submitter = await stage.submitter(ceiling=ceiling)
    await submitter.run_once()
    for _ in range(9):
        stage.clock.advance(timedelta(seconds=61))
        await submitter.run_once()

    assert await stage.rows("SELECT max(max_fee_per_gas * gas) <= 360000 * 4e9 FROM attempts") == [(True,)]
    assert (await stage.read(payout))["stuck"]
    await stage.run(submitter)
    await require_paid_once(stage, payout)


async def test_empty_gas_wallet_loses_no_nonce_and_pays_after_its_top_up(stage: Treasury) -> None:
    balance = int(await stage.node.rpc("eth_getBalance", stage.wallet.address, "latest"), 16)
    drained = await stage.node.transact(
        stage.wallet, to=stage.node.accounts[0].address, value=balance - 21_000 * 20 * GWEI
    )
    assert drained["status"] == "0x1"
    await stage.rows_change("UPDATE wallets SET next_nonce = 1; UPDATE signer.wallets SET highest_nonce = 0")
    await stage.follow(3)
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()

    assert await stage.rows("SELECT stuck FROM slots") == [("wallet_unfunded",)]
    assert (await stage.read(payout))["stuck"]
    await stage.node.transact(stage.node.accounts[0], to=stage.wallet.address, value=10**18)
    stage.clock.advance(timedelta(seconds=16))
    await submitter.run_once()
    assert not (await stage.read(payout))["stuck"]
    await stage.run(submitter)
    await require_paid_once(stage, payout, strangers=1)  # whoever emptied it used one
    assert await stage.rows("SELECT nonce FROM slots") == [(1,)]


async def test_bytes_that_every_node_finds_too_cheap_are_bumped_at_once(stage: Treasury) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        submitter = await stage.submitter(url=proxy.url)
        with proxy.lying({"kind": "error", "message": "transaction underpriced", "methods": SEND}):
            await submitter.run_once()
        await submitter.run_once()
        assert await stage.rows("SELECT count(*) FROM attempts") == [(2,)]
        await stage.run(submitter)

    await require_paid_once(stage, payout)


async def test_full_pool_only_delays_a_payout(stage: Treasury) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        submitter = await stage.submitter(url=proxy.url)
        with proxy.lying({"kind": "error", "message": "txpool is full", "methods": SEND}):
            await submitter.run_once()
        assert not (await stage.read(payout))["stuck"]
        stage.clock.advance(timedelta(seconds=16))
        await stage.run(submitter)

    await require_paid_once(stage, payout)
    assert await stage.rows("SELECT count(*) FROM attempts") == [(1,)]


async def test_receipt_of_a_block_we_do_not_believe_in_is_not_final(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()
    await stage.node.dev.mine()
    await stage.follow()
    await stage.node.dev.reorg(1)  # the node's receipt stands in a block our rows do not hold
    await submitter.run_once()
    [sent] = (await stage.read(payout))["transactions"]
    assert (sent["status"], await stage.status(payout)) == ("offered", "in_transit")

    await stage.follow(3)
    await stage.run(submitter)
    await require_paid_once(stage, payout)


async def test_later_slot_waits_unsigned_while_the_lowest_nonce_is_offered_at_rising_fees(
    stage: Treasury,
) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()
    await stage.rows_change("UPDATE wallets SET next_nonce = 2")
    await stage.rows_change(  # no process of today leaves a second one
        "INSERT INTO slots (chain_id, wallet, nonce, kind, epoch, state, max_fee_per_gas,"
        " max_priority_fee_per_gas, gas) SELECT chain_id, wallet, 1, 'fill', 1, 'reserved',"
        " max_fee_per_gas, max_priority_fee_per_gas, 21000 FROM slots"
    )
    for _ in range(3):
        stage.clock.advance(timedelta(seconds=61))
        await submitter.run_once()

    per_nonce: LiteralString = "SELECT nonce, count(*) FROM attempts GROUP BY nonce ORDER BY nonce"
    assert await stage.rows(per_nonce) == [(0, 4)]
    await stage.run(submitter)
    await stage.run(submitter)
    assert await stage.rows(per_nonce) == [(0, 4), (1, 1)]
    assert await stage.rows("SELECT DISTINCT state FROM slots") == [("final",)]
    await require_paid_once(stage, payout)


async def test_rollups_charge_for_data_is_booked_with_the_gas_as_the_receipt_says(stage: Treasury) -> None:
    payout = await stage.approved()
    async with lying_node(stage.node.url) as node:
        node.twist = lambda method, params, result: (
            {**result, "l1Fee": hex(10**15)} if method == "eth_getTransactionReceipt" and result else result
        )
        await stage.run(await stage.submitter(url=node.url))

    [(tx_hash, paid)] = await stage.rows("SELECT '0x' || encode(tx_hash, 'hex'), fee_paid FROM attempts")
    receipt = await stage.node.rpc("eth_getTransactionReceipt", tx_hash)
    gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert paid == gas + 10**15
    booked: LiteralString = "SELECT sum(posted) FROM ledger.balances WHERE code = 'expense:gas'"
    assert await stage.rows(booked) == [(paid,)]
    [line] = (await stage.read(payout))["fee_details"]
    assert (line["type"], line["amount_atomic"], line["transaction"]) == ("network_fee", str(paid), tx_hash)


def rollup(method: str, params: Any, result: Any) -> Any:
    """What a node of a rollup says of the data of a call: 400,000 gas of it, or 3e15 wei beside all gas."""
    asked = params[0]["to"] if method == "eth_call" else None
    words = {ARBITRUM.data_gas_oracle: [400_000, 10**7, 10**9], OP_STACK.data_oracle: [3 * 10**15]}.get(asked)
    return result if words is None else "0x" + "".join(f"{word:064x}" for word in words)


async def test_gas_limit_on_arbitrum_has_room_for_the_data_of_the_batch(stage: Treasury) -> None:
    payout = await stage.approved()
    async with lying_node(stage.node.url) as node:
        node.twist = rollup
        await stage.run(await stage.submitter(url=node.url, family=ARBITRUM))

    assert await stage.rows("SELECT gas FROM slots") == [(300_000 + 60_000 + 600_000,)]
    await require_paid_once(stage, payout)


async def test_first_offer_on_an_op_stack_leaves_room_below_the_ceiling_for_the_data(stage: Treasury) -> None:
    payout = await stage.approved()
    ceiling = Ceiling(per_gas=500 * GWEI, cost=3 * 10**15 + 360_000 * GWEI)
    async with lying_node(stage.node.url) as node:
        node.twist = rollup
        await stage.run(await stage.submitter(url=node.url, family=OP_STACK, ceiling=ceiling))

    assert await stage.rows("SELECT max_fee_per_gas, gas FROM slots") == [(GWEI, 360_000)]
    await require_paid_once(stage, payout)
