"""The signer refuses: what contradicts it is an alarm, told once; what time or a hand heals is waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import caip2, parse_address
from bascule.domain.errors import Halted, Retryable
from bascule.entrypoints.readiness import readiness
from bascule.entrypoints.signer_client import SignerClient
from bascule.services.signing_intents import (
    FeeOffer,
    FillIntent,
    Intent,
    OffendingItem,
    PayIntent,
    Signed,
    SignerPort,
    SignerRefused,
)
from bascule.services.submitter import Submitter
from bascule.storage import signer_alarms
from tests.support.cases import long_after
from tests.support.money_out import OpenAs, Treasury, treasury
from tests.support.nodes import no_guard


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def told(stage: Treasury) -> list[dict[str, Any]]:
    """What the operator was told of refusals."""
    rows = await stage.rows(
        "SELECT object FROM outbox WHERE type = 'signer_refusal.created' AND account_id = %s ORDER BY id",
        stage.operator,
    )
    return [shown for (shown,) in rows]


async def asked_twice(submitter: Submitter, error: type[Exception], words: str) -> None:
    for _ in range(2):
        with pytest.raises(error, match=words):
            await submitter.run_once()


async def test_nonce_that_the_signer_gave_to_other_content_is_an_alarm_once(stage: Treasury) -> None:
    submitter = await stage.submitter()
    await submitter.run_once()  # opens the lane
    fill = FillIntent(
        stage.node.dev.chain_id,
        bytes(parse_address(stage.wallet.address)),
        0,
        1,
        FeeOffer(2_000_000_000, 1_000_000_000, 21_000),
    )
    async with SignerClient(stage.socket, guard=no_guard) as stolen:
        await stolen.sign(fill)
    await stage.approved()

    await asked_twice(submitter, Halted, "slot_taken")

    [alarm] = await told(stage)
    assert (alarm["object"], alarm["code"], alarm["nonce"]) == ("signer_refusal", "slot_taken", 0)
    status, ready = await readiness(stage.api, stage.clock, 10**6)
    assert (status, ready["status"]) == (200, "degraded")
    assert ready["signer_refusals"] == {caip2(stage.network.chain_id): 1}
    stage.clock.advance(timedelta(days=2))
    async with stage.api.read() as conn:
        assert (await signer_alarms.open_by_network(conn, stage.clock.now())) != {}, "still unsigned"


async def test_epoch_that_is_over_is_an_alarm_once_and_waits(stage: Treasury) -> None:
    submitter = await stage.submitter()
    await submitter.run_once()  # opens the lane
    await stage.rows_change("UPDATE signer.wallets SET epoch = 99")
    await stage.approved()

    await asked_twice(submitter, Retryable, "Epoch")

    assert [alarm["code"] for alarm in await told(stage)] == ["epoch_stale"]


async def test_payout_whose_content_changed_is_an_alarm_that_names_it(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    submitter._offering._signer = Naming(submitter._offering._signer)

    await stage.run(submitter, rounds=3)

    [alarm] = await told(stage)
    assert alarm["items"] == [{"name": payout["id"], "code": "content_changed"}]
    stage.clock.advance(timedelta(days=2))
    _, ready = await readiness(stage.api, stage.clock, 10**9)
    assert ready["signer_refusals"] == {}, "filled, and a day is over"


class Naming:
    """A signer that refuses each batch for its first item, and signs all else."""

    def __init__(self, real: SignerPort) -> None:
        self.real = real

    async def sign(self, intent: Intent) -> Signed:
        if isinstance(intent, PayIntent):
            named = OffendingItem(intent.items[0].payout_id, "content_changed")
            raise SignerRefused("items_refused", "One payout is not as approved.", (named,))
        return await self.real.sign(intent)


class Refusing:
    """A signer that refuses every question as a whole, with one code."""

    def __init__(self, code: str) -> None:
        self.code = code

    async def sign(self, _: Intent) -> Signed:
        raise SignerRefused(self.code, f"{self.code}.")


@pytest.mark.parametrize(
    ("code", "error", "alarmed"),
    long_after(
        3,
        [
            ("day_limit_exceeded", Retryable, False),
            ("destination_denied", Halted, False),
            ("lane_denied", Halted, True),
            ("route_unknown", Retryable, False),
            ("vault_unknown", Retryable, False),
            ("item_limit_exceeded", Retryable, False),
        ],
    ),
)
async def test_lane_waits_for_what_time_or_a_hand_heals_and_halts_at_the_rest(
    stage: Treasury, code: str, error: type[Exception], alarmed: bool
) -> None:
    await stage.approved()
    submitter = await stage.submitter()
    submitter._offering._signer = Refusing(code)

    await asked_twice(submitter, error, code)

    assert [alarm["code"] for alarm in await told(stage)] == [code] * alarmed
    assert await stage.rows("SELECT state FROM slots") == [("reserved",)]
    assert await stage.transfers_out() == []
