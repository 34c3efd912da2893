"""What is copied out of our database, in one snapshot of it: the command log, and the books to be judged."""

from __future__ import annotations

from typing import Final

from psycopg import sql

from bascule.storage.database import Connection, Database
from bascule.storage.queries import Queries
from bascule.storage.rebuild.chain_facts import Stretch, stretches
from bascule.storage.verification import one_moment

_Q = Queries("copies", package=__package__)

# What commands wrote, as it is: the posting functions read it in its place.
COMMANDS: Final = (
    "accounts", "networks", "tokens", "token_suspensions", "contract_events", "ended_listings",
    "own_addresses", "deposit_addresses", "treasury_sources", "openings", "payouts", "refunds", "attempts",
    "slots", "slot_items", "cursors", "recovered_payouts", "breaks", "screenings",
)  # fmt: skip
# What is replayed or judged, apart from what is made anew: temporary table by source.
SAID: Final = {
    "said_deposits": ("public", "deposits"),
    "said_applications": ("public", "applications"),
    "said_versions": ("public", "fee_versions"),
    "said_account": ("ledger", "account"),
    "said_tx": ("ledger", "tx"),
    "said_entry": ("ledger", "entry"),
    "said_booked": ("ledger", "booked"),
    "said_balance": ("ledger", "balance"),
    "said_period": ("ledger", "period"),
}


async def copy_all(live: Database, scratch: Database) -> list[Stretch]:
    """Everything of both, as one moment of `live` has it, which is only read; how far its chains were final.

    In `scratch` no rule of a command holds any more, only those of the books: a payout's row takes every
    state it ever had. Bounded memory.
    """
    async with scratch.read() as into:
        for name in SAID:
            await _Q.run(into, f"make_{name}")
        await _lift(into)
        async with live.transaction() as out:
            await one_moment(out)
            final = await stretches(out)
            for table in COMMANDS:
                await copy_rows(out, into, ("public", table), sql.Identifier("public", table))
            for name, source in SAID.items():
                await copy_rows(out, into, source, sql.Identifier(name))
        await _Q.run(into, "index_said_tx")
        await _Q.run(into, "index_said_entry")
        await into.execute("ANALYZE")
    return final


async def _lift(into: Connection) -> None:
    for row in await _Q.all(into, "rules"):
        await into.execute(
            sql.SQL("ALTER TABLE public.{} DROP CONSTRAINT {}").format(
                sql.Identifier(row["table"]), sql.Identifier(row["rule"])
            )
        )
    for row in await _Q.all(into, "guarded"):
        await into.execute(
            sql.SQL("ALTER TABLE public.{} DISABLE TRIGGER USER").format(sql.Identifier(row["table"]))
        )


async def copy_rows(
    out: Connection, into: Connection, source: tuple[str, str], target: sql.Identifier
) -> None:
    """Every row of a table (schema, name), as it is. Bounded memory."""
    schema, table = source
    rows = await _Q.all(out, "columns", schema=schema, table=table)
    columns = sql.SQL(", ").join([sql.Identifier(row["column"]) for row in rows])
    reads = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)").format(
        columns, sql.Identifier(schema, table)
    )
    writes = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(target, columns)
    async with (
        out.cursor() as reader, into.cursor() as writer,
        reader.copy(reads) as reading, writer.copy(writes) as writing,
    ):  # fmt: skip
        async for part in reading:
            await writing.write(part)
