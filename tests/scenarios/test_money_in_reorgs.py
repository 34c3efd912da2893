"""Stories of chains that change their mind: what was believed is taken back, and nothing is counted twice."""

from collections.abc import AsyncIterator

import pytest

from bascule.domain.errors import Halted
from bascule.domain.finality import FinalizedBlockGone
from bascule.services.reorgs import NodeBehind
from bascule.storage.blocks import ChainHalted
from tests.support.crashing import Crash, Crashing
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node, resealed


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def test_a_payment_that_returns_after_a_reorg_is_the_same_deposit(b: Bridge) -> None:
    """1 <- 2(pay)   becomes   1 <- 2' <- 3'(pay)"""
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    [before] = await b.deposits()
    below = await b.node.rpc("eth_getBlockByNumber", hex(before["block_number"] - 1), False)

    await b.node.dev.reorg(1)
    await b.settle_down(watcher)

    [after] = await b.deposits()
    [(told_to, version, network)] = await b.rows(
        "SELECT account_id, object_version, object FROM outbox WHERE type = 'network.reorg_detected'"
    )
    assert (told_to, version, network["halted"]) == (b.operator, 1, False)
    assert network["reorg"] | {"new_head": None} == {
        "depth": 1,
        "fork": {"number": before["block_number"] - 1, "hash": below["hash"]},
        "old_head": {"number": before["block_number"], "hash": before["block_hash"]},
        "new_head": None,
        "deposits_orphaned": 1,
    }
    assert network["reorg"]["new_head"]["number"] == after["block_number"]
    assert after["id"] == before["id"]
    assert after["block_hash"] != before["block_hash"]
    assert (after["status"], after["block_number"]) == ("detected", before["block_number"] + 1)
    shown = await b.shown(intent)
    assert (shown["status"], shown["flags"]) == ("processing", ["reorged"])
    await b.require_chain_and_rows_agree()

    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    events = await b.events()
    assert [e for e in events if e.startswith("deposit")] == [
        "deposit.detected",
        "deposit.applied",
        "deposit.orphaned",
        "deposit.detected",
        "deposit.applied",
        "deposit.finalized",
    ]
    assert [e for e in events if e.startswith("payment_intent")] == [
        "payment_intent.created",
        "payment_intent.processing",
        "payment_intent.reorged",
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.succeeded",
    ]


