"""Leases by the database's own clock."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bascule.domain.errors import Retryable
from bascule.storage import leases
from bascule.storage.database import Database
from bascule.storage.leases import Lease


async def claim(db: Database, holder: str, seconds: float = 60) -> Lease | None:
    async with db.transaction() as conn:
        return await leases.claim(conn, "watcher:1", holder, seconds)


async def test_a_held_lease_is_renewed_by_its_holder_alone(db: Database) -> None:
    first = await claim(db, "a")

    assert first == Lease("watcher:1", "a", 1)
    assert await claim(db, "a") == first
    assert await claim(db, "b") is None


async def test_an_expired_lease_goes_to_the_next_holder_with_a_new_epoch(db: Database) -> None:
    await claim(db, "a", seconds=0)

    assert await claim(db, "b") == Lease("watcher:1", "b", 2)
    assert await claim(db, "a") is None


async def test_a_released_lease_is_free_at_once(db: Database) -> None:
    first = await claim(db, "a")
    assert first is not None
    async with db.transaction() as conn:
        await leases.release(conn, first)

    assert await claim(db, "b") == Lease("watcher:1", "b", 2)


async def test_a_lease_lasts_for_its_holder_alone_and_no_longer_than_it_was_claimed(db: Database) -> None:
    lease = await claim(db, "a", seconds=60)
    assert lease is not None

    async def lasts(lease: Lease, seconds: float) -> bool:
        async with db.read() as conn:
            return await leases.lasts(conn, lease, seconds)

    assert await lasts(lease, 30)
    assert not await lasts(lease, 61)
    assert not await lasts(Lease("watcher:1", "b", lease.epoch), 30)
    assert not await lasts(Lease("watcher:1", "a", lease.epoch + 1), 30)


async def test_a_lease_that_ran_out_is_held_until_somebody_takes_it(db: Database) -> None:
    first = await claim(db, "a", seconds=0)
    assert first is not None
    async with db.transaction() as conn:
        await leases.hold(conn, first)

    second = await claim(db, "b")
    assert second is not None
    async with db.transaction() as conn:
        await leases.hold(conn, second)
        with pytest.raises(leases.LeaseLost) as lost:
            await leases.hold(conn, first)
    assert isinstance(lost.value, Retryable)


async def test_nobody_takes_a_lease_that_ran_out_while_a_transaction_holds_it(
    db_as: Callable[[str], Awaitable[Database]],
) -> None:
    first, second = await db_as("watcher"), await db_as("watcher")
    lease = await claim(first, "a", seconds=0)
    assert lease is not None
    async with first.transaction() as conn:
        await leases.hold(conn, lease)
        taking = asyncio.create_task(claim(second, "b"))
        done, _ = await asyncio.wait([taking], timeout=0.3)
        assert not done
    assert await taking == Lease("watcher:1", "b", 2)


async def test_all_leases_are_listed_with_whether_they_live(db: Database) -> None:
    await claim(db, "a")

    async with db.read() as conn:
        [row] = await leases.every(conn)
    assert (row["name"], row["holder"], row["epoch"], row["live"]) == ("watcher:1", "a", 1, True)
