"""Everything that money out is made of explains itself: its state, why, and who acts next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.errors import NotFound
from bascule.domain.ids import Prefix
from bascule.entrypoints.explaining import KINDS, explain
from bascule.services.destinations import Destinations
from bascule.services.seams import SystemEntropy
from tests.support.money_out import OpenAs, Treasury, approver, payee, treasury
from tests.support.payout_batches import batch_of


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def test_each_object_of_money_out_says_its_state_and_who_acts_next(
    stage: Treasury, db_as: OpenAs
) -> None:
    db = await db_as("worker")  # which may read no secrets

    async def ask(what: str) -> dict[str, Any]:
        async with db.read() as conn:
            found = await explain(conn, what)
        assert found is not None
        assert found["next"]
        return found

    await batch_of(stage, [1_000_000], by=(1,), batch_id="pob_2")
    whole, waiting = await batch_of(stage, [2_000_000]), await stage.request("5.00", payee(1))
    assert (await ask("pob_1"))["next"] == "its lines are checked"
    await stage.rows_change("UPDATE payout_batches SET state = 'processing' WHERE id = 'pob_1'")
    await stage.rows_change("UPDATE payout_batches SET state = 'requires_action' WHERE id = 'pob_2'")
    assert waiting["id"] in (await ask(stage.operator))["next"]
    assert whole[0] in (await ask("pob_1"))["next"]
    submitter = await stage.submitter()
    await submitter.run_once()

    slot = f"{stage.network.chain_id}/{stage.wallet.address}/0"
    open_slot = await ask(slot)
    assert open_slot["state"].startswith("pay, broadcast: ")
    assert open_slot["payouts"] == {whole[0]: "open"}
    await stage.run(submitter)
    final = await ask(slot)
    assert final["state"].startswith("pay, final: ")
    assert final["next"] == (await ask(whole[0]))["next"] == "nothing: this is its end"
    assert list(final["attempts"].values()) == ["final"]

    [(policy,)] = await stage.rows("SELECT id FROM policies LIMIT 1")
    assert (await ask(policy))["state"] == "version 1, in force"
    book = Destinations(stage.clock, SystemEntropy(), stage.use_cases.outbox)
    async with stage.api.transaction() as conn:
        entry = await book.add(
            conn, account_id=stage.operator, livemode=False, network=f"eip155:{stage.network.chain_id}",
            address=payee(7), label="Supplier", created_by="key_1", maker=None,
        )  # fmt: skip
    assert f"{entry['id']}/verify" in (await ask(entry["id"]))["next"]
    [(event,)] = await stage.rows("SELECT event_id FROM outbox WHERE type = 'payout.paid'")
    assert (await ask(event))["next"] == "the worker numbers and sends it"
    assert (await ask(stage.token.id))["state"] == "accepted"
    who = (await ask("pob_2"))["next"]
    assert who.startswith("1 of ")
    assert [approver(n).address in who for n in (1, 2)] == [False, True]


async def test_payout_with_a_code_of_another_release_is_shown_and_explained_as_it_stands(
    stage: Treasury,
) -> None:
    payout = await stage.request()
    await stage.cancel(payout)
    await stage.rows_change("UPDATE payouts SET failure_code = 'insufficient_funds'")

    async with stage.owner.read() as conn:
        told = await explain(conn, payout["id"])

    assert told is not None
    assert told["failure"] == "insufficient_funds, which is not of this release"
    assert (await stage.read(payout))["failure_code"] == "insufficient_funds"


async def test_what_does_not_exist_is_said_not_to(stage: Treasury) -> None:
    prefixes = {f"{prefix}_" for prefix in Prefix}
    assert set(KINDS) <= prefixes
    async with stage.owner.read() as conn:
        for kind in (*KINDS, "31337/0x" + "00" * 20 + "/"):
            with pytest.raises(NotFound):
                await explain(conn, kind + "0" * (18 if "/" in kind else 26))
