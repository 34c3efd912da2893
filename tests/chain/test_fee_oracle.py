"""Fees follow what recent blocks paid, and never pass the ceiling."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bascule.chain import fee_oracle
from bascule.chain.errors import WrongShape
from bascule.chain.families import ARBITRUM, ETHEREUM, OP_STACK, POLYGON, Family
from bascule.chain.fee_oracle import DataCost
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address
from bascule.domain.fees import Ceiling, Fees
from tests.support.chain import local_node
from tests.support.nodes import no_guard, serve

GWEI = 10**9


async def offer_from(history: Any, *, ceiling: int = 500 * GWEI, family: Family | None = None) -> Fees:
    async def handle(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": history})

    async with serve(handle) as url, aiohttp.ClientSession() as session:
        return await fee_oracle.offer(
            Rpc(url, session=session, guard=no_guard, family=family), gas=50_000,
            ceiling=Ceiling(ceiling, ceiling * 50_000),
        )  # fmt: skip


async def test_offer_is_twice_the_next_base_fee_and_the_median_tip() -> None:
    history = {"baseFeePerGas": ["0x1", hex(30 * GWEI)], "reward": [["0x0"], [hex(3)], [hex(9)], [hex(5)]]}

    assert await offer_from(history) == Fees(60 * GWEI + 5, 5, 50_000)


async def test_idle_chain_is_offered_a_tip_all_the_same() -> None:
    assert await offer_from({"baseFeePerGas": ["0x0"]}) == Fees(GWEI, GWEI, 50_000)


async def test_tip_is_never_below_what_the_chains_nodes_take() -> None:
    history = {"baseFeePerGas": [hex(30 * GWEI)], "reward": [[hex(GWEI)]]}

    assert await offer_from(history, family=POLYGON) == Fees(85 * GWEI, 25 * GWEI, 50_000)


async def test_rollups_charge_for_data_is_asked_of_its_oracle_and_elsewhere_nothing() -> None:
    asked: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        call = await request.json()
        asked.append(call["params"][0])
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": "0x" + f"{7:064x}"})

    async with serve(handle) as url, aiohttp.ClientSession() as session:
        told = [
            await fee_oracle.data_fee(Rpc(url, session=session, guard=no_guard, family=family), b"bytes")
            for family in (OP_STACK, ETHEREUM, None)
        ]

    assert told == [7, 0, 0]
    [call] = asked
    assert call["to"] == "0x420000000000000000000000000000000000000F"
    assert call["data"].startswith("0x49948e0e")  # getL1Fee(bytes)
    assert b"bytes".hex() in call["data"]


async def test_data_of_a_call_costs_gas_on_arbitrum_wei_on_an_op_stack_and_nothing_elsewhere() -> None:
    """As such chains answer: three words of NodeInterface, one word of GasPriceOracle."""
    asked: list[Any] = []
    answers = {
        "0x00000000000000000000000000000000000000C8": [410_001, 10_000_000, 3 * GWEI],
        "0x420000000000000000000000000000000000000F": [91_000_000_000_000],
    }

    async def handle(request: web.Request) -> web.Response:
        call = await request.json()
        asked.append(call["params"][0])
        words = "".join(f"{word:064x}" for word in answers[asked[-1]["to"]])
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": "0x" + words})

    async with serve(handle) as url, aiohttp.ClientSession() as session:
        told = [
            await fee_oracle.data_cost(
                Rpc(url, session=session, guard=no_guard, family=family),
                Address(b"v" * 20),
                lambda: b"call" * 9,
            )
            for family in (ARBITRUM, OP_STACK, ETHEREUM, None)
        ]

    nothing = DataCost()
    assert told == [DataCost(gas=615_001), DataCost(fee=91_000_000_000_000), nothing, nothing]
    for_gas, for_fee = [each["data"] for each in asked]
    assert for_gas.startswith("0x77d488a2")  # gasEstimateL1Component(address,bool,bytes)
    assert (b"v" * 20).hex() in for_gas
    assert all((b"call" * 9).hex() in each for each in (for_gas, for_fee))
    assert len(for_fee) - len((b"call" * 9).hex()) > 2 * 200, "what stands around the call costs too"


@pytest.mark.parametrize("answer", ["0x", "0x" + "00" * 32, "0x" + "00" * 128])
async def test_answer_of_another_layout_is_no_gas_for_data(answer: str) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response({"jsonrpc": "2.0", "id": (await request.json())["id"], "result": answer})

    async with serve(handle) as url, aiohttp.ClientSession() as session:
        rpc = Rpc(url, session=session, guard=no_guard, family=ARBITRUM)
        with pytest.raises(WrongShape):
            await fee_oracle.data_cost(rpc, Address(b"v" * 20), bytes)


async def test_offer_stops_at_the_ceiling() -> None:
    history = {"baseFeePerGas": [hex(900 * GWEI)], "reward": [[hex(700 * GWEI)]]}

    assert await offer_from(history) == Fees(500 * GWEI, 500 * GWEI, 50_000)


@pytest.mark.parametrize("history", [{}, {"baseFeePerGas": []}, {"baseFeePerGas": ["many"]}, None])
async def test_history_that_says_nothing_is_refused(history: Any) -> None:
    with pytest.raises(WrongShape):
        await offer_from(history)


async def test_local_chain_answers_the_oracle() -> None:
    async with local_node() as node:
        fees = await fee_oracle.offer(
            Rpc(node.url, session=node.session, guard=no_guard),
            gas=21_000,
            ceiling=Ceiling(500 * GWEI, 10**18),
        )

    assert 0 < fees.max_priority_fee_per_gas <= fees.max_fee_per_gas
