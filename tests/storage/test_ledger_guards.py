"""What the books refuse even to their owner, who could write any row."""

import psycopg
import pytest

from bascule.storage import ledger
from bascule.storage.database import Database
from tests.support.books import (
    CHAIN,
    COLLECTOR,
    FINAL_BLOCK,
    OPERATOR,
    VAULT,
    Books,
    fund,
    in_transaction,
    posted,
)
from tests.support.cases import case


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    return books


NEW_TX = (
    "INSERT INTO ledger.tx (source, source_id, digest, kind, effective_at)"
    " VALUES ('x', 'x', decode(repeat('00', 32), 'hex'), 'hold', now())"
)
ENTRY = (
    "INSERT INTO ledger.{table} (tx_id, seq, account_id, token_id, layer, amount) SELECT t.id, u.seq, a.id,"
    " 'tok_usd', u.layer, u.amount FROM (SELECT max(id) AS id FROM ledger.tx) AS t,"
    " (VALUES {values}) AS u (seq, code, layer, amount)"
    " JOIN ledger.account AS a ON a.code = u.code AND a.token_id = 'tok_usd'"
)
BOOKED = (
    f"WITH t AS ({NEW_TX} RETURNING id) {ENTRY.replace('(SELECT max(id) AS id FROM ledger.tx) AS t', 't')}"
)
V, A = "custody:vault", f"available:{OPERATOR}"


BROKEN = [
    (f"(1, '{V}', 0, 5)", "does not balance"),
    (f"(1, '{V}', 0, 5), (2, '{A}', 0, -4)", "does not balance"),
    (f"(1, '{V}', 0, 5), (2, '{A}', 1, -5)", "does not balance"),
    (f"(1, '{V}', 0, -101), (2, '{A}', 0, 101)", "has not enough"),
    (f"(1, '{V}', 2, -5), (2, '{A}', 2, 5)", "freed_at_most_what_was_held"),
    (f"(1, '{V}', 1, 5), (2, '{A}', 1, -5)", "released_at_most_what_was_held"),
]


@pytest.mark.parametrize("table", ["entry", "entry_0"])
async def test_entries_that_break_a_rule_are_refused_even_for_the_owner(
    db: Database, books: Books, table: str
) -> None:
    await fund(books)

    async def write(values: str) -> None:
        async with db.transaction() as conn:
            await conn.execute(BOOKED.format(table=table, values=values).encode())

    before = await posted(db)
    for values, complaint in BROKEN:
        with case(values):
            with pytest.raises(psycopg.errors.CheckViolation, match=complaint):
                await write(values)
            assert await posted(db) == before


async def test_what_left_the_vault_on_chain_is_booked_though_payouts_wait_for_it(
    db: Database, books: Books
) -> None:
    """The owner moved money out of the vault: a fact, not a request. What is held for payouts stays held."""
    await fund(books)
    first = await books.payout(80)
    await in_transaction(db, ledger.post_hold, first)
    index = await books.transfer(VAULT, COLLECTOR, 50)

    async with db.transaction() as conn:
        await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, index)

    assert (await posted(db))["custody:vault"] == 50
    second = await books.payout(20)
    await in_transaction(db, ledger.post_hold, second)
    await books.move(first, "canceled")
    await in_transaction(db, ledger.post_release, first)


@pytest.mark.parametrize("table", ["entry", "entry_0"])
async def test_balanced_entries_cannot_join_an_older_transaction(
    db: Database, books: Books, table: str
) -> None:
    await fund(books)

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is sealed"):
        await books.run(ENTRY.format(table=table, values=f"(3, '{V}', 0, 5), (4, '{A}', 0, -5)"))


async def test_transaction_without_entries_is_refused_at_once(db: Database, books: Books) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="has no entries"):
        await books.run(NEW_TX)


COLUMNS = {
    "account": "code = code",
    "tx": "kind = kind",
    "entry": "amount = amount",
    "entry_0": "amount = amount",
    "booked": "tx_id = tx_id",
    "balance": "posted = 1",
}


async def test_books_cannot_be_changed_or_emptied_even_by_the_owner(db: Database, books: Books) -> None:
    await in_transaction(db, ledger.post_deposit, await books.deposit("capital", VAULT, 5))

    for table, change in COLUMNS.items():
        for statement in (
            f"DELETE FROM ledger.{table}",
            f"TRUNCATE ledger.{table} CASCADE",
            f"UPDATE ledger.{table} SET {change}",
        ):
            with case(statement):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not allowed"):
                    await books.run(statement)
                assert await posted(db) == {"custody:vault": 5, f"available:{OPERATOR}": -5}


async def test_balance_cannot_be_inserted_by_hand(db: Database, books: Books) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="balances follow entries"):
        await books.run(
            "INSERT INTO ledger.balance (account_id, kind, no_overdraft) VALUES (1, 'asset', true)"
        )


async def test_verification_finds_what_replica_mode_let_through(db: Database, books: Books) -> None:
    await fund(books)
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        await conn.execute("UPDATE ledger.balance SET posted = posted + 1 WHERE kind = 'asset'")
        await conn.execute(NEW_TX.encode())
        await conn.execute(ENTRY.format(table="entry", values=f"(1, '{V}', 0, 5)").encode())
    held = await books.payout(60)

    async with db.read() as conn:
        found = {violation.rule for violation in await ledger.verify(conn)}
    assert held
    assert found == {
        "transaction balances",
        "balance is the sum of its entries",
        "payout holds money exactly while it may pay",
        "the books sum to zero",
    }


async def test_what_a_payout_pays_never_changes(db: Database, books: Books) -> None:
    payout = await books.payout(60)

    for change in ("amount = 1", "destination = vault", "account_id = 'acct_merchant'", "identity = 'x'"):
        with case(change), pytest.raises(psycopg.errors.InsufficientPrivilege, match="is for ever"):
            await books.run(f"UPDATE payouts SET {change} WHERE id = %s", payout)


async def test_append_only_tables_cannot_be_emptied(db: Database) -> None:
    for table in ("payout_approvals", "audit_log", "delivery_attempts", "events", "openings"):
        with case(table), pytest.raises(psycopg.errors.InsufficientPrivilege, match="not allowed"):
            async with db.read() as conn:
                await conn.execute(f"TRUNCATE {table} CASCADE".encode())
