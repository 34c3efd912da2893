"""What the compliance role does in stories: it imports lists, and decides about what they hold."""

from __future__ import annotations

import asyncio
from typing import Any

from bascule.services.compliance import Compliance
from bascule.services.rescreener import Rescreener
from bascule.services.screening_view import describe
from bascule.services.seams import SystemEntropy
from bascule.storage import flushes
from bascule.storage.database import Database
from bascule.storage.flushes import Lying
from tests.support.money_in import Bridge, OpenAs


def listing(*addresses: str) -> str:
    return "address,reference\n" + "".join(f"{address},SDN 12345\n" for address in addresses)


async def lists(b: Bridge, *payers: int, **more: Any) -> dict[str, Any]:
    """The list `ofac` names these accounts of the chain from now on."""
    return await imported(b, listing(*(b.account(number).address for number in payers)), **more)


async def imported(
    b: Bridge, text: str, name: str = "ofac", db: Database | None = None, **more: Any
) -> dict[str, Any]:
    async with (db or b.api).transaction() as conn:
        return await Compliance(b.clock, b.outbox).import_list(conn, name, text, actor="key_c", **more)


async def decided(b: Bridge, verb: str, screening: dict[str, Any]) -> dict[str, Any]:
    async with b.api.transaction() as conn:
        does = getattr(Compliance(b.clock, b.outbox), verb)
        found: dict[str, Any] = await does(conn, screening["id"], reason="case 7", actor="key_c")
        return found


async def screened(b: Bridge) -> list[dict[str, Any]]:
    ids = [row[0] for row in await b.rows("SELECT id FROM screenings ORDER BY id")]
    async with b.api.read() as conn:
        return await describe(conn, ids)


async def rescreen(b: Bridge, db_as: OpenAs) -> int:
    return await Rescreener(await db_as("worker"), b.clock, SystemEntropy()).run_once()


async def lying(b: Bridge) -> list[Lying]:
    """What may be flushed."""
    factory = b.network.deposit_factory
    assert factory is not None
    async with b.owner.read() as conn:
        return await flushes.lying(conn, b.network.chain_id, factory, b.token.id, b.clock.now())


async def waits_for_others(b: Bridge) -> None:
    """Returns once a login waits for others to be done with the lists."""
    for _ in range(500):
        if await b.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")
