"""What a batch pays is settled once; the database keeps every process from changing it afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import errors

from bascule.domain.chain import Address, Hash, parse_address
from bascule.storage import payout_batches
from bascule.storage.payout_batches import NewBatch
from tests.support.money_out import START, OpenAs, Treasury, treasury

TOTALS = {Address(b"\x11" * 20): 7, Address(b"\x12" * 20): 2**80}
LEAVES = b"\x01" * 32 + b"\x02" * 32


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


def batch(stage: Treasury, leaves: bytes | None = LEAVES) -> NewBatch:
    return NewBatch(
        id="pob_1",
        account_id=stage.operator,
        livemode=False,
        chain_id=stage.network.chain_id,
        vault=parse_address(stage.vault),
        leaves=leaves,
        totals=TOTALS if leaves else None,
        approvals_required=2,
        approval_expires_at=START + timedelta(days=3),
        roster_version=1,
        requested_by="key_test",
        created_at=START,
    )


async def test_batch_comes_back_as_it_was_written_and_is_settled_once(stage: Treasury) -> None:
    async with stage.api.transaction() as conn:
        written = await payout_batches.insert(conn, batch(stage, leaves=None))
        assert await payout_batches.settle_content(conn, "pob_1", leaves=LEAVES, totals=TOTALS)
        assert not await payout_batches.settle_content(conn, "pob_1", leaves=bytes(32), totals=TOTALS)

    async with stage.api.read() as conn:
        found = await payout_batches.get(conn, "pob_1")
    assert found is not None
    assert (found.leaves, found.totals, written.leaves) == (LEAVES, TOTALS, None)


@pytest.mark.parametrize("change", ["leaves = leaves || leaves", "totals = '{}'"])
async def test_nobody_changes_what_a_batch_pays(stage: Treasury, change: str) -> None:
    async with stage.api.transaction() as conn:
        await payout_batches.insert(conn, batch(stage))

    for login in (stage.api, stage.owner):
        with pytest.raises(errors.InsufficientPrivilege, match="for ever"):
            async with login.transaction() as conn:
                await conn.execute(f"UPDATE payout_batches SET {change}".encode())


async def test_payout_neither_leaves_its_batch_nor_enters_one_later(stage: Treasury) -> None:
    await stage.request()
    async with stage.owner.transaction() as conn:
        await payout_batches.insert(conn, batch(stage))

    with pytest.raises(errors.InsufficientPrivilege, match="for ever"):
        async with stage.owner.transaction() as conn:
            await conn.execute("UPDATE payouts SET batch_id = 'pob_1', batch_position = 0")


async def test_same_approver_signs_the_same_text_once(stage: Treasury) -> None:
    who, digest = Address(b"\x05" * 20), Hash(b"\x06" * 32)
    async with stage.api.transaction() as conn:
        await payout_batches.insert(conn, batch(stage))
        for expected in (True, False):
            assert expected is await payout_batches.insert_approval(
                conn, "pob_1", approver=who, digest=digest, signature=b"\x07" * 65
            )

        [kept] = await payout_batches.approvals_of_round(conn, "pob_1", digest)
    assert (kept.approver, kept.signature) == (who, b"\x07" * 65)
