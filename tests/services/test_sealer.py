"""What was sealed proves itself from an export alone; what a superuser changed is named."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
import pytest

from bascule.domain.errors import Retryable
from bascule.domain.seal import Checked, check, seal
from bascule.services.sealer import Sealer, export
from bascule.storage import audit, ledger, seals
from bascule.storage.database import Connection, Database
from bascule.storage.seals import Kept, Reach
from tests.support.books import VAULT, Books, fund, in_transaction

Open = Callable[[str], Awaitable[Database]]


class Noon:
    """The one moment of these tests."""

    def now(self) -> datetime:
        return datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
async def books(db: Database) -> Books:
    """Three postings, one of them for a payout, another payout that nothing is posted for, and two lines of
    audit.
    """
    books = Books(db)
    await books.set_up()
    await fund(books)
    await in_transaction(db, ledger.post_hold, await books.payout(60))
    await books.payout(9, state="requires_action", holds=0)
    await in_transaction(db, ledger.post_deposit, await books.deposit("capital", VAULT, 5))
    async with db.transaction() as conn:
        for action in ("one", "two"):
            await audit.append(conn, actor="cli", action=action, object_id="o", details={"n": 0.1, "ü": [1]})
    return books


async def proven(conn: Connection, head: str | None = None) -> Checked:
    """What an export says, as it comes back from a file."""
    return check(json.loads(json.dumps([line async for line in export(conn)])), head)


async def test_each_row_is_sealed_once_and_proves_itself(db_as: Open, books: Books) -> None:
    worker = await db_as("worker")
    sealer = Sealer(worker, Noon())
    assert [await sealer.run_once(), await sealer.run_once()] == [7, 0]
    await in_transaction(books.db, ledger.post_deposit, await books.deposit("capital", VAULT, 7))
    assert [await sealer.run_once(), await sealer.run_once()] == [1, 0]

    async with worker.read() as conn:
        found, newest = await proven(conn), await seals.newest(conn)

    assert (found.seals, found.rows, found.wrong) == (2, 8, None)
    assert newest is not None
    assert newest.seal.hash == found.head


TAMPERED: list[tuple[LiteralString, str]] = [
    ("UPDATE ledger.entry SET amount = 61 WHERE amount = 60", "ledger row 2 was changed"),
    ("UPDATE ledger.tx SET recorded_at = now() WHERE id = 1", "ledger row 1 was changed"),
    ("DELETE FROM ledger.tx WHERE id = 3", "ledger row 3 was removed"),
    ("UPDATE payouts SET destination = vault WHERE amount = 60", "ledger row 2 was changed"),
    ("UPDATE payouts SET destination = vault WHERE amount = 9", "payouts row 2 was changed"),
    ("DELETE FROM payouts WHERE amount = 9", "payouts row 2 was changed"),
    ("DELETE FROM payout_log WHERE id = 2", "payouts row 2 was removed"),
    ("DELETE FROM audit_log WHERE action = 'one'", "audit row 1 was removed"),
    ("UPDATE audit_log SET details = '{}' WHERE id = 2", "audit row 2 was changed"),
    (
        "INSERT INTO audit_log (id, actor, action, object_id) OVERRIDING SYSTEM VALUE"
        " VALUES (0, 'x', 'x', 'x')",
        "audit row 0 was added",
    ),
    ("UPDATE seals SET root = repeat('0', 64)", "seal 1 has another root than its rows"),
    (
        "DELETE FROM seals",
        "no seal has the head that was kept: history was written anew, or its end is missing",
    ),
]


class Undone(Exception):
    """Takes back what was tampered with."""


async def test_what_a_superuser_changed_is_named_from_the_export(db: Database, books: Books) -> None:
    await Sealer(db, Noon()).run_once()
    async with db.read() as conn:
        head = (await proven(conn)).head

    found = {}
    for statement, _ in TAMPERED:
        with suppress(Undone):
            async with db.transaction() as conn:
                await conn.execute("SET LOCAL session_replication_role = 'replica'")
                assert (await conn.execute(statement)).rowcount == 1, statement
                wrong = (await proven(conn, head)).wrong or ""
                found[statement] = wrong.removesuffix(" after seal 1 was made")
                raise Undone

    assert found == dict(TAMPERED)


async def settled(db: Database) -> int:
    async with db.transaction() as conn:
        return await seals.settled(conn, "audit")


async def test_sealer_passes_over_nobody_who_took_a_number_before(
    db: Database, db_as: Open, books: Books
) -> None:
    """A row that commits late has a lower number than one that is sealed; it must not be passed over."""
    worker = await db_as("worker")
    async with db.transaction() as conn:
        await audit.append(conn, actor="cli", action="late", object_id="o")
        with pytest.raises(Retryable, match="lock timeout"):
            await settled(worker)


async def test_seal_stays_as_it_is_even_for_the_owner(db: Database, books: Books) -> None:
    await Sealer(db, Noon()).run_once()

    for words in ("UPDATE seals SET root = root", "DELETE FROM seals", "TRUNCATE seals CASCADE"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for ever"):
            await books.run(words)


async def test_seals_have_one_history(db: Database, books: Books) -> None:
    """Of two sealers that saw the same newest seal one is faster, and the other makes none."""
    await Sealer(db, Noon()).run_once()
    async with db.transaction() as conn:
        first = await seals.newest(conn)
        assert first is not None
        assert await seals.insert(conn, first) is False

    other = seal(None, [("audit", 9, {})], "x")
    fork = Kept(replace(other, number=2, previous=other.hash), Reach(9, 9))
    with pytest.raises(psycopg.errors.CheckViolation, match="does not follow"):
        await in_transaction(db, seals.insert, fork)
