"""Each invariant names the first row that was tampered with by somebody whom no trigger stops."""

from collections.abc import Sequence
from contextlib import suppress
from typing import LiteralString

from bascule.storage import ledger
from bascule.storage.database import Database
from bascule.storage.invariants.check import Wrong
from bascule.storage.verification import CHECKS, verify, wrong_rows
from tests.support.books import (
    CHAIN,
    COLLECTOR,
    FINAL_BLOCK,
    FORWARDER,
    STRANGER,
    USD,
    VAULT,
    Books,
    in_transaction,
)

FUNDS = 100
BLOCK = "transfer 31337/" + "0a" * 32


async def installation(db: Database) -> Books:
    """Capital, a payment of which some goes back, its flush; a paid payout and a waiting one, approved."""
    books = Books(db)
    await books.set_up()
    for address in (VAULT, COLLECTOR):
        await in_transaction(db, ledger.post_opening, await books.opening(address, FUNDS, number=9))
    payment = await books.deposit("payment", FORWARDER, 50, applied=30)
    for deposit in (payment, await books.deposit("capital", VAULT, 5)):
        await in_transaction(db, ledger.post_deposit, deposit)
    await books.refund("re_1", 10)
    await books.settlement("stl_1", 5)
    flush = await books.transfer(FORWARDER, COLLECTOR, 50)
    async with db.transaction() as conn:
        await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, flush)
    for number in (1, 2):
        payout = await books.payout(20 * number)
        await books.run(
            "INSERT INTO payout_approvals (payout_id, approver, digest, signature)"
            " VALUES (%s, %s, sha256(''), decode(repeat('00', 65), 'hex'))",
            payout,
            STRANGER,
        )
        await in_transaction(db, ledger.post_hold, payout)
        if number == 1:
            await books.pay(payout, 20)
            await in_transaction(db, ledger.post_payout, payout)
    return books


def first_of(every: list[Wrong]) -> dict[str, str]:
    """Check by check, the first row that is named."""
    return {wrong.check.name: wrong.subject for wrong in reversed(every)}


class Undone(Exception):
    """Takes back what was tampered with."""


async def named_after(db: Database, statements: Sequence[LiteralString]) -> dict[str, str]:
    """What is named when a superuser with triggers off has done this, which is then undone."""
    named: dict[str, str] = {}
    with suppress(Undone):
        async with db.transaction() as conn:
            await conn.execute("SET LOCAL session_replication_role = 'replica'")
            for statement in statements:
                assert (await conn.execute(statement)).rowcount > 0, statement
            named = first_of(await wrong_rows(conn))
            raise Undone
    return named


async def test_sound_books_contradict_nothing(db: Database) -> None:
    await installation(db)

    assert await verify(db) == []


MORE: LiteralString = "UPDATE ledger.entry SET amount = amount + 1 WHERE (tx_id, seq) = (3, 1)"
LESS: LiteralString = "UPDATE ledger.entry SET amount = amount - 1 WHERE (tx_id, seq) = (3, 2)"
CANCEL: LiteralString = (
    "UPDATE ledger.balance AS b SET posted = s.posted FROM (SELECT account_id, sum(amount) AS posted"
    " FROM ledger.entry WHERE layer = 0 GROUP BY 1) AS s WHERE s.account_id = b.account_id"
)
REDIGESTED: LiteralString = "UPDATE ledger.tx SET digest = sha256('') WHERE id = 3"


