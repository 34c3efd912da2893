"""Money out while somebody else has the lane's key: a used nonce loses no payout and pays none twice."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bascule.domain.errors import Halted
from bascule.domain.fees import Ceiling
from bascule.services.nonce_loss import Loss, Witness, judge
from bascule.services.submitter import Submitter
from tests.support.fault_proxy import fault_proxy
from tests.support.money_out import OpenAs, Treasury, payee, treasury
from tests.support.nodes import lying_node

SEND = ["eth_sendRawTransaction"]


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def use_nonce(stage: Treasury) -> None:
    """The stranger's transaction is mined under the nonce whose bytes reached nobody."""
    receipt = await stage.node.transact(stage.wallet, to=payee(77), value=1)
    assert receipt["status"] == "0x1"


async def settle(stage: Treasury, submitter: Submitter) -> None:
    """Bytes go out again, blocks become final, and the submitter sees that; twice."""
    for _ in range(3):
        stage.clock.advance(timedelta(seconds=16))
        await stage.run(submitter)


async def test_payouts_of_a_nonce_that_a_stranger_used_are_paid_under_the_same_ids_in_a_new_slot(
    stage: Treasury,
) -> None:
    batch = [await stage.approved("5.00", payee(1)), await stage.approved("6.00", payee(2))]
    async with fault_proxy(stage.node.url) as one, fault_proxy(stage.node.url) as two:
        submitter = await stage.submitter(url=[one.url, two.url])
        fault = {"kind": "drop", "methods": SEND}
        with one.lying(fault), two.lying(fault):
            await submitter.run_once()
        ids = [(await stage.read(payout))["vault_id"] for payout in batch]
        await use_nonce(stage)
        stage.clock.advance(timedelta(seconds=16))
        await submitter.run_once()  # the nodes say that the nonce is used; no final block does
        await submitter.run_once()
        assert [await stage.status(payout) for payout in batch] == ["in_transit"] * 2
        assert await stage.rows("SELECT count(*) FROM slots WHERE state = 'final'") == [(0,)]
        await settle(stage, submitter)

    assert [await stage.status(payout) for payout in batch] == ["paid"] * 2
    assert [(await stage.read(payout))["vault_id"] for payout in batch] == ids
    assert not any([(await stage.read(payout))["stuck"] for payout in batch])
    assert await stage.rows("SELECT nonce, state FROM slots ORDER BY nonce") == [(0, "final"), (1, "final")]
    assert len(await stage.transfers_out()) == 2
    assert "updated" in await stage.events(batch[0])
    await stage.require_truth(strangers=1)


async def test_payout_of_a_slot_at_its_ceiling_is_stuck_no_more_once_a_stranger_ended_that(
    stage: Treasury,
) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as one, fault_proxy(stage.node.url) as two:
        submitter = await stage.submitter(
            url=[one.url, two.url],
            ceiling=Ceiling(per_gas=1_111_111_111, cost=10**18),
            bump_after=timedelta(0),
        )
        fault = {"kind": "drop", "methods": SEND}
        with one.lying(fault), two.lying(fault):
            await submitter.run_once()
            stage.clock.advance(timedelta(seconds=16))
            await submitter.run_once()
        assert await stage.rows("SELECT stuck FROM slots") == [("fee_ceiling",)]
        await use_nonce(stage)
        await stage.follow(3)
        await settle(stage, submitter)

    paid = await stage.read(payout)
    assert (paid["status"], paid["stuck"]) == ("paid", False)
    assert await stage.rows("SELECT nonce, stuck FROM slots ORDER BY nonce") == [(0, None), (1, None)]
    await stage.require_truth(strangers=1)


async def test_used_nonce_releases_nothing_while_the_chain_is_halted(stage: Treasury) -> None:
    """What is final is in doubt then, and a released payout could be called off and paid all the same."""
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as one, fault_proxy(stage.node.url) as two:
        submitter = await stage.submitter(url=[one.url, two.url])
        fault = {"kind": "drop", "methods": SEND}
        with one.lying(fault), two.lying(fault):
            await submitter.run_once()
        await use_nonce(stage)
        stage.clock.advance(timedelta(seconds=16))
        await submitter.run_once()
        await stage.follow(3)
        await stage.rows_change("UPDATE cursors SET halted_reason = 'a final block is disputed'")
        with pytest.raises(Halted, match="disputed"):
            await submitter.run_once()
        assert await stage.status(payout) == "in_transit"
        assert await stage.rows("SELECT state, stuck FROM slots") == [("broadcast", "nonce_used")]

        await stage.rows_change("UPDATE cursors SET halted_reason = NULL")
        await settle(stage, submitter)
    assert await stage.status(payout) == "paid"
    await stage.require_truth(strangers=1)


