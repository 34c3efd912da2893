"""The search opens what contradicts, and ends it by the posting that mends it."""

from typing import LiteralString

import pytest

from bascule.services.break_search import BreakSearch, Looked
from bascule.services.breaks import Breaks
from bascule.services.outbox import Outbox
from bascule.services.resolving import resolve
from bascule.services.sealer import Sealer
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.storage import breaks, contradictions, ledger
from bascule.storage.database import Database
from tests.storage.test_contradictions import COUNTED, IN_A_SLOT, LATER, MINED, ON_ITS_WAY
from tests.storage.test_verification import installation
from tests.support.books import CHAIN, COLLECTOR, FINAL_BLOCK, VAULT

FAILED: LiteralString = (
    "UPDATE payouts SET state = 'failed', failure_code = 'transfer_reverted' WHERE id = 'po_8'"
)


async def test_unbooked_transfer_is_a_break_until_the_posting_that_books_it_is_named(db: Database) -> None:
    books = await installation(db)
    await books.run(COUNTED)
    search = BreakSearch(db, Breaks(Outbox(SystemClock(), SystemEntropy())))
    assert await search.look("rec_1") == Looked(1, 0)  # what a payment brought too much
    index = await books.transfer(COLLECTOR, VAULT, 7)

    assert await search.look("rec_2") == Looked(1, 0)
    assert await search.look("rec_3") == Looked(0, 0)
    async with db.transaction() as conn:
        tx_id = await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, index)
    assert await search.look("rec_4") == Looked(0, 1)

    async with db.read() as conn:
        rows = await (
            await conn.execute("SELECT type, state, resolution FROM breaks ORDER BY opened_at")
        ).fetchall()
    resolution = {"by": "reconciliation", "run": "rec_4", "transaction": tx_id}
    assert rows == [("amount_over", "open", None), ("unbooked_transfer", "resolved", resolution)]


async def test_more_than_is_read_at_once_is_found_and_ended(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contradictions, "MOST", 2)
    books = await installation(db)
    search = BreakSearch(db, Breaks(Outbox(SystemClock(), SystemEntropy())))
    await search.look("rec_1")
    places = [await books.transfer(COLLECTOR, VAULT, 7) for _ in range(4)]

    assert await search.look("rec_2") == Looked(4, 0)
    async with db.transaction() as conn:
        for place in places[1:]:
            await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, place)
    assert await search.look("rec_3") == Looked(0, 3)


async def test_break_of_a_posting_stays_open_when_what_it_is_about_is_gone_unbooked(db: Database) -> None:
    books = await installation(db)
    search = BreakSearch(db, Breaks(Outbox(SystemClock(), SystemEntropy())))
    await books.transfer(COLLECTOR, VAULT, 7)
    await search.look("rec_1")
    await books.run("UPDATE transfers SET canonical = false WHERE amount = 7")

    assert (await search.look("rec_2")).ended == 0


async def test_what_a_person_has_explained_opens_no_more_as_long_as_it_stays_as_it_is(db: Database) -> None:
    books = await installation(db)
    await books.run(COUNTED)
    outbox = Outbox(SystemClock(), SystemEntropy())
    search = BreakSearch(db, Breaks(outbox))
    assert await search.look("rec_1") == Looked(1, 0)  # what a payment brought too much
    async with db.transaction() as conn:
        [broken] = await breaks.open_now(conn)
        await resolve(conn, outbox, broken.id, reason="the customer gave it", actor="cli")

    assert await search.look("rec_2") == Looked(0, 0)
    await books.run("UPDATE applications SET amount_applied = amount_applied - 1")
    assert await search.look("rec_3") == Looked(1, 0)


async def test_payout_that_failed_ends_the_break_that_it_was_not_booked(db: Database) -> None:
    """What was held for it is free again: that is the posting."""
    books = await installation(db)
    await books.run(COUNTED)
    search = BreakSearch(db, Breaks(Outbox(SystemClock(), SystemEntropy())))
    await search.look("rec_1")
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        for statement in (ON_ITS_WAY, IN_A_SLOT, MINED, LATER):
            await conn.execute(statement)
    assert await search.look("rec_2") == Looked(1, 0)
    async with db.transaction() as conn:
        await conn.execute(FAILED)
        tx_id = await ledger.post_release(conn, "po_8")

    assert await search.look("rec_3") == Looked(0, 1)
    async with db.read() as conn:
        rows = await conn.execute("SELECT resolution FROM breaks WHERE type = 'payout_mined_not_posted'")
        assert await rows.fetchall() == [({"by": "reconciliation", "run": "rec_3", "transaction": tx_id},)]


async def test_sealed_row_that_was_changed_is_a_break(db: Database) -> None:
    await installation(db)
    outbox = Outbox(SystemClock(), SystemEntropy())
    assert await Sealer(db, outbox.clock).run_once() > 0
    search = BreakSearch(db, Breaks(outbox))
    await search.look("rec_1")
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        await conn.execute("UPDATE ledger.entry SET amount = amount + 1 WHERE (tx_id, seq) = (3, 1)")

    assert (await search.look("rec_2")).opened == 1
    async with db.read() as conn:
        [row] = await (await conn.execute("SELECT evidence FROM breaks WHERE type = 'seal_break'")).fetchall()
    assert row == ({"seal": 1, "first_wrong_row": ["ledger", 3]},)