TAMPERED: Sequence[tuple[list[LiteralString], dict[str, str]]] = [
    ([MORE], {"G1": "tok_usd", "G2": "transaction 3", "G3": "custody:forwarders of tok_usd",
              "G12": "transaction 3"}),
    ([MORE, LESS, CANCEL], {"G3": "custody:forwarders of tok_usd", "G12": "transaction 3"}),
    ([REDIGESTED], {"G12": "transaction 3"}),
    (["UPDATE ledger.tx SET block_number = 9 WHERE id = 3"], {"G12": "transaction 3"}),
    (["DELETE FROM ledger.entry WHERE tx_id = 4"],
     {"G2": "transaction 4", "G3": "custody:vault of tok_usd", "G12": "transaction 4"}),
    (["UPDATE ledger.entry SET account_id = account_id + 1000 WHERE (tx_id, seq) = (4, 2)"],
     {"G2": "entry 4/2", "G3": "available:acct_operator of tok_usd", "G12": "transaction 4"}),
    (["UPDATE ledger.entry SET token_id = 'tok_other' WHERE (tx_id, seq) = (4, 2)"],
     {"G1": "tok_other", "G2": "entry 4/2", "G12": "transaction 4"}),
    (["DELETE FROM ledger.tx WHERE id = 4"],
     {"G2": "entry 4/1", "G3": "custody:vault of tok_usd", "G5": f"{BLOCK}/4", "G12": "transaction 4"}),
    (["UPDATE ledger.balance SET posted = posted - 1 WHERE kind = 'asset' AND posted = 150"],
     {"G3": "custody:collector of tok_usd"}),
    (["UPDATE transfers SET canonical = false WHERE log_index = 3"],
     {"G5": f"{BLOCK}/3"}),
    (["DELETE FROM ledger.booked WHERE log_index = 5"],
     {"G5": "transaction 5", "G12": "transaction 5"}),
    (["DELETE FROM transfers WHERE log_index = 3"], {"G5": f"{BLOCK}/3"}),
    (["UPDATE transfers SET amount = amount + 1 WHERE log_index = 3"], {"G5": "dep_3"}),
    (["UPDATE deposits SET block_number = 9 WHERE kind = 'payment'"], {"G5": "dep_3"}),
    (["UPDATE ledger.tx SET effective_at = effective_at - interval '1 s' WHERE id = 3"],
     {"G3": "custody:forwarders of tok_usd", "G12": "transaction 3"}),
    (["UPDATE ledger.tally SET posted = posted + 1 WHERE account_id = 3 AND hourly"],
     {"G3": "custody:collector of tok_usd"}),
    (["UPDATE payouts SET amount = 21 WHERE amount = 20"], {"G6": "po_6", "G12": "transaction 6"}),
    (["UPDATE payouts SET state = 'pending', paid_at = NULL WHERE amount = 20"], {"G6": "po_6"}),
    (["DELETE FROM payout_approvals"], {"G7": "po_6"}),
    (["UPDATE applications SET amount_applied = 31"], {"G12": "transaction 3"}),
    (["UPDATE refunds SET amount = 51"], {"G13": "pi_1"}),
    (["UPDATE refunds SET excess = 21, amount = 21"], {"G13": "pi_1"}),
    (["UPDATE refunds SET state = 'succeeded', ended_at = now()"], {"G13": "pi_1"}),
    (["UPDATE payment_intents SET refunded = 1"], {"G13": "pi_1"}),
    (["UPDATE settlements SET period = 2"], {"G16": "stl_1"}),
    (["UPDATE settlements SET state = 'completed', ended_at = now()"], {"G16": "stl_1"}),
    (["UPDATE settlements SET destination = s.destination, payout_id = s.id FROM payouts s"
      " WHERE s.amount = 20"], {"G16": "stl_1"}),
    (["UPDATE payouts SET requested_by = 'process:worker' WHERE amount = 40"], {"G16": "po_8"}),
    (["UPDATE accounts SET kind = 'merchant' WHERE kind = 'operator'"], {"G12": "transaction 1"}),
    (["UPDATE deposits SET state = 'detected', finalized_at = NULL WHERE kind = 'capital'"],
     {"G10": "dep_4"}),
    (["UPDATE deadlines SET due_at = NULL"], {"G10": "pi_1"}),
    (["UPDATE deadlines SET due_at = due_at + interval '1 s'"], {"G10": "pi_1"}),
    (["UPDATE payment_intents SET state = 'processing', finality = 'safe'"], {"G10": "pi_1"}),
    (["DELETE FROM applications"], {"G10": "dep_3", "G12": "transaction 3", "G13": "pi_1"}),
    (["UPDATE deposit_addresses SET account_id = 'acct_operator'"], {"G11": "dep_3"}),
]  # fmt: skip


