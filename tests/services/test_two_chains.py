"""Two chains' watchers may find money for one intent in the same moment."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import LiteralString

import pytest

from bascule.domain.chain import ChainId
from bascule.services.arrivals import Arrivals
from bascule.services.seams import SystemEntropy
from tests.services.test_matcher import recorded_block
from tests.support.money_in import Bridge, OpenAs, bridge

OTHER = ChainId(7)
COPIED: tuple[LiteralString, ...] = (
    "INSERT INTO networks"
    ' SELECT (jsonb_populate_record(n, \'{"chain_id": 7, "name": "other"}\')).* FROM networks n',
    "INSERT INTO tokens"
    ' SELECT (jsonb_populate_record(t, \'{"chain_id": 7, "id": "tok_other"}\')).* FROM tokens t'
    " WHERE t.id = 'tok_usdt'",
    "INSERT INTO deposit_addresses"
    " SELECT (jsonb_populate_record(a, '{\"chain_id\": 7}')).* FROM deposit_addresses a",
    "INSERT INTO blocks SELECT (jsonb_populate_record(b, '{\"chain_id\": 7}')).* FROM blocks b",
    "INSERT INTO cursors SELECT (jsonb_populate_record(c, '{\"chain_id\": 7}')).* FROM cursors c",
    "INSERT INTO transfers SELECT (jsonb_populate_record(t, '{\"chain_id\": 7}')).* FROM transfers t",
    "UPDATE payment_intents SET accepted_tokens = accepted_tokens || '{tok_other}'",
)


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@pytest.mark.slow
async def test_two_chains_that_pay_one_intent_at_once_pay_it_once(b: Bridge, db_as: OpenAs) -> None:
    """Whoever comes second reads what the first one stored, once it has committed."""
    intents = [await b.intent("10.00") for _ in range(3)]
    await b.started()
    block = await recorded_block(b, [(intent, "10.00") for intent in intents])
    async with b.owner.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        for statement in COPIED:
            await conn.execute(statement)
    second = await db_as("watcher")

    def arrivals(chain: ChainId) -> Arrivals:
        return Arrivals(chain, b.clock, SystemEntropy(), b.outbox, Counter())

    async def behind() -> None:
        async with second.transaction() as conn:
            await arrivals(OTHER).take(conn, [block.hash])

    async with b.db.transaction() as conn:
        await arrivals(b.network.chain_id).take(conn, [block.hash])
        other = asyncio.create_task(behind())
        for _ in range(500):
            if await b.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("nobody waits")
    await other

    decided = await b.rows(
        "SELECT d.chain_id, p.state, p.reason FROM applications p JOIN deposits d ON d.id = p.deposit_id"
        " ORDER BY d.chain_id, d.id"
    )
    assert sorted(decided) == sorted(
        [(b.network.chain_id, "applied", None)] * 3 + [(OTHER, "unapplied", "already_paid")] * 3
    )
    assert [(await b.shown(intent))["amount_received"] for intent in intents] == ["10.000000"] * 3
