"""Stories of reading a chain from its first block on: nothing twice, nothing skipped, heads in any order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from bascule.storage import tokens
from tests.support.chain import calldata, creation_code
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node
from tests.support.one_transaction import creation_address
from tests.support.stored import stored_transfers


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def written(b: Bridge) -> list[tuple[Any, ...]]:
    """Every row of the chain with the transaction that wrote it last."""
    return await b.rows(
        "SELECT 'block', xmin::text, number FROM blocks UNION ALL SELECT 'cursor', xmin::text, next_number"
        " FROM cursors UNION ALL SELECT 'event', xmin::text, id FROM outbox ORDER BY 1, 3"
    )


async def test_a_chain_without_payments_is_read_to_its_head_and_then_nothing_is_written(b: Bridge) -> None:
    watcher = await b.started()
    await b.settle_down(watcher)
    before = await written(b)

    for _ in range(3):
        assert await watcher.run_once() == 0

    assert await written(b) == before
    assert await b.stored() == []
    assert await b.deposits() == []
    assert await b.rows("SELECT next_number FROM cursors") == [
        (int(await b.node.rpc("eth_blockNumber"), 16) + 1,)
    ]


async def test_a_transfer_is_stored_once_with_all_the_chain_says_of_it(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    tx_hash = await b.pay(intent, "10.00", payer=2)
    await b.settle_down(watcher)

    receipt = await b.node.rpc("eth_getTransactionReceipt", tx_hash)
    block = await b.node.rpc("eth_getBlockByHash", receipt["blockHash"], False)
    [row] = await stored_transfers(b.owner, b.network.chain_id)
    told = [to_checksum_address(row[4]), to_checksum_address(row[5]), to_checksum_address(row[6])]
    assert told == [receipt["to"], b.account(2).address, deposit_address(intent)]
    assert ("0x" + row[0].hex(), row[1], row[2]) == (block["hash"], 0, int(block["number"], 16))
    assert ("0x" + row[3].hex(), row[7], row[8]) == (tx_hash, 10_000_000, 0)
    [deposit] = await b.deposits()
    assert deposit["block_time"] == int(block["timestamp"], 16)


async def test_a_payment_in_the_block_the_chain_is_taken_over_at_is_found(b: Bridge) -> None:
    """The first block is stored as it is; so a chain is taken over before the first address of a payer."""
    intent = await b.intent("10.00")
    b.clock.advance(120)
    await b.pay(intent, "10.00")
    height = int(await b.node.rpc("eth_blockNumber"), 16)
    await b.mine(4)
    b.network = replace(b.network, start_block=height)

    await b.settle_down(b.watcher())

    assert [deposit["block_number"] for deposit in await b.deposits("finalized")] == [height]
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_a_payment_in_the_block_that_deploys_its_token_is_found(b: Bridge) -> None:
    watcher = await b.started()
    issuer = b.account(2)
    contract = await creation_address(b.node, issuer.address)
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, replace(b.token, id="tok_new", contract=bytes.fromhex(contract[2:])))
    intent = await b.intent("10.00")
    types = ["string", "string", "address"]
    await b.node.send(issuer, data=creation_code("TestDollar", types, ["New", "USDT", issuer.address]))
    mint = calldata("mint(address,uint256)", [deposit_address(intent), 10_000_000])
    await b.node.send(issuer, to=contract, data=mint)
    await b.mine()
    await b.finalize(watcher)

    assert [(d["contract"], d["status"]) for d in await b.deposits()] == [(contract, "finalized")]
    assert (await b.shown(intent))["status"] == "succeeded"


@pytest.mark.parametrize(
    "heads",
    [
        pytest.param([0, 0, 0], id="the same block three times"),
        pytest.param([0, 5], id="five blocks skipped"),
        pytest.param([3, 1, 2, 5], id="out of order"),
        pytest.param([5, 4, 3, 2, 5, 1, 5], id="backwards"),
    ],
)
async def test_heads_in_any_order_make_one_linear_chain(b: Bridge, heads: list[int]) -> None:
    """Six blocks, each with a payment; the node names now this one, now that one as its newest."""
    starter = await b.started()
    await b.settle_down(starter)
    await starter.release()
    first = int(await b.node.rpc("eth_blockNumber"), 16)
    intent = await b.intent("6.00")
    for _ in range(6):
        await b.pay(intent, "1.00")
    blocks = [await b.node.rpc("eth_getBlockByNumber", hex(first + 1 + at), False) for at in range(6)]
    told: list[dict[str, Any]] = []

    async with lying_node(b.node.url) as node:
        node.twist = lambda method, params, result: told[-1] if params[:1] == ["latest"] else result
        watcher = b.watcher(node.url)
        highest = 0
        for head in heads:
            told.append(blocks[head])
            highest = max(highest, head + 1)
            for _ in range(3):
                await watcher.run_once()
            assert len(await b.stored()) == highest
        told.append(blocks[5])
        await b.settle_down(watcher)

    assert watcher.counters["reorgs"] == 0
    assert len(await b.deposits()) == 6
