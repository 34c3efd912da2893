"""A submitter that lost its lease in the middle of a turn writes nothing more, whatever it was about to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from bascule.services.failpoints import Failpoints
from bascule.services.submitter import Submitter
from bascule.storage.leases import LeaseLost
from tests.support.cases import long_after
from tests.support.money_out import OpenAs, Treasury, treasury
from tests.support.nodes import lying_node

TABLES = ("slots", "slot_items", "attempts", "offers", "payouts", "wallets", "lanes", "outbox", "ledger.tx")
TAKE = (
    "UPDATE leases SET holder = 'fresh', epoch = epoch + 1,"
    " expires_at = clock_timestamp() + interval '1 minute' WHERE name LIKE 'submitter:%'"
)


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


class Meanwhile(Failpoints):
    """At a failpoint, or when a node is asked something, the process is paused and its lease goes to another.

    before: what the rows were then.
    """

    def __init__(self, url: str, at: str) -> None:
        super().__init__({})
        self._url, self._at = url, at
        self.armed = False
        self.before = ""

    def hit(self, name: str) -> None:
        super().hit(name)
        if name == self._at:
            self.happens()

    async def asked(self, body: str) -> None:
        if f'"{self._at}"' in body:
            self.happens()

    def happens(self) -> None:
        if self.armed:
            self.armed = False
            with psycopg.connect(self._url, autocommit=True) as conn:
                assert conn.execute(TAKE).rowcount == 1
                self.before = rows(conn)

    def now(self) -> str:
        with psycopg.connect(self._url, autocommit=True) as conn:
            return rows(conn)


def rows(conn: psycopg.Connection[tuple[str]]) -> str:
    """All that money out writes, in one word that changes with each row."""
    asked = " || ".join(
        f"coalesce((SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t), '-')"
        for table in TABLES
    )
    [(found,)] = conn.execute(f"SELECT {asked}".encode()).fetchall()
    return found


async def a_lane_that_looked(stage: Treasury, stale: Submitter) -> None:
    await stale.run_once()
    await stage.approved()


async def a_batch_on_its_way(stage: Treasury, stale: Submitter) -> None:
    await a_lane_that_looked(stage, stale)
    await stale.run_once()


async def a_batch_that_is_late(stage: Treasury, stale: Submitter) -> None:
    await a_batch_on_its_way(stage, stale)
    stage.clock.advance(timedelta(seconds=61))


async def a_batch_in_a_block(stage: Treasury, stale: Submitter) -> None:
    await a_batch_on_its_way(stage, stale)
    await stage.follow(1)


async def a_batch_that_is_final(stage: Treasury, stale: Submitter) -> None:
    await a_batch_on_its_way(stage, stale)
    await stage.follow(3)


# What stands before the turn, where the turn is paused, and what it was about to write.
PAUSED = {
    "bytes": (a_lane_that_looked, "submitter.after_sign"),
    "reservation": (a_lane_that_looked, "eth_feeHistory"),
    "what nodes said": (a_lane_that_looked, "submitter.after_send"),
    "higher fees": (a_batch_that_is_late, "eth_feeHistory"),
    "inclusion": (a_batch_in_a_block, "eth_getTransactionReceipt"),
    "finality": (a_batch_that_is_final, "submitter.after_observe"),
}


@pytest.mark.parametrize("written", long_after(2, PAUSED))
async def test_submitter_that_lost_its_lease_in_the_middle_of_a_turn_does_not_write(
    stage: Treasury, database_url: Callable[[], str], written: str
) -> None:
    begin, at = PAUSED[written]
    meanwhile = Meanwhile(database_url(), at)
    async with lying_node(stage.node.url) as node:
        node.before = meanwhile.asked
        stale = await stage.submitter(holder="stale", url=node.url, failpoints=meanwhile)
        await begin(stage, stale)
        meanwhile.armed = True

        with pytest.raises(LeaseLost, match="is not ours any more"):
            await stale.run_once()

    assert meanwhile.now() == meanwhile.before, f"the {written} was written under a lost lease"
    fresh = await stage.submitter(holder="fresh")
    await stage.run(fresh, rounds=2)
    assert await stage.rows("SELECT state, epoch FROM payouts, leases WHERE name LIKE 'submitter:%%'") == [
        ("paid", 2)
    ]
    assert len(await stage.transfers_out()) == 1
    await stage.require_truth()


@pytest.mark.slow
async def test_bytes_that_a_stale_submitter_sends_after_all_is_paid_change_nothing(
    stage: Treasury, database_url: Callable[[], str]
) -> None:
    """It slept with the send in its hand; whoever took over sent the same, and all of it is final."""
    meanwhile = Meanwhile(database_url(), "")
    async with lying_node(stage.node.url) as node:
        stale = await stage.submitter(holder="stale", url=node.url)
        fresh = await stage.submitter(holder="fresh")
        payout = await stage.approved()

        async def sleep_over_it(body: str) -> None:
            if '"eth_sendRawTransaction"' in body and not meanwhile.before:
                await stage.rows_change("UPDATE leases SET expires_at = clock_timestamp()")
                await stage.run(fresh)
                assert await stage.status(payout) == "paid"
                meanwhile.before = meanwhile.now()

        node.before = sleep_over_it
        with pytest.raises(LeaseLost):
            await stale.run_once()

        assert await stale.run_once() == 0
    assert meanwhile.now() == meanwhile.before
    assert await stage.rows("SELECT count(*) FROM attempts") == [(1,)]
    assert len(await stage.transfers_out()) == 1
    await stage.require_truth()


async def test_stale_submitter_is_fenced_out_by_its_epoch(stage: Treasury) -> None:
    stale, fresh = await stage.submitter(holder="stale"), await stage.submitter(holder="fresh")
    payout = await stage.approved()
    await stale.run_once()
    await stage.rows_change("UPDATE leases SET expires_at = now() WHERE holder = 'stale'")
    await stage.follow(3)

    await fresh.run_once()

    assert await stale.run_once() == 0
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_turns_side_by_side_both_learn_that_their_lease_went_to_another(stage: Treasury) -> None:
    stale, fresh = await stage.submitter(holder="stale"), await stage.submitter(holder="fresh")
    await stale.run_once()
    await stage.rows_change("UPDATE leases SET expires_at = now() WHERE holder = 'stale'")
    payout = await stage.approved()
    await fresh.run_once()

    assert await asyncio.gather(*(stale.run_once() for _ in range(30))) == [0] * 30

    await stage.follow(3)
    await fresh.run_once()
    assert await stage.status(payout) == "paid"
