"""Which calls a fault hits, how it is set, counted, listed and ended, and how a wrong one is refused."""

from typing import Any

import pytest

from tests.entrypoints.devchain.faults.conftest import Door
from tests.support.chain import RpcFailure


async def pattern(door: Door, calls: int = 12) -> str:
    """A call after the other: `x` where its answer was bent."""
    told = [await door.ask("eth_chainId") for _ in range(calls)]
    return "".join("x" if chain_id == "0x1" else "." for chain_id in told)


async def test_fault_hits_after_so_many_and_for_so_many(door: Door) -> None:
    await door.set("wrong_chain", skip=3, times=2)

    assert await pattern(door) == "...xx......."


async def test_chance_repeats_with_its_seed(door: Door) -> None:
    first = await door.set("wrong_chain", chance=0.5, seed=7)
    drawn = await pattern(door)
    await door.clear(first)
    await door.set("wrong_chain", chance=0.5, seed=7)

    assert await pattern(door) == drawn
    assert 0 < drawn.count("x") < len(drawn)
    await door.clear()
    await door.set("wrong_chain", chance=0.5, seed=8)
    assert await pattern(door) != drawn


async def test_fault_ends_when_the_chain_has_grown(door: Door) -> None:
    await door.set("wrong_chain", for_blocks=2)
    assert await pattern(door, 2) == "xx"
    await door.mine()
    assert await pattern(door, 2) == "xx"

    await door.mine()

    assert await pattern(door, 2) == ".."
    assert [fault["spent"] for fault in await door.ask("bascule_faults")] == [True]


async def test_faults_are_listed_with_what_they_hit(door: Door) -> None:
    assert await door.ask("bascule_faults") == []
    number = await door.set("wrong_chain", methods=["eth_chainId"], times=1, skip=1)
    await pattern(door, 3)

    [fault] = await door.ask("bascule_faults")

    assert fault == {
        "id": number, "kind": "wrong_chain", "methods": ["eth_chainId"], "chain_id": 1, "times": 1, "skip": 1,
        "chance": 1.0, "seed": 0, "for_blocks": None, "calls": 3, "hits": 1, "spent": True,
    }  # fmt: skip


async def test_faults_end_all_together_or_by_number(door: Door) -> None:
    first, second = await door.set("wrong_chain"), await door.set("null")

    assert await door.clear(first) == {"cleared": [first]}
    assert await pattern(door, 1) == "."
    assert [fault["id"] for fault in await door.ask("bascule_faults")] == [second]
    assert await door.clear() == {"cleared": [second]}
    assert await door.ask("bascule_faults") == []


async def test_faults_compound_in_the_order_in_which_they_were_set(door: Door) -> None:
    logs = await door.logs()
    await door.set("truncate")
    await door.set("duplicate")

    assert await door.logs() == [logs[0], logs[0], logs[1], logs[1]]


async def test_faults_never_hit_what_steers_the_node(door: Door) -> None:
    await door.set("drop")
    await door.set("error", message="no")

    assert len(await door.ask("bascule_faults")) == 2
    await door.ask("evm_mine")
    assert len((await door.clear())["cleared"]) == 2


async def test_wrong_fault_is_refused_and_nothing_is_set(door: Door) -> None:
    with pytest.raises(RpcFailure, match="-32602: kind: one of drop, hang, "):
        await door.ask("bascule_setFault", {"kind": "dorp"})

    assert await door.ask("bascule_faults") == []


@pytest.mark.parametrize("params", [[], [{"kind": "drop"}, 1]])
async def test_wrong_number_of_parameters_is_refused(door: Door, params: list[Any]) -> None:
    with pytest.raises(RpcFailure) as refused:
        await door.ask("bascule_setFault", *params)
    assert refused.value.code == -32602


@pytest.mark.parametrize("ids", [7, [7], "all", [True], [[]], {"ids": []}])
async def test_ending_what_is_not_set_is_refused_and_ends_nothing(door: Door, ids: Any) -> None:
    await door.set("null")

    with pytest.raises(RpcFailure) as refused:
        await door.ask("bascule_clearFaults", ids)

    assert refused.value.code == -32602
    assert len(await door.ask("bascule_faults")) == 1


async def test_second_node_can_be_asked_by_a_proxy_alone(door: Door) -> None:
    specification = {"kind": "flip_flop", "upstream": door.truth}
    if door.url != door.truth:
        await door.ask("bascule_setFault", specification)
        return
    with pytest.raises(RpcFailure, match="which only the fault proxy can ask"):
        await door.ask("bascule_setFault", specification)
