"""Each search of contradictions finds what its type says, and nothing in a sound installation."""

from collections.abc import Sequence
from contextlib import suppress
from typing import LiteralString

from bascule.domain.breaks import TYPES
from bascule.storage import contradictions
from bascule.storage.contradictions import SEARCHES
from bascule.storage.database import Connection, Database
from tests.storage.test_verification import BLOCK, Undone, installation
from tests.support.books import FORWARDER, STRANGER

OVER = ("amount_over", "dep_3")  # of the installation's payment 30 of 50 are applied
TRANSFER = BLOCK.removeprefix("transfer ")
COUNTED: LiteralString = (
    "UPDATE payment_intents SET received = 50 * 10::numeric ^ 12, confirmed = 50 * 10::numeric ^ 12"
)
ON_ITS_WAY: LiteralString = "UPDATE payouts SET state = 'in_transit', vault_id = 1 WHERE amount = 40"
IN_A_SLOT: LiteralString = (
    "INSERT INTO slot_items (chain_id, wallet, nonce, position, payout_id)"
    " SELECT 31337, decode(repeat('03', 20), 'hex'), 0, 0, id FROM payouts WHERE amount = 40"
)
LONG_AGO: LiteralString = "UPDATE slots SET created_at = now() - interval '2 hours'"
MINED: LiteralString = (
    "INSERT INTO attempts (tx_hash, chain_id, wallet, nonce, raw, max_fee_per_gas, max_priority_fee_per_gas,"
    " gas, state, block_hash, block_number) SELECT sha256('a'), 31337, decode(repeat('03', 20), 'hex'), 0,"
    " '', 2, 1, 21000, 'mined', decode(repeat('0a', 32), 'hex'), 10"
)
LATER: LiteralString = "UPDATE cursors SET head_time = now() + interval '1 hour'"
LISTENS: LiteralString = (
    "INSERT INTO webhook_endpoints (id, account_id, livemode, url, secret, created_at)"
    " VALUES ('we_1', 'acct_merchant', false, 'http://a.b', 's', now() - interval '1 hour')"
)
TOLD: LiteralString = (
    "INSERT INTO events (id, account_id, account_sequence, livemode, type, object_id, body, created_at)"
    " VALUES ('evt_1', 'acct_merchant', 1, false, 'deposit.finalized', 'dep_1', '', now())"
)
UNAPPLIED: LiteralString = (
    "UPDATE applications SET state = 'unapplied', amount_applied = 0, reason = 'intent_closed'"
)

TAMPERED: Sequence[tuple[list[LiteralString], tuple[str, str]]] = [
    (["DELETE FROM transfers WHERE log_index = 3"], ("unknown_transfer_booked", f"{TRANSFER}/3")),
    (["UPDATE transfers SET canonical = false WHERE log_index = 3"], ("orphaned_credit", f"{TRANSFER}/3")),
    (["UPDATE payouts SET amount = 21 WHERE amount = 20"], ("payout_amount_mismatch", "po_6")),
    (["UPDATE payouts SET amount = 41 WHERE amount = 40"], ("holds_differ", "tok_usd")),
    (["UPDATE payment_intents SET confirmed = 7"], ("intent_drift", "pi_1")),
    (["UPDATE payment_intents SET state = 'canceled', canceled_at = now()"], ("amount_under", "pi_1")),
    ([ON_ITS_WAY, IN_A_SLOT, LONG_AGO], ("payout_not_mined", "po_8")),
    ([ON_ITS_WAY, IN_A_SLOT, MINED, LATER], ("payout_mined_not_posted", "po_8")),
    ([LISTENS, TOLD], ("webhook_gap", "evt_1/we_1")),
    ([UNAPPLIED], ("late_payment", "dep_3")),
    ([UNAPPLIED, "UPDATE applications SET reason = 'dust'"], ("unapplied_deposit", "dep_3")),
]


async def everything(conn: Connection) -> set[tuple[str, str]]:
    found = [each for search in SEARCHES for each in await contradictions.find(conn, search)]
    return {(each.type, each.subject) for each in found}


async def test_each_contradiction_is_found_under_its_type(db: Database) -> None:
    books = await installation(db)
    await books.run(COUNTED)
    async with db.read() as conn:
        assert await everything(conn) == {OVER}

    for statements, expected in TAMPERED:
        with suppress(Undone):
            async with db.transaction() as conn:
                await conn.execute("SET LOCAL session_replication_role = 'replica'")
                for statement in statements:
                    assert (await conn.execute(statement)).rowcount > 0, statement
                assert expected in await everything(conn), statements
                raise Undone
    places = [await books.transfer(*way, 7) for way in ((STRANGER, FORWARDER), (FORWARDER, STRANGER))]
    async with db.read() as conn:
        assert await everything(conn) == {
            OVER,
            *(("unbooked_transfer", f"{TRANSFER}/{index}") for index in places),
        }


def test_each_search_opens_types_that_there_are() -> None:
    assert {name for types in SEARCHES.values() for name in types} <= set(TYPES)