async def test_word_of_one_node_alone_leaves_the_payout_to_a_person(stage: Treasury) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        submitter = await stage.submitter(url=proxy.url)
        with proxy.lying({"kind": "drop", "methods": SEND}):
            await submitter.run_once()
        await use_nonce(stage)
        await settle(stage, submitter)

    waiting = await stage.read(payout)
    assert (waiting["status"], waiting["stuck"]) == ("in_transit", True)
    assert await stage.rows("SELECT nonce, stuck FROM slots") == [(0, "nonce_used")]
    assert (await stage.events(payout)).count("stuck") == 1
    await stage.require_truth(strangers=1)


async def test_two_nodes_that_lie_of_a_used_nonce_are_contradicted_by_a_third(stage: Treasury) -> None:
    async with (
        lying_node(stage.node.url) as one,
        lying_node(stage.node.url) as two,
        fault_proxy(stage.node.url) as honest,
    ):
        submitter = await stage.submitter(url=[one.url, two.url, honest.url])
        await submitter.run_once()  # the lane opens before they begin to lie
        for liar in (one, two):
            liar.twist = lambda method, params, result: (
                "0x5" if method == "eth_getTransactionCount" else result
            )
        payout = await stage.approved()
        with honest.lying({"kind": "error", "message": "nonce too low", "methods": SEND}):
            await submitter.run_once()
        await submitter.run_once()
        assert await stage.rows("SELECT state, stuck FROM slots") == [("broadcast", "nonce_used")]
        await stage.run(submitter)

    paid = await stage.read(payout)
    assert (paid["status"], paid["stuck"]) == ("paid", False)
    assert await stage.rows("SELECT count(*) FROM slots") == [(1,)]
    await stage.require_truth()


async def test_two_nodes_that_pruned_their_history_make_no_loss_certain(stage: Treasury) -> None:
    """A payout that was paid long ago must not be called free because nobody remembers its transaction."""
    await stage.approved()
    async with lying_node(stage.node.url) as one, lying_node(stage.node.url) as two:
        submitter = await stage.submitter(url=[one.url, two.url])
        await stage.run(submitter)
        paid = await stage.approved()
        await submitter.run_once()
        for node in (one, two):
            node.twist = lambda method, params, result: (
                None if method == "eth_getTransactionReceipt" else result
            )
        await stage.follow(3)
        await settle(stage, submitter)
        waiting = await stage.read(paid)
        assert (waiting["status"], waiting["stuck"]) == ("in_transit", True)
        assert await stage.rows("SELECT nonce, state, stuck FROM slots WHERE nonce = 1") == [
            (1, "broadcast", "nonce_used")
        ]
        for node in (one, two):
            node.twist = lambda method, params, result: result
        await stage.run(submitter)

    assert (await stage.status(paid), (await stage.read(paid))["stuck"]) == ("paid", False)
    await stage.require_truth()


async def test_two_nodes_that_hide_the_receipt_of_a_wallets_first_transaction_free_nothing(
    stage: Treasury,
) -> None:
    """There is no older one by which to see that they would remember."""
    payout = await stage.approved()
    async with lying_node(stage.node.url) as one, lying_node(stage.node.url) as two:
        submitter = await stage.submitter(url=[one.url, two.url])
        await submitter.run_once()
        for node in (one, two):
            node.twist = lambda method, params, result: (
                None if method == "eth_getTransactionReceipt" else result
            )
        await stage.follow(3)
        await settle(stage, submitter)
        waiting = await stage.read(payout)
        assert (waiting["status"], waiting["stuck"]) == ("in_transit", True)
        for node in (one, two):
            node.twist = lambda method, params, result: result
        await stage.run(submitter)

    assert (await stage.status(payout), (await stage.read(payout))["stuck"]) == ("paid", False)
    assert await stage.rows("SELECT count(*) FROM slots") == [(1,)]
    await stage.require_truth()


def test_loss_is_certain_only_by_two_and_against_nobody_who_knows_the_block() -> None:
    every = [Witness(*flags) for flags in itertools.product((False, True), repeat=4)]
    for told in itertools.combinations_with_replacement(every, 3):
        accusers = [each for each in told if each.knows and each.used and each.absent]
        found = judge(told)
        if found is Loss.CERTAIN:
            assert sum(each.remembers for each in accusers) >= 2
            assert all(each in accusers for each in told if each.knows)
        assert (found is Loss.NONE) == (not accusers)
    assert judge([]) is Loss.NONE
