"""Nonces, sequences, heads, slots and attempts: what was given away once is never given away again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import errors

from bascule.domain.attempt import AttemptEvent, AttemptState
from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Conflict, Halted, NotFound
from bascule.domain.fees import Fees
from bascule.domain.slot import SlotEvent, SlotKind, SlotState
from bascule.storage import attempts, lanes, slots
from bascule.storage.database import Connection
from bascule.storage.lanes import Lane
from bascule.storage.slots import Slot
from tests.support.money_out import LANE_NAME, START, OpenAs, Treasury, treasury

FEES = Fees(200, 100, 400_000)


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def lane_of(stage: Treasury, conn: Connection) -> Lane:
    return await lanes.lock(conn, stage.network.chain_id, LANE_NAME)


async def reserve(stage: Treasury, conn: Connection, *payout_ids: str) -> Slot:
    lane = await lane_of(stage, conn)
    nonce = await lanes.take(conn, lane, lane.next_sequence)
    await slots.insert_pay(
        conn,
        lane,
        nonce=nonce,
        epoch=1,
        token=Address(stage.token.contract),
        word=0,
        deadline=START + timedelta(hours=1),
        fees=FEES,
        items=dict(enumerate(payout_ids)),
        total=len(payout_ids),
    )
    return await slots.lock(conn, lane.chain_id, lane.wallet, nonce)


async def save(conn: Connection, slot: Slot, number: int, fees: Fees = FEES) -> Hash:
    tx_hash = Hash(bytes([number]) * 32)
    await attempts.insert(conn, slot, tx_hash=tx_hash, raw=b"raw", fees=fees, created_at=START)
    return tx_hash


async def test_nonce_is_taken_once(stage: Treasury) -> None:
    async with stage.submitters_db.transaction() as conn:
        lane = await lane_of(stage, conn)
        assert await lanes.take(conn, lane, lane.next_sequence) == 0
        with pytest.raises(Halted, match="nonce 0"):
            await lanes.take(conn, lane, lane.next_sequence)
        assert (await lane_of(stage, conn)).next_nonce == 1


async def test_sequences_and_heads_only_go_forward(stage: Treasury) -> None:
    async with stage.submitters_db.transaction() as conn:
        lane = await lane_of(stage, conn)
        await lanes.take(conn, lane, 5)
        with pytest.raises(Halted, match="went back"):
            await lanes.take(conn, await lane_of(stage, conn), 4)
        await lanes.move_head(conn, lane, old=lane.head, new=Hash(b"\x01" * 32))
        with pytest.raises(Halted, match="head"):
            await lanes.move_head(conn, lane, old=lane.head, new=Hash(b"\x02" * 32))


async def test_unknown_lane_is_not_found(stage: Treasury) -> None:
    async with stage.submitters_db.read() as conn:
        with pytest.raises(NotFound):
            await lanes.get(conn, 1, LANE_NAME)


async def test_lane_has_one_unfinished_batch(stage: Treasury) -> None:
    async with stage.submitters_db.transaction() as conn:
        await reserve(stage, conn)
    with pytest.raises(errors.UniqueViolation, match="one_unmined_batch_per_lane"):
        async with stage.submitters_db.transaction() as conn:
            await reserve(stage, conn)


async def test_payout_stands_in_one_live_slot(stage: Treasury) -> None:
    payout = await stage.approved()
    async with stage.submitters_db.transaction() as conn:
        slot = await reserve(stage, conn, payout["id"])
        await slots.advance_refused(conn, slot, gas=21_000)
    with pytest.raises(errors.UniqueViolation, match="one_live_slot_per_payout"):
        async with stage.submitters_db.transaction() as conn:
            await reserve(stage, conn, payout["id"])
    async with stage.submitters_db.transaction() as conn:
        await slots.decide_items(conn, slot, [0], "released")
        with pytest.raises(Halted, match="decided before"):
            await slots.decide_items(conn, slot, [0], "paid")
        await reserve(stage, conn, payout["id"])
        assert [each.nonce for each in await slots.of_payout(conn, payout["id"])] == [0, 1]


async def test_what_items_name_exists_and_stays(stage: Treasury) -> None:
    payout = await stage.approved()
    with pytest.raises(errors.ForeignKeyViolation, match="no payout po_none"):
        async with stage.submitters_db.transaction() as conn:
            await reserve(stage, conn, payout["id"], "po_none")
    with pytest.raises(errors.ForeignKeyViolation, match="no slot of nonce 7"):
        await stage.rows_change(
            "INSERT INTO slot_items (chain_id, wallet, nonce, position, payout_id)"
            " SELECT l.chain_id, l.wallet, 7, 0, p.id FROM lanes AS l, payouts AS p"
        )
    async with stage.submitters_db.transaction() as conn:
        await reserve(stage, conn, payout["id"])
    for change in (
        "DELETE FROM payouts",
        "UPDATE payouts SET id = 'po_other'",
        "TRUNCATE payouts CASCADE",
        "DELETE FROM slots",
        "UPDATE slots SET nonce = 9",
        "TRUNCATE slots CASCADE",
        "UPDATE slot_items SET payout_id = 'po_other'",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            await stage.rows_change(change)


async def test_refused_batch_becomes_a_fill_only_while_nothing_was_signed(stage: Treasury) -> None:
    async with stage.submitters_db.transaction() as conn:
        slot = await reserve(stage, conn)
        assert await slots.advance(conn, slot, SlotEvent.SIGN) is SlotState.SIGNED
        signed = await slots.get(conn, slot)
        with pytest.raises(Conflict):
            await slots.advance_refused(conn, signed, gas=21_000)
        with pytest.raises(Halted):
            await slots.advance_refused(conn, slot, gas=21_000)
        assert (await slots.get(conn, slot)).kind is SlotKind.PAY


async def test_asked_fees_never_fall(stage: Treasury) -> None:
    async with stage.submitters_db.transaction() as conn:
        slot = await reserve(stage, conn)
        assert await slots.ask_fees(conn, slot, Fees(300, 200, 400_000))
        assert not await slots.ask_fees(conn, slot, Fees(250, 200, 400_000))
        assert (await slots.get(conn, slot)).fees == Fees(300, 200, 400_000)


async def test_signed_bytes_are_for_ever(stage: Treasury) -> None:
    async with stage.submitters_db.transaction() as conn:
        slot = await reserve(stage, conn)
        tx_hash = await save(conn, slot, 1)
        await save(conn, slot, 1)
        assert len(await attempts.of_slot(conn, slot)) == 1
    with pytest.raises(errors.InsufficientPrivilege, match="for ever"):
        async with stage.submitters_db.transaction() as conn:
            await conn.execute("UPDATE attempts SET raw = 'other' WHERE tx_hash = %s", (tx_hash,))


async def test_slot_has_one_mined_attempt_and_losers_are_superseded(stage: Treasury) -> None:
    block = {"block_hash": Hash(b"\x0b" * 32), "block_number": 9, "succeeded": True, "fee_paid": 5}
    async with stage.submitters_db.transaction() as conn:
        slot = await reserve(stage, conn)
        first = await save(conn, slot, 1)
        second = await save(conn, slot, 2, replace(FEES, max_fee_per_gas=300))
        dearest, cheapest = await attempts.of_slot(conn, slot)
        assert (dearest.tx_hash, cheapest.tx_hash) == (second, first)
        await attempts.advance_to_mined(conn, cheapest, **block)  # type: ignore[arg-type]
        mined = await attempts.lock(conn, first)
        assert (mined.state, mined.offered_at) == (AttemptState.MINED, START)
    with pytest.raises(errors.UniqueViolation, match="one_mined_attempt_per_slot"):
        async with stage.submitters_db.transaction() as conn:
            await attempts.advance_to_mined(conn, dearest, **block)  # type: ignore[arg-type]
    async with stage.submitters_db.transaction() as conn:
        await attempts.advance_to_offered(conn, mined, AttemptEvent.ORPHAN, START)
        again = await attempts.lock(conn, first)
        assert (again.state, again.block_hash, again.fee_paid) == (AttemptState.OFFERED, None, None)
        await attempts.advance(conn, dearest, AttemptEvent.SUPERSEDE)
        with pytest.raises(Conflict):
            await attempts.advance(conn, await attempts.lock(conn, second), AttemptEvent.OFFER)
