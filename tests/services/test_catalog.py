"""What is kept of networks and tokens is as new as the database."""

import psycopg

from bascule.services.intent_view import Catalog, catalog
from bascule.storage import tokens
from bascule.storage.database import Connection
from tests.support.api import Shop


async def dust(conn: Connection) -> set[int]:
    return {token.dust for token in (await catalog(conn)).tokens.values()}


async def set_dust(conn: Connection, dust: int) -> None:
    for token in await tokens.every(conn):
        await tokens.set_floors(conn, token.id, dust, dust)


async def test_what_another_process_commits_is_known_at_once(shop: Shop) -> None:
    async with shop.deps.db.read() as conn:
        before = await catalog(conn)
        assert await catalog(conn) is before
        async with shop.owner.transaction() as other:
            await set_dust(other, 7)
            assert await catalog(conn) is before

        assert await dust(conn) == {7}


async def test_what_a_transaction_takes_back_is_not_kept(shop: Shop) -> None:
    async with shop.owner.read() as conn:
        before = await catalog(conn)
        async with conn.transaction():
            await set_dust(conn, 9)
            assert await dust(conn) == {9}
            raise psycopg.Rollback

        assert await catalog(conn) == before


async def test_a_suspended_token_is_known_at_once(shop: Shop) -> None:
    async with shop.deps.db.read() as conn:
        before = await catalog(conn)
        [suspended, *_] = before.tokens
        async with shop.owner.transaction() as other:
            await other.execute(
                "INSERT INTO token_suspensions (token_id, cause, evidence, from_number, opened_at)"
                " VALUES (%s, 'paused', '{}', 1, now())",
                [suspended],
            )

        def why(known: Catalog) -> str | None:
            return known.tokens[suspended].suspended

        assert (why(before), why(await catalog(conn))) == (None, "paused")
