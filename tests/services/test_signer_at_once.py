"""Questions of several lanes at once: what signers of one memory sign together stays within their limits."""

from __future__ import annotations

import asyncio

import pytest

from bascule.services.signer import Signer
from bascule.services.signing_intents import SignerRefused
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_wallets
from tests.support.money_out import OpenAs
from tests.support.signing import CHAIN, Desk


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


async def test_questions_at_once_cannot_exceed_the_day_together(desk: Desk) -> None:
    """Two signers, five lanes: what each alone might have signed for is counted one after another."""
    keys = [LocalKey(bytes([n]) * 32) for n in range(11, 16)]
    async with desk.owner.transaction() as conn:
        for key in keys:
            await signer_wallets.add(conn, CHAIN, key.address)
    signers = [Signer(desk.db, keys, desk.clock) for _ in range(2)]

    answers = await asyncio.gather(
        *(
            signers[lane % 2].sign(
                desk.pay(desk.item(lane, amount=1_000), wallet=key.address, lane=lane, word=lane << 216)
            )
            for lane, key in enumerate(keys)
        ),
        return_exceptions=True,
    )

    refused = [each for each in answers if isinstance(each, SignerRefused)]
    assert [[item.code for item in each.items] for each in refused] == [["day_limit_exceeded"]] * 3
    assert (await desk.count("items"), await desk.count("signatures")) == (2, 2)
