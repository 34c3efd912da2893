"""What rows name exists, also where many are looked up at once; and it stays."""

import psycopg
import pytest

from bascule.storage import ledger
from bascule.storage.database import Database
from tests.support.books import FORWARDER, Books, in_transaction, posted
from tests.support.cases import case

CUSTODY = "(SELECT id FROM ledger.account WHERE code = 'custody:forwarders')"
AVAILABLE = "(SELECT id FROM ledger.account WHERE code LIKE 'available:%%')"
TOLD = (
    "INSERT INTO outbox (event_id, account_id, livemode, type, object_id, object_version, object)"
    " VALUES ('evt_1', 'acct_merchant', false, 't', 'o', 1, '{}'), ('evt_2', %s, false, 't', 'o', 1, '{}')"
)

ANOTHER = "INSERT INTO {table} SELECT (jsonb_populate_record(t, '{{{other}}}')).* FROM {table} AS t"
NO_BLOCK = r"\\x" + "99" * 32  # as JSON
PLACES = ("blocks", "transfers")
NAMED = ("tokens", "deposits", "payment_intents")


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    return books


@pytest.mark.parametrize("table", ["entry", "entry_0"])
async def test_entries_of_no_transaction_are_refused(db: Database, books: Books, table: str) -> None:
    await books_with_a_deposit(db, books)

    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="no ledger transaction 999"):
        await books.run(
            f"INSERT INTO ledger.{table} (tx_id, seq, account_id, token_id, layer, amount)"
            f" VALUES (999, 1, {CUSTODY}, 'tok_usd', 0, 5), (999, 2, {AVAILABLE}, 'tok_usd', 0, -5)"
        )


@pytest.mark.parametrize("table", ["entry", "entry_0"])
@pytest.mark.parametrize("stranger", ["999, 'tok_usd'", f"{CUSTODY}, 'tok_fake'"])
async def test_entries_of_no_account_or_of_another_token_are_refused(
    db: Database, books: Books, table: str, stranger: str
) -> None:
    await books_with_a_deposit(db, books)
    before = await posted(db)

    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="no ledger account"):
        await books.run(
            "WITH t AS (INSERT INTO ledger.tx (source, source_id, digest, kind, effective_at)"
            " VALUES ('s', 's', decode(repeat('00', 32), 'hex'), 'gas', now()) RETURNING id)"
            f" INSERT INTO ledger.{table} (tx_id, seq, account_id, token_id, layer, amount)"
            f" SELECT id, seq, account_id, token_id, 0, amount FROM t, (VALUES (1, {stranger}, 5),"
            f" (2, {stranger}, -5)) AS v (seq, account_id, token_id, amount)"
        )
    assert await posted(db) == before


async def test_nobody_is_told_who_has_no_account(books: Books) -> None:
    await books.run(TOLD.replace("evt_", "evt_a"), "acct_operator")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="no account acct_nobody"):
        await books.run(TOLD, "acct_nobody")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="to whom, is for ever"):
        await books.run("UPDATE outbox SET account_id = 'acct_nobody'")


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM accounts", "UPDATE accounts SET id = 'acct_other'", "TRUNCATE accounts CASCADE"],
)
async def test_accounts_are_for_ever_even_for_the_owner(books: Books, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for ever"):
        await books.run(statement)
    await books.run("UPDATE accounts SET name = 'another name'")


STRAYS = [
    (
        ANOTHER.format(table="deposits", other='"id": "dep_2", "occurrence": 9, "token_id": "tok_0"'),
        "token tok_0",
    ),
    (
        ANOTHER.format(table="deposits", other='"id": "dep_2", "occurrence": 9, "account_id": "acct_0"'),
        "acct_0",
    ),
    (ANOTHER.format(table="applications", other='"deposit_id": "dep_0"'), "no deposit dep_0"),
    (
        ANOTHER.format(table="deposits", other='"id": "dep_2", "occurrence": 9, "log_index": 99'),
        "no transfer where deposit dep_2 is",
    ),
    (
        ANOTHER.format(table="transfers", other=f'"block_hash": "{NO_BLOCK}"'),
        "no block 9999",
    ),
    (ANOTHER.format(table="ledger.booked", other='"log_index": 99'), "/99, or no ledger"),
    (
        "WITH t AS (INSERT INTO transfers SELECT (jsonb_populate_record(t, '{\"log_index\": 98}')).*"
        " FROM transfers AS t RETURNING *) INSERT INTO ledger.booked"
        " SELECT chain_id, block_hash, log_index, 999 FROM t",
        "no ledger transaction 999",
    ),
    ("UPDATE deposits SET log_index = 99", "no transfer where deposit"),
    ("UPDATE deposits SET token_id = 'tok_0'", "token tok_0"),
    ("UPDATE applications SET intent_id = 'pi_0'", "payment intent pi_0"),
]


async def test_rows_that_name_what_is_not_there_are_refused(db: Database, books: Books) -> None:
    await books_with_a_deposit(db, books)

    for statement, named in STRAYS:
        with case(statement), pytest.raises(psycopg.errors.ForeignKeyViolation, match=named):
            await books.run(statement)


FOR_EVER = [
    *(f"DELETE FROM {table}" for table in NAMED),
    *(f"UPDATE {table} SET id = 'another'" for table in NAMED),
    *(f"TRUNCATE {table} CASCADE" for table in NAMED),
    *(words.format(table) for words in ("DELETE FROM {}", "TRUNCATE {} CASCADE") for table in PLACES),
    "UPDATE blocks SET hash = hash",
    "UPDATE transfers SET block_hash = block_hash",
    "UPDATE deposits SET account_id = 'acct_operator'",
    "UPDATE applications SET deposit_id = 'dep_0'",
]


async def test_what_rows_name_is_for_ever(db: Database, books: Books) -> None:
    await books_with_a_deposit(db, books)

    for statement in FOR_EVER:
        with case(statement), pytest.raises(psycopg.errors.InsufficientPrivilege, match="for ever"):
            await books.run(statement)


async def books_with_a_deposit(db: Database, books: Books) -> None:
    await in_transaction(db, ledger.post_deposit, await books.deposit("payment", FORWARDER, 50, applied=50))
