"""The cursor moves only from where it was read, and finality only forward."""

from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from bascule.domain.chain import BlockRef, Hash
from bascule.domain.finality import FinalityPolicy
from bascule.storage import blocks, networks
from bascule.storage.blocks import Cursor, CursorMoved
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network

CHAIN = 31_337


def block(number: int, fork: int = 0) -> BlockRef:
    return BlockRef(
        number, Hash(bytes([fork, number]) * 16), Hash(bytes([0, number - 1]) * 16), 1_700_000_000 + number
    )


async def current(conn: Connection) -> Cursor:
    found = await blocks.cursor(conn, CHAIN)
    assert found is not None
    return found


@pytest.fixture
async def conn(db: Database) -> AsyncIterator[Connection]:
    """A chain that was read from block 10, final, to block 13."""
    async with db.transaction() as conn:
        await networks.publish(
            conn, Network(CHAIN, "local", False, FinalityPolicy("depth", 2), None, None, None, None)
        )
        await blocks.record(conn, CHAIN, [blocks.Read(block(10), "none")])
        await blocks.start_cursor(conn, CHAIN, block(10))
        await blocks.record(conn, CHAIN, [blocks.Read(block(n), "receipts") for n in (11, 12, 13)])
        await blocks.move_cursor(conn, await current(conn), block(13))
        yield conn


async def test_a_cursor_is_moved_only_from_where_it_was_read(conn: Connection) -> None:
    before = await current(conn)
    await blocks.move_cursor(conn, before, block(14))

    with pytest.raises(CursorMoved):
        await blocks.move_cursor(conn, before, block(15))
    assert (await current(conn)).last_number == 14


async def test_a_cursor_never_goes_back_behind_what_became_final_meanwhile(conn: Connection) -> None:
    before = await current(conn)
    await blocks.finalize(conn, before, block(12))

    with pytest.raises(CursorMoved):
        await blocks.move_cursor(conn, before, block(11))
    assert (await current(conn)).last_number == before.last_number


async def test_a_halted_chain_neither_moves_nor_finalizes(conn: Connection) -> None:
    before = await current(conn)
    assert await blocks.halt(conn, CHAIN, "first", 12)
    assert not await blocks.halt(conn, CHAIN, "second", None)

    with pytest.raises(CursorMoved):
        await blocks.move_cursor(conn, before, block(14))
    with pytest.raises(CursorMoved):
        await blocks.finalize(conn, before, block(12))
    halted = await current(conn)
    assert (halted.halted_reason, halted.disputed_number, halted.halts) == ("first", 12, 1)


async def test_finality_rises_to_a_canonical_verified_block_alone(conn: Connection) -> None:
    before = await current(conn)
    for wrong in (block(12, fork=1), block(14), replace(block(12), number=11)):
        with pytest.raises(CursorMoved):
            await blocks.finalize(conn, before, wrong)
    await blocks.finalize(conn, before, block(12))

    with pytest.raises(CursorMoved):
        await blocks.finalize(conn, before, block(13))
    assert (await current(conn)).finalized_number == 12


@pytest.mark.parametrize("verified", ["none", "bloom"])
async def test_neither_a_block_that_nothing_proves_nor_one_above_it_is_final(
    conn: Connection, verified: blocks.Verified
) -> None:
    reads = [blocks.Read(block(14), verified, Hash(b"d" * 32)), blocks.Read(block(15), "absent")]
    await blocks.record(conn, CHAIN, reads)
    await blocks.move_cursor(conn, await current(conn), block(15))

    assert [(b.ref, b.digest) for b in await blocks.unproven(conn, CHAIN, 5)] == [(block(14), b"d" * 32)]
    for final in (block(14), block(15)):
        with pytest.raises(CursorMoved):
            await blocks.finalize(conn, await current(conn), final)

    await blocks.prove(conn, CHAIN, [block(14).hash], "receipts")
    assert await blocks.unproven(conn, CHAIN, 5) == []
    await blocks.finalize(conn, await current(conn), block(15))


async def test_the_database_refuses_finality_going_back(conn: Connection) -> None:
    await blocks.finalize(conn, await current(conn), block(12))

    with pytest.raises(psycopg.errors.CheckViolation, match="may not fall"):
        await blocks.finalize(conn, await current(conn), block(11))


async def test_the_database_refuses_another_block_at_the_final_height(conn: Connection) -> None:
    await blocks.finalize(conn, await current(conn), block(12))

    with pytest.raises(psycopg.errors.CheckViolation, match="may not become another"):
        await conn.execute("UPDATE cursors SET finalized_hash = %s", [block(12, fork=1).hash])


async def test_an_orphaned_block_is_kept_and_may_come_back(conn: Connection) -> None:
    assert await blocks.orphan_above(conn, CHAIN, 11) == 2
    assert [b.ref.number for b in await blocks.canonical_between(conn, CHAIN, 0, 99)] == [10, 11]
    await blocks.record(conn, CHAIN, [blocks.Read(block(12, fork=1), "bloom")])
    assert await blocks.canonical_at(conn, CHAIN, 12) == block(12, fork=1)

    await blocks.orphan_above(conn, CHAIN, 11)
    await blocks.record(conn, CHAIN, [blocks.Read(block(12), "bloom")])
    assert await blocks.canonical_at(conn, CHAIN, 12) == block(12)


async def test_two_blocks_of_one_height_are_never_both_canonical(conn: Connection) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        await blocks.record(conn, CHAIN, [blocks.Read(block(12, fork=1), "bloom")])
