"""Stories of addresses that become ours: each unit is booked once, from one block on."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.services.finalizer import AddressesChanged
from bascule.storage import addresses
from tests.support.money_in import Bridge, OpenAs, address_of, bridge
from tests.support.nodes import lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def register(b: Bridge, number: int, kind: addresses.OwnKind = "wallet") -> None:
    """Makes an account of the chain an own address."""
    async with b.owner.transaction() as conn:
        await addresses.add_own(conn, b.network.chain_id, address_of(b.account(number)), kind)


async def custody_on_chain(b: Bridge, *numbers: int) -> int:
    """What these accounts hold of the token at the head, in base units."""
    contract = "0x" + b.token.contract.hex()
    held = [
        await b.node.read(contract, "balanceOf(address)", [b.account(number).address], "uint256")
        for number in numbers
    ]
    return sum(held)


def custody_booked(booked: dict[str, int]) -> int:
    return sum(units for code, units in booked.items() if code.startswith("custody:"))


async def test_money_to_a_new_own_address_is_found_though_the_node_lagged_when_it_was_opened(
    b: Bridge,
) -> None:
    """The blocks since the opening have to be read again; the node shows them only later."""
    first = await b.started()
    await b.finalize(first)
    await b.send(b.account(7).address, "9.00")
    await b.mine()
    await b.settle_down(first)
    await first.release()
    [(seen,)] = await b.rows("SELECT next_number - 1 FROM cursors")
    await register(b, 7)

    def lagging(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[0].startswith("0x") and int(params[0], 16) >= seen:
            return None
        return result

    async with lying_node(b.node.url) as node:
        node.twist = lagging
        watcher = b.watcher(node.url)
        await watcher.run_once()
        node.twist = lambda method, params, result: result
        await b.finalize(watcher)

    assert custody_booked(await b.booked()) == await custody_on_chain(b, 4, 5, 6, 7) == 9_000_000
    await b.require_chain_and_rows_agree()


async def test_a_payer_that_becomes_an_own_address_does_not_stop_the_chain(b: Bridge) -> None:
    """It paid the vault as a stranger; before that is final it is one of ours."""
    watcher = await b.started()
    await b.finalize(watcher)
    await b.send(b.account(4).address, "7.00", payer=1)
    await b.mine()
    await b.settle_down(watcher)

    await register(b, 1)
    await b.settle_down(watcher)
    await b.finalize(watcher)

    assert custody_booked(await b.booked()) == await custody_on_chain(b, 1, 4, 5, 6)
    intent = await b.intent("5.00")
    await b.pay(intent, "5.00", payer=2)
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_an_address_registered_just_before_finality_is_not_counted_twice(b: Bridge) -> None:
    """The vault pays a stranger's address, which is ours when that payment becomes final."""
    first = await b.started()
    await b.send(b.account(4).address, "7.00", payer=1)
    await b.finalize(first)
    await b.send(b.account(7).address, "3.00", payer=4)
    await b.mine()
    await b.settle_down(first)
    await b.mine(5)
    await first.release()

    async with lying_node(b.node.url) as node:

        async def before(body: str) -> None:
            if '"finalized"' in body:
                await register(b, 7)

        node.before = before
        watcher = b.watcher(node.url)
        with pytest.raises(AddressesChanged):
            await watcher.run_once()
        await b.finalize(watcher)

    assert custody_booked(await b.booked()) == await custody_on_chain(b, 4, 5, 6, 7) == 7_000_000


async def test_an_address_is_opened_by_small_questions_however_far_finality_trails(db_as: OpenAs) -> None:
    """Else a node's limit, or our own, would stop the whole chain as long as the address is not open."""
    async with bridge(db_as, safe=1, finalized=100) as b:
        await b.mine(60)
        await b.finalize(b.watcher())
        await b.send(b.account(7).address, "9.00")
        await b.mine(40)
        await b.settle_down(first := b.watchers[-1])
        await first.release()
        await register(b, 7)

        async with lying_node(b.node.url) as node:
            asked: list[int] = []

            async def before(body: str) -> None:
                asked.append(len(json.loads(body)) if body.startswith("[") else 1)

            node.before = before
            watcher = b.watcher(node.url)
            await b.settle_down(watcher)
            await b.mine(100)
            await b.finalize(watcher)

        assert max(asked) <= 64
        assert custody_booked(await b.booked()) == await custody_on_chain(b, 4, 5, 6, 7) == 9_000_000
        await b.require_chain_and_rows_agree()


async def test_a_fork_deeper_than_one_question_is_found(db_as: OpenAs) -> None:
    async with bridge(db_as, safe=1, finalized=100) as b:
        watcher = b.watcher()
        await b.mine(100)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        await b.mine(70)
        await b.settle_down(watcher)

        await b.node.dev.reorg(71)
        await b.settle_down(watcher)

        assert watcher.depths == {71: 1}
        await b.require_chain_and_rows_agree()
