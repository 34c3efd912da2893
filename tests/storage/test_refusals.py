"""What the database itself refuses, by whom it was tried: the list of docs/design/0003-books.md.

Here stand those that no other file of this folder shows.
"""

from collections.abc import Awaitable, Callable
from typing import LiteralString

import psycopg
import pytest

from bascule.domain.breaks import TYPES, may_explain
from bascule.storage import audit, ledger
from bascule.storage.database import Database
from bascule.storage.roles import ROLES
from tests.support.books import VAULT, Books, fund, in_transaction
from tests.support.cases import case

Open = Callable[[str], Awaitable[Database]]
FORBIDDEN = psycopg.errors.InsufficientPrivilege


@pytest.fixture
async def books(db: Database) -> Books:
    """A treasury with a held payout, a capital deposit, an attempt and a line of audit."""
    books = Books(db)
    await books.set_up()
    await fund(books)
    await in_transaction(db, ledger.post_hold, await books.payout(60))
    await in_transaction(db, ledger.post_deposit, await books.deposit("capital", VAULT, 5))
    await books.attempt(9)
    async with db.transaction() as conn:
        await audit.append(conn, actor="cli", action="a", object_id="o")
    return books


TRIED: list[tuple[str, LiteralString]] = [
    # the API asks; what is signed, sent and approved for the signer is not its to write
    ("api", "INSERT INTO attempts (tx_hash) VALUES (sha256(''))"),
    ("api", "UPDATE attempts SET state = 'final'"),
    ("api", "INSERT INTO slots (nonce) VALUES (1)"),
    ("api", "INSERT INTO slot_items (nonce) VALUES (1)"),
    ("api", "UPDATE payout_approvals SET approver = approver"),
    ("api", "UPDATE deposits SET amount = 1"),
    # the watcher says what the chain said, once
    ("watcher", "UPDATE blocks SET block_time = now()"),
    ("watcher", "INSERT INTO payouts (id) VALUES ('po_x')"),
    ("watcher", "UPDATE payouts SET state = 'paid'"),
    ("watcher", "SELECT destination FROM payouts"),
    ("watcher", "SELECT approver FROM payout_approvals"),
    ("watcher", "SELECT leaves FROM payout_batches"),
    # the submitter moves payouts along, and asks for none
    ("submitter", "UPDATE payouts SET amount = 1"),
    ("submitter", "UPDATE payouts SET destination = vault"),
    ("submitter", "INSERT INTO payouts (id) VALUES ('po_x')"),
    ("submitter", "INSERT INTO payout_approvals (payout_id) VALUES ('po_x')"),
    ("submitter", "UPDATE deposits SET amount = 1"),
    # the worker tells and compares
    ("worker", "UPDATE payouts SET state = 'paid'"),
    ("worker", "UPDATE reconciliations SET residual = 0"),
    ("worker", "UPDATE events SET body = ''"),
]


async def test_process_cannot_do_what_is_anothers(db_as: Open, books: Books) -> None:
    processes = {who: await db_as(who) for who in {who for who, _ in TRIED}}

    for who, statement in TRIED:
        async with processes[who].read() as conn:
            with pytest.raises(FORBIDDEN):
                await conn.execute(statement)


async def test_watcher_corrects_no_transfer_that_is_final(db_as: Open, books: Books) -> None:
    async with (await db_as("watcher")).read() as conn:
        with pytest.raises(psycopg.errors.CheckViolation, match="is final"):
            await conn.execute("UPDATE transfers SET amount = 1")


async def test_no_process_removes_what_happened(db_as: Open) -> None:
    for who in ROLES:
        async with (await db_as(who)).read() as conn:
            for table in ("audit_log", "payouts", "payout_approvals", "transfers", "events"):
                for words in ("DELETE FROM", "TRUNCATE"):
                    with pytest.raises(FORBIDDEN):
                        await conn.execute(f"{words} public.{table}".encode())


async def test_auditor_reads_the_books_writes_nothing_and_sees_no_secret(db_as: Open, books: Books) -> None:
    auditor = await db_as("auditor")
    async with auditor.read() as conn:
        found = await conn.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind IN ('r', 'p')"
            " AND c.relnamespace IN ('public'::regnamespace, 'ledger'::regnamespace)"
            " AND has_table_privilege(c.oid, 'SELECT')"
        )
        readable = await found.fetchall()
        for (table,) in readable:
            await conn.execute(f"SELECT FROM {table} LIMIT 1".encode())
        await conn.execute("SELECT id, state FROM payment_intents")
    assert {("ledger.tx",), ("audit_log",), ("payouts",), ("seals",)} <= set(readable)
    hidden = ["SELECT client_secret FROM payment_intents", "SELECT claim_hash FROM refunds"]
    hidden += [f"SELECT FROM {name}" for name in ("api_keys", "webhook_endpoints", "idempotency_keys")]
    written = [f"{words} {table}" for (table,) in readable for words in ("DELETE FROM", "TRUNCATE")]
    written += [f"INSERT INTO {table} DEFAULT VALUES" for (table,) in readable]
    for statement in (*hidden, *written, "SELECT FROM signer.wallets", "SELECT ledger.post_hold('x')"):
        with case(statement):
            async with auditor.read() as conn:
                with pytest.raises(FORBIDDEN):
                    await conn.execute(statement.encode())


async def test_audit_line_is_not_rewritten_even_by_the_owner(db: Database, books: Books) -> None:
    for statement in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"):
        with pytest.raises(FORBIDDEN, match="rows of this table are for ever"):
            await books.run(statement)


async def test_identity_of_a_payout_is_used_once(db: Database, books: Books) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_payout_per_identity"):
        await books.run(
            "INSERT INTO payouts (id, account_id, livemode, identity, token_id, chain_id, vault, destination,"
            " amount, state, approvals_required, approval_expires_at, roster_version, policy_decision,"
            " requested_by, created_at)"
            " SELECT 'po_other', account_id, livemode, identity, token_id, chain_id, vault, destination,"
            " 1, 'requires_action', 1, now(), 1, '{}', 'key_1', now() FROM payouts"
        )


async def test_api_ends_only_breaks_that_a_person_may_explain(db_as: Open, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.cursor().executemany(
            "INSERT INTO breaks (id, type, subject, evidence) VALUES (%s, %s, 'x', '{}')",
            [(f"brk_{name}", name) for name in TYPES],
        )
    ended = "UPDATE breaks SET state = 'resolved', resolved_at = now(), resolution = '{}' WHERE type = %s"

    api, worker = await db_as("api"), await db_as("worker")
    for name in TYPES:
        with case(name):
            if not may_explain(name):
                async with api.read() as conn:
                    with pytest.raises(FORBIDDEN, match="no explanation ends it"):
                        await conn.execute(ended, [name])
            async with (api if may_explain(name) else worker).transaction() as conn:
                assert (await conn.execute(ended, [name])).rowcount == 1