async def test_a_payment_that_a_reorg_drops_reopens_its_intent_for_good(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    tx_hash = await b.pay(intent, "10.00")
    await b.settle_down(watcher)

    await b.node.dev.reorg(1, drop=[tx_hash])
    await b.finalize(watcher)

    [deposit] = await b.deposits()
    assert (deposit["status"], deposit["unapplied_reason"], deposit["application"]) == (
        "orphaned",
        "orphaned",
        None,
    )
    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_received"], shown["flags"]) == (
        "requires_action",
        "0.000000",
        ["reorged"],
    )
    assert await b.booked() == {}
    await b.require_chain_and_rows_agree()

    await b.pay(intent, "10.00", payer=2)
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_the_second_payment_counts_when_the_first_one_is_dropped(b: Bridge) -> None:
    """What was a duplicate is applied once the payment before it is gone."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    first = await b.pay(intent, "10.00")
    await b.pay(intent, "10.00", payer=2)
    await b.settle_down(watcher)
    assert [d["unapplied_reason"] for d in await b.deposits()] == [None, "already_paid"]

    await b.node.dev.reorg(2, drop=[first])
    await b.finalize(watcher)

    assert {d["unapplied_reason"] for d in await b.deposits()} == {"orphaned", None}
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    await b.require_chain_and_rows_agree()


async def test_a_reorg_of_the_same_height_is_noticed_and_a_lower_head_is_waited_out(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.settle_down(watcher)
    before = await b.node.rpc("evm_snapshot")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)

    await b.node.rpc("evm_revert", before)
    assert await watcher.run_once() == 0
    assert watcher.counters["head_went_down"] == 1
    assert (await b.shown(intent))["status"] == "processing"

    b.clock.advance(5)  # another time, so another block at the same height
    await b.mine()
    await b.settle_down(watcher)

    assert (await b.shown(intent))["status"] == "requires_action"
    assert watcher.counters["reorgs"] == 1
    await b.require_chain_and_rows_agree()


async def test_unsolicited_money_is_orphaned_and_returns_like_a_payment(b: Bridge) -> None:
    watcher = await b.started()
    await b.send(b.account(4).address, "7.00", payer=1)
    await b.mine()
    await b.settle_down(watcher)
    [before] = await b.deposits()

    await b.node.dev.reorg(1)
    for _ in range(2):  # back to the fork, then forward again
        await watcher.run_once()

    [after] = await b.deposits()
    assert (after["id"], after["status"], after["unapplied_reason"]) == (
        before["id"],
        "detected",
        "unsolicited",
    )
    await b.finalize(watcher)
    assert await b.booked() == {"custody:vault": 7_000_000, "suspense:operator": -7_000_000}


async def test_a_final_block_that_disappears_halts_the_chain_until_an_operator_looks(b: Bridge) -> None:
    """Finality is 3 blocks behind the head; 6 blocks are replaced."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    booked, stored = await b.booked(), await b.stored()

    await b.node.dev.reorg(6)
    with pytest.raises(FinalizedBlockGone):
        await b.settle_down(watcher)

    later = await b.intent("5.00")
    await b.pay(later, "5.00")
    await watcher.release()
    for restarted in (watcher, b.watcher()):
        with pytest.raises(ChainHalted, match="was final") as halted:
            await restarted.run_once()
        assert isinstance(halted.value, Halted)
        await restarted.release()
    assert await b.booked() == booked
    assert await b.stored() == stored
    assert (await b.shown(later))["status"] == "requires_action"
    [(reason,)] = await b.rows("SELECT halted_reason FROM cursors")
    assert "was final" in reason


@pytest.mark.parametrize("failpoint", ["watcher.before_halt", "watcher.after_halt"])
async def test_a_watcher_killed_while_it_halts_leaves_a_chain_that_halts(b: Bridge, failpoint: str) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    booked = await b.booked()
    await watcher.release()
    await b.node.dev.reorg(6)

    dying = b.watcher(failpoints=Crashing(failpoint))
    with pytest.raises(Crash):
        await b.settle_down(dying)
    await dying.release()

    successor = b.watcher()
    first = FinalizedBlockGone if failpoint == "watcher.before_halt" else ChainHalted
    for refusal in (first, ChainHalted):
        with pytest.raises(refusal):
            await successor.run_once()
    assert await b.booked() == booked


async def test_a_node_that_is_behind_finality_does_not_halt_the_chain(b: Bridge) -> None:
    """It shows another head and nothing at the heights we know: perhaps it only has to catch up."""
    watcher = await b.started()
    await b.finalize(watcher)

    def forgetful(method: str, params: list[object], result: object) -> object:
        if method == "eth_getBlockByNumber" and params[0] == "latest":
            assert isinstance(result, dict)
            return resealed(result)
        return None if method == "eth_getBlockByNumber" else result

    async with lying_node(b.node.url) as node:
        node.twist = forgetful
        await watcher.release()
        other = b.watcher(node.url)
        with pytest.raises(NodeBehind):
            await other.run_once()
        await other.release()

    assert await b.rows("SELECT halted_reason FROM cursors") == [(None,)]
    assert await watcher.run_once() == 0


async def test_two_payments_in_one_block_keep_their_identities_when_mined_anew(
    b: Bridge,
) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    address = deposit_address(intent)
    await b.send(address, "4.00", payer=1)
    await b.send(address, "6.00", payer=2)
    await b.mine()
    await b.settle_down(watcher)
    before = {d["id"]: d["tx_hash"] for d in await b.deposits()}

    await b.node.dev.reorg(1)
    await b.finalize(watcher)

    assert {d["id"]: d["tx_hash"] for d in await b.deposits()} == before
    assert (await b.shown(intent))["status"] == "succeeded"
    await b.require_chain_and_rows_agree()
