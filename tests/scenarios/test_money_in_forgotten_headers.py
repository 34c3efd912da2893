"""Stories of chains whose headers were learned to prove nothing, until an operator has that forgotten."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from bascule.chain.families import ETHEREUM, Family
from bascule.chain.rpc import Rpc
from bascule.domain.errors import Conflict
from bascule.services import unlisted
from bascule.storage import health
from tests.support.money_in import Bridge, OpenAs, bridge


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


def process(b: Bridge, family: Family | None = None) -> Rpc:
    """The client of a process that starts."""
    rpc = b.rpc()
    rpc.family = family
    return rpc


async def learned(b: Bridge, unproven: Literal["blocks", "receipts"]) -> Rpc:
    """A watcher's client that learned this and has kept it."""
    rpc = process(b)
    rpc.worth.less(unproven)
    async with b.db.transaction() as conn:
        await unlisted.keep(conn, b.network.chain_id, rpc.worth)
    await recall(b, rpc)
    return rpc


async def recall(b: Bridge, rpc: Rpc) -> str | None:
    async with b.db.read() as conn:
        await unlisted.recall(conn, rpc, b.network.chain_id)
    return rpc.worth.unproven


async def forget(b: Bridge) -> str:
    async with b.owner.transaction() as conn:
        return await unlisted.forget(conn, b.network.chain_id, reason="it is listed now")


async def test_what_an_operator_has_forgotten_counts_for_no_process_that_runs(b: Bridge) -> None:
    """It is not written again by the one that learned it, either."""
    watcher, submitter = await learned(b, "receipts"), process(b)
    assert await recall(b, submitter) == "receipts"
    async with b.db.read() as conn:
        [followed] = await health.followed(conn)
    assert followed.unproven == "receipts"

    assert await forget(b) == "receipts"

    async with b.db.transaction() as conn:
        await unlisted.keep(conn, b.network.chain_id, watcher.worth)
    assert [await recall(b, rpc) for rpc in (watcher, submitter, process(b))] == [None, None, None]
    told = await b.rows(
        "SELECT actor, action, details FROM audit_log WHERE action LIKE 'chain.%' ORDER BY id"
    )
    assert told == [
        ("process:watcher", "chain.learn", {"unproven": "receipts"}),
        ("cli", "chain.forget", {"was": "receipts", "reason": "it is listed now"}),
    ]
    with pytest.raises(Conflict, match="prove what they always did"):
        await forget(b)


async def test_that_headers_speak_of_other_blocks_is_nothing_to_a_version_that_lists_the_chain(
    b: Bridge,
) -> None:
    await learned(b, "blocks")

    assert await recall(b, process(b)) == "blocks"
    assert await recall(b, process(b, ETHEREUM)) is None
