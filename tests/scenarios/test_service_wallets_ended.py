"""A service wallet ends with a nonce that nobody signed for: what that carried goes to the next wallet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Retryable
from bascule.entrypoints import anchoring
from bascule.services import service_lanes
from bascule.services.signing_intents import Intent, Signed, SignerPort
from tests.support.anchors import Notary
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs, Treasury, treasury


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


async def end(stage: Treasury) -> Address:
    async with stage.owner.transaction() as conn:
        return await service_lanes.end(conn, stage.network.chain_id, "anchor", stage.clock.now())


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
