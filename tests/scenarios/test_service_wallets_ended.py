"""A service wallet ends with a nonce that nobody signed for: what that carried goes to the next wallet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bascule.domain import authorization, flush
from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Retryable
from bascule.entrypoints import anchoring, sweeping
from bascule.services import service_lanes
from bascule.services.signing_intents import Intent, OffendingItem, Signed, SignerPort, SignerRefused
from tests.support.anchors import Notary
from tests.support.crashing import Crash, Crashing
from tests.support.flushing import LIMITS, sweep
from tests.support.money_out import OpenAs, Treasury, treasury
from tests.support.paying_x402 import open_facilitator, till


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


@pytest.fixture
async def notary(stage: Treasury, db_as: OpenAs) -> Notary:
    """Its wallet has a nonce for a head, and died before it asked the signer."""
    made = await Notary(stage, await db_as("worker")).open()
    await made.happens("something")
    await made.ask()
    with pytest.raises(Crash):
        await made.send(Crashing("anchor.after_reserve"))
    assert await stage.rows("SELECT state FROM slots") == [("reserved",)]
    return made


async def end(stage: Treasury, lane: str = "anchor") -> Address:
    async with stage.owner.transaction() as conn:
        return await service_lanes.end(conn, stage.network.chain_id, lane, stage.clock.now())


async def register_another(stage: Treasury) -> Address:
    another = parse_address(stage.node.accounts[6].address)
    async with stage.owner.transaction() as conn:
        limits = anchoring.hard_limits(1_000 * 10**9)
        await anchoring.register(conn, stage.network.chain_id, another, limits=limits, next_nonce=0)
    await stage.follow(3)
    return another


async def test_wallet_ends_with_a_nonce_that_nobody_signed_and_another_does_its_work(
    stage: Treasury, notary: Notary
) -> None:
    """Its lane may be closed for ever, so that nothing would end that nonce."""
    old = await end(stage)
    assert await stage.rows("SELECT wallet, nonce, state FROM slots") == [(bytes(old), 0, "final")]
    another = await register_another(stage)

    await stage.run(await stage.submitter(holder="a", lane="anchor"))

    assert await stage.rows("SELECT outcome, wallet, nonce FROM anchors") == [("done", bytes(another), 0)]
    assert await stage.rows("SELECT wallet, nonce FROM attempts") == [(bytes(another), 0)]
    assert await notary.on_chain() == [], "the old wallet sent nothing"


async def test_bytes_that_are_signed_while_their_wallet_ends_are_neither_kept_nor_sent(
    stage: Treasury, notary: Notary
) -> None:
    submitter = await stage.submitter(holder="a", lane="anchor")
    signer = submitter._offering._signer

    class EndsMeanwhile:
        """The signer itself, while somebody ends the wallet."""

        async def sign(self, intent: Intent) -> Signed:
            signed = await signer.sign(intent)
            await end(stage)
            return signed

    submitter._offering._signer = cast("SignerPort", EndsMeanwhile())
    with pytest.raises(Retryable, match="nonce 0 ended while the signer was asked"):
        await submitter.run_once()

    await stage.follow(3)
    assert await stage.rows("SELECT count(*) FROM attempts") == [(0,)]
    assert await notary.on_chain() == []
    assert await stage.rows("SELECT outcome, wallet FROM anchors") == [("open", None)]


async def test_what_a_signer_refuses_by_name_while_its_wallet_ends_is_told_and_waits_for_the_next(
    stage: Treasury, notary: Notary
) -> None:
    submitter = await stage.submitter(holder="a", lane="anchor")

    class RefusesMeanwhile:
        """A signer that knows another head, while somebody ends the wallet."""

        async def sign(self, intent: Intent) -> Signed:
            await end(stage)
            named = (OffendingItem("seal 1", "head_contradicts"),)
            raise SignerRefused("head_contradicts", "Another head was signed for this seal.", named)

    submitter._offering._signer = cast("SignerPort", RefusesMeanwhile())
    await submitter.run_once()

    assert await stage.rows("SELECT kind, state FROM slots") == [("service", "final")]
    assert await stage.rows("SELECT outcome, wallet FROM anchors") == [("open", None)]
    assert await stage.rows("SELECT count(*) FROM signer_alarms") == [(1,)]


async def test_wallet_whose_bytes_are_out_does_not_end_before_they_are_final(
    stage: Treasury, notary: Notary
) -> None:
    submitter = await stage.submitter(holder="a", lane="anchor")
    await submitter.run_once()
    with pytest.raises(Retryable, match="nonce 0 of lane 31337/anchor is broadcast"):
        await end(stage)
    await stage.follow(3)
    await submitter.run_once()

    await end(stage)
    assert len(await notary.on_chain()) == 1


@pytest.mark.slow
async def test_flush_whose_bytes_the_signer_has_alone_is_made_by_the_next_wallet_once(
    db_as: OpenAs, tmp_path: Path
) -> None:
    """The signer's answer was lost; nobody ever sends what it signed."""
    async with sweep(db_as, tmp_path) as world:
        stage = world.stage
        paid = await world.request("20.00", "30.00")
        with pytest.raises(Crash):
            await (await world.sweeper(failpoints=Crashing("submitter.after_sign"))).run_once()
        old = await end(stage, flush.LANE)
        async with stage.owner.transaction() as conn:
            await sweeping.register(
                conn, stage.network.chain_id, parse_address(stage.node.accounts[7].address),
                factory=parse_address(world.factory), tokens=[stage.token.contract], limits=LIMITS,
            )  # fmt: skip
        await stage.follow(3)
        assert await world.planner().run_once() == 1, "nothing was tried, so nothing waits"
        await stage.run(await world.sweeper(), rounds=2)

        assert await world.requests() == [
            ("reverted", [(each, "released") for each in paid]),
            ("done", [(each, "flushed") for each in paid]),
        ]
        assert await stage.rows("SELECT count(*) FROM attempts WHERE wallet = %s", old) == [(0,)]
        assert await world.balance(world.collector) == 50_000_000
        await world.require_even()


