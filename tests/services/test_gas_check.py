"""Wallets' coin against the rows: silent through ordinary work, and loud about whatever nothing books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.pool import pool
from bascule.chain.rpc import Rpc
from bascule.services.balance_check import BalancesDisputed
from bascule.services.breaks import Breaks
from bascule.services.gas_check import BREAK_TYPE, GasCheck
from bascule.services.resolving import resolve
from bascule.storage import breaks, coin_books
from tests.scenarios.test_money_out_gas import ETHER, coin, drain, later
from tests.support.money_out import OpenAs, Treasury, payee, treasury
from tests.support.nodes import lying_node

BOOKED_TIMES: LiteralString = (
    "UPDATE ledger.entry AS e SET amount = amount * %s"
    " FROM ledger.tx AS x WHERE x.id = e.tx_id AND x.source = 'gas'"
)


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


@pytest.fixture
async def check(db_as: OpenAs, stage: Treasury) -> GasCheck:
    worker = await db_as("worker")
    rpc = Rpc(stage.node.url, session=stage.session, guard=worker.refuse_open_transaction, family=ETHEREUM)
    return GasCheck(worker, Breaks(stage.use_cases.outbox), {stage.network.chain_id: rpc})


async def drifts(stage: Treasury, check: GasCheck) -> list[tuple[str, int]]:
    """The open drifts after a look: the wallet's name and by how much."""
    await check.run_once()
    async with check.db.read() as conn:
        found = [each for each in await breaks.open_now(conn) if each.type == BREAK_TYPE]
    return [(each.evidence["wallet"], each.amount or 0) for each in found]


async def explain(stage: Treasury) -> None:
    """A person says why the only break is there."""
    async with stage.api.transaction() as conn:
        [broken] = await breaks.open_now(conn)
        await resolve(conn, stage.use_cases.outbox, broken.id, reason="we did it by hand", actor="key_1")


async def test_coin_that_comes_or_leaves_unbooked_is_named_and_ordinary_work_is_not(
    stage: Treasury, check: GasCheck
) -> None:
    check = replace(check, mark_every=1)  # each even look is where the next begins
    before = await coin(stage)
    assert await drifts(stage, check) == []
    await drain(stage)  # somebody with the key sent it away
    assert await drifts(stage, check) == [("vault-0", await coin(stage) - before)]
    await explain(stage)
    assert await drifts(stage, check) == [], "what a person has explained counts as booked"

    await stage.open_gas_wallet(max_per_item=8 * ETHER)
    await stage.approved("5.00", payee(1))
    lane, gas = await stage.submitter(), await stage.submitter(holder="g", lane="gas")
    await lane.run_once()
    for _ in range(6):
        for each in (gas, lane):
            await later(stage, each)
            assert await drifts(stage, check) == []
            await stage.follow(3)  # final, and no submitter has looked yet
            assert await drifts(stage, check) == []
    assert await stage.rows("SELECT state FROM payouts") == [("paid",)]
    assert await stage.rows("SELECT outcome FROM gas_top_ups") == [("done",)]
    async with check.db.read() as conn:
        [final] = {each.block_number for each in await coin_books.purses(conn)}
    assert await stage.rows("SELECT DISTINCT block_number FROM coin_marks") == [(final,)]

    await stage.node.transact(stage.node.accounts[0], to=stage.wallet.address, value=ETHER)
    assert await drifts(stage, check) == [], "not final yet"
    await stage.follow(3)
    looked = await check.look()
    assert (looked.opened, looked.ended) == (1, 0)
    assert await drifts(stage, check) == [("vault-0", ETHER)]


async def test_gas_that_is_not_booked_or_booked_twice_is_named_until_it_is_mended(
    stage: Treasury, check: GasCheck
) -> None:
    await stage.approved("5.00", payee(1))
    await stage.run(rounds=2)
    [(tx_hash, fee)] = await stage.rows("SELECT encode(tx_hash, 'hex'), fee_paid FROM attempts")
    assert await drifts(stage, check) == []

    await change(stage, "UPDATE ledger.tx SET source_id = 'x' WHERE source = 'gas'")
    assert await drifts(stage, check) == [("vault-0", -fee)]
    await change(stage, "UPDATE ledger.tx SET source_id = %s WHERE source = 'gas'", tx_hash)
    await change(stage, BOOKED_TIMES, 2)
    assert await drifts(stage, check) == [("vault-0", fee)]
    await change(stage, BOOKED_TIMES, 0.5)
    assert await drifts(stage, check) == []


async def test_wallet_that_nodes_differ_about_hides_no_other_one(stage: Treasury, check: GasCheck) -> None:
    await stage.open_gas_wallet()
    assert await drifts(stage, check) == []
    for wallet in (stage.wallet, stage.node.accounts[5]):
        await stage.node.transact(stage.node.accounts[0], to=wallet.address, value=ETHER)
    await stage.follow(3)
    [rpc] = check.rpcs.values()
    assert isinstance(rpc, Rpc)
    async with lying_node(stage.node.url) as liar:
        disputed = stage.node.accounts[5].address.lower()
        liar.twist = lambda method, params, result: (
            hex(7) if method == "eth_getBalance" and params[0].lower() == disputed else result
        )
        second = Rpc(liar.url, session=stage.session, guard=check.db.refuse_open_transaction, family=ETHEREUM)
        both = pool([(rpc, 1), (second, 2)], chain_id=stage.network.chain_id)
        with pytest.raises(BalancesDisputed, match="differ about the coin"):
            await drifts(stage, replace(check, rpcs={stage.network.chain_id: both}))
    async with check.db.read() as conn:
        [found] = await breaks.open_now(conn)
    assert (found.evidence["wallet"], found.amount) == ("vault-0", ETHER)


async def change(stage: Treasury, statement: LiteralString, *values: object) -> None:
    """Done by somebody whom nothing refuses."""
    async with stage.owner.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        await conn.execute(statement, values)
