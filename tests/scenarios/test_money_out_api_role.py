"""The API's database login in an attacker's hands: every right it has is used, and no payment leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql

from bascule.domain.errors import BasculeError
from bascule.services.submitter import Submitter
from bascule.storage import ledger, payouts
from tests.scenarios.test_mandates import propose, sign
from tests.scenarios.test_money_out_attacks import force_pending
from tests.support.money_out import OpenAs, Treasury, approver, payee, sign_typed, treasury

pytestmark = pytest.mark.slow

# Whatever the type of a column, something an attacker would like to stand there.
THIEF = bytes.fromhex(payee(66)[2:])
LIKED: dict[str, tuple[Any, ...]] = {
    "text": ("pending", "active", "processing", "requires_action", "paid"),
    "bytea": (THIEF, bytes(32), b"\x01" * 64 + b"\x1b"),
    "smallint": (0, 1, 999),
    "integer": (0, 1, 999),
    "bigint": (0, 1, 999),
    "numeric": (0, 1, 10**9),
    "boolean": (True, False),
    "timestamp with time zone": ("2020-01-01", "2999-01-01", "infinity", "-infinity", "30000-01-01"),
    "jsonb": ("{}", "[]"),
    "json": ("{}", "[]"),
    "ARRAY": ("{}",),
}
# What would make a copy of a row a row that exists.
UNIQUE = ("id", "identity", "client_reference_id", "event_id", "key", "lookup")
RIGHTS = """
SELECT c.table_schema, c.table_name, c.column_name, c.data_type,
       has_column_privilege('bascule_api', format('%%I.%%I', c.table_schema, c.table_name)::regclass,
                            c.column_name, %s)
  FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
 WHERE c.table_schema IN ('public', 'ledger', 'signer') AND t.table_type = 'BASE TABLE'
 ORDER BY 1, 2, c.ordinal_position
"""
FUNCTIONS = """
SELECT n.nspname, p.proname, p.pronargs
  FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE n.nspname IN ('public', 'ledger', 'signer') AND p.prorettype <> 'trigger'::regtype
   AND has_function_privilege('bascule_api', p.oid, 'EXECUTE')
 ORDER BY 1, 2
"""


class Column(NamedTuple):
    """One column that the role may write."""

    schema: str
    table: str
    name: str
    type: str

    @property
    def place(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.table)


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def writable(stage: Treasury, right: str) -> list[Column]:
    """Every column the role may INSERT or UPDATE."""
    return [Column(*row[:4]) for row in await stage.rows(RIGHTS, right) if row[4]]


async def tried(stage: Treasury, statement: sql.Composed, values: tuple[Any, ...] = ()) -> bool:
    """Runs and commits what the attacker sends; False when the database refuses it."""
    try:
        async with stage.api.transaction() as conn:
            await conn.execute(statement, values)
    except psycopg.Error:
        return False
    return True


async def victim(stage: Treasury, template: str, number: int) -> None:
    """A payout to the thief, made, called approved and held by the API's own login, signed by nobody."""
    columns = [c.name for c in await writable(stage, "INSERT") if c.table == "payouts"]
    given = {
        "id": f"po_{number:026d}",
        "identity": f"stolen {number}",
        "destination": THIEF,
        "state": "requires_action",
        "client_reference_id": None,
    }
    copied = sql.SQL(", ").join(sql.Literal(given[c]) if c in given else sql.Identifier(c) for c in columns)
    await tried(
        stage,
        sql.SQL("INSERT INTO payouts ({}) SELECT {} FROM payouts WHERE id = {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), copied, sql.Literal(template)
        ),
    )
    try:
        async with stage.api.transaction() as conn:
            row = await payouts.lock(conn, f"po_{number:026d}")
            if row is not None:
                await payouts.advance_to_pending(conn, row)
                await ledger.post_hold(conn, row.id)
    except (psycopg.Error, BasculeError):
        return


async def worked(submitter: Submitter) -> None:
    """The lane goes on: nothing that the API's login wrote stops it."""
    for _ in range(3):
        await submitter.run_once()


async def test_whatever_the_api_role_may_write_no_payment_leaves(stage: Treasury) -> None:
    """Rights are read from the database, so that a new one is attacked from its first day on."""
    honest = await stage.approved("7.00", payee(1))
    await stage.run()
    paid = await stage.transfers_out()
    assert await stage.status(honest) == "paid"
    unsigned = await stage.request("100.00", payee(66))
    await stage.approve(await stage.request("9.00", payee(2)), 1)
    await sign(stage, await propose(stage, to=payee(66)), 1)
    typed = unsigned["next_action"]["typed_data"]
    forged = {n: bytes.fromhex(sign_typed(approver(n + 10), typed)[2:]) for n in (1, 2)}
    await force_pending(stage, unsigned, forged)
    submitter = await stage.submitter()
    await worked(submitter)
    fresh, done = count(1), 0

    stage.tells = False  # from here on the attacker writes events, too
    updates, inserts = await writable(stage, "UPDATE"), await writable(stage, "INSERT")
    assert not {c.schema for c in updates + inserts} - {"public"}
    for column in updates:
        for value in LIKED[column.type]:
            await victim(stage, unsigned["id"], next(fresh))
            statement = sql.SQL("UPDATE {} SET {} = %s").format(column.place, sql.Identifier(column.name))
            done += await tried(stage, statement, (value,))
        await worked(submitter)
    for table in sorted({(c.schema, c.table) for c in inserts}):
        columns = [c for c in inserts if (c.schema, c.table) == table]
        await victim(stage, unsigned["id"], next(fresh))
        for column in columns:
            for value in LIKED[column.type]:
                own = f"x_{next(fresh)}"
                made = dict.fromkeys(UNIQUE, own) | {"state": "requires_action", column.name: value}
                picked = sql.SQL(", ").join(
                    sql.Placeholder() if c.name in made else sql.Identifier(c.name) for c in columns
                )
                statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} LIMIT 1").format(
                    column.place,
                    sql.SQL(", ").join(sql.Identifier(c.name) for c in columns),
                    picked,
                    column.place,
                )
                values = tuple(made[c.name] for c in columns if c.name in made)
                done += await tried(stage, statement, values)
        await worked(submitter)
    for schema, name, arguments in await stage.rows(FUNCTIONS):
        for payout_id, *_ in await stage.rows("SELECT id FROM payouts ORDER BY id LIMIT 5"):
            call = sql.SQL("SELECT {}({})").format(
                sql.Identifier(schema, name), sql.SQL(", ").join(sql.Placeholder() * arguments)
            )
            done += await tried(stage, call, (payout_id,) * arguments)
    await worked(submitter)
    await stage.follow(3)

    assert done > 100, "the attacker could do much"
    assert await stage.rows("SELECT count(*) > 0 FROM signer_alarms") == [(True,)]
    assert await stage.transfers_out() == paid
    assert await stage.rows("SELECT count(*) FROM signer.items") == [(1,)]
    assert await stage.rows("SELECT count(*) FROM signer.signatures AS s JOIN signer.slots AS o USING (nonce)"
                            " WHERE o.kind = 'pay'") == [(1,)]  # fmt: skip