@pytest.mark.slow
async def test_authorizations_whose_bytes_the_signer_has_alone_are_paid_by_the_next_wallet_once(
    db_as: OpenAs, tmp_path: Path
) -> None:
    async with till(db_as, tmp_path) as shop:
        for amount in (10_000, 20_000):
            await shop.ask("settle", shop.payment(amount))
        with pytest.raises(Crash):
            await (await shop.lane(failpoints=Crashing("submitter.after_sign"))).run_once()
        await end(shop.stage, authorization.LANE)
        freed = await shop.stage.rows("SELECT state, wallet, slot FROM authorizations")
        assert freed == [("pending", None, None)] * 2
        await open_facilitator(shop.stage, 3)
        await shop.stage.follow(3)

        await shop.work()

        assert sorted(await shop.received()) == [10_000, 20_000]
        assert await shop.stored() == [("settled", None)] * 2
        await shop.world.require_even()


@pytest.mark.slow
async def test_cancel_whose_bytes_the_signer_has_alone_waits_for_the_next_wallet(
    stage: Treasury,
) -> None:
    await stage.open_canceller()
    payout = await stage.approved("5.00")
    await (await stage.submitter()).run_once()
    await stage.cancel(payout)
    died = Crashing("submitter.after_sign")
    with pytest.raises(Crash):
        await (await stage.submitter(holder="c", lane="canceller", failpoints=died)).run_once()
    await end(stage, "canceller")

    assert await stage.rows("SELECT outcome, wallet, nonce FROM payout_cancels") == [("open", None, None)]
    await stage.run()
    paid = await stage.read(payout)
    assert (paid["status"], paid["cancellation"]["status"]) == ("paid", "too_late"), "the batch came first"
    await stage.require_truth()