async def test_each_row_that_was_tampered_with_is_named(db: Database) -> None:
    await installation(db)

    found = {"; ".join(statements): await named_after(db, statements) for statements, _ in TAMPERED}
    assert found == {"; ".join(statements): named for statements, named in TAMPERED}


async def test_money_that_left_without_a_payout_is_named(db: Database) -> None:
    books = await installation(db)
    index = await books.transfer(VAULT, STRANGER, 7)

    [wrong] = await verify(db)
    assert (wrong.check.name, wrong.subject) == ("G7", f"{BLOCK}/{index}")
    assert wrong.found == "7 of tok_usd left us, and no payout asked for it"


async def test_outflow_that_nobody_was_told_of_is_named(db: Database) -> None:
    books = await installation(db)
    index = await books.transfer(VAULT, STRANGER, 7)
    async with db.transaction() as conn:
        await ledger.post_outflow(conn, CHAIN, FINAL_BLOCK, index)

    wrong = await verify(db)
    assert {each.check.name for each in wrong} == {"G7", "G12"}
    assert wrong[0].found == "books what went to no source of capital, and no break says so"

    await books.run(
        "INSERT INTO breaks (id, type, subject, state, evidence, opened_at)"
        " VALUES ('brk_1', 'unexplained_outflow', %s, 'open', '{}', now())",
        f"{USD}/{BLOCK.removeprefix('transfer ')}/{index}",
    )
    assert await verify(db) == []


async def test_money_that_came_and_is_not_booked_is_named(db: Database) -> None:
    books = await installation(db)
    index = await books.transfer(STRANGER, FORWARDER, 7)

    [wrong] = await verify(db)
    assert (wrong.check.name, wrong.subject) == ("G5", f"{BLOCK}/{index}")
    assert wrong.found == "7 of tok_usd came to us, final, and is not booked"


async def test_residual_that_nobody_was_told_of_is_named(db: Database) -> None:
    books = await installation(db)
    await books.run(
        "INSERT INTO reconciliations (id, chain_id, token_id, block_number, block_hash, on_chain, journal,"
        " unbooked, residual) VALUES ('rec_1', 31337, 'tok_usd', 10, sha256(''), 1, 2, 0, -1)"
    )
    [wrong] = await verify(db)
    assert str(wrong) == "G4 custody is what the chain holds: tok_usd at block 10 residual -1"

    await books.run("INSERT INTO breaks (id, type, subject, evidence) VALUES ('brk_1', 'x', 'tok_usd', '{}')")
    assert await verify(db) == []


async def test_event_without_its_number_or_its_delivery_is_named(db: Database) -> None:
    books = await installation(db)
    await books.run(
        "INSERT INTO webhook_endpoints (id, account_id, livemode, url, secret, created_at)"
        " VALUES ('we_1', 'acct_merchant', false, 'http://a.b', 's', now() - interval '1 hour')"
    )
    await books.run(
        "INSERT INTO events (id, account_id, account_sequence, livemode, type, object_id, body, created_at)"
        " VALUES ('evt_1', 'acct_merchant', 2, false, 'deposit.finalized', 'dep_1', '', now())"
    )

    said = {(wrong.subject, wrong.found) for wrong in await verify(db)}
    assert said == {
        ("acct_merchant", "1 events numbered 2 to 2,  counted"),
        ("evt_1", "was never scheduled for we_1"),
    }


async def test_checks_are_named_once(db: Database) -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
