"""Which calls a fault hits, how it is set, counted, listed and ended, and how a wrong one is refused."""

import pytest

from bascule.entrypoints.devchain.faults.armed import Faults
from tests.entrypoints.devchain.faults.conftest import Door
from tests.support.chain import RpcFailure


async def pattern(door: Door, calls: int = 12) -> str:
    """A call after the other: `x` where its answer was bent."""
    told = [await door.ask("eth_chainId") for _ in range(calls)]
    return "".join("x" if chain_id == "0x1" else "." for chain_id in told)


async def test_fault_hits_after_so_many_and_for_so_many(any_door: Door) -> None:
    await any_door.set("wrong_chain", skip=3, times=2)

    assert await pattern(any_door) == "...xx......."


async def test_chance_repeats_with_its_seed(any_door: Door) -> None:
    first = await any_door.set("wrong_chain", chance=0.5, seed=7)
    drawn = await pattern(any_door)
    await any_door.clear(first)
    await any_door.set("wrong_chain", chance=0.5, seed=7)

    assert await pattern(any_door) == drawn
    assert 0 < drawn.count("x") < len(drawn)
    await any_door.clear()
    await any_door.set("wrong_chain", chance=0.5, seed=8)
    assert await pattern(any_door) != drawn


async def test_fault_ends_when_the_chain_has_grown(any_door: Door) -> None:
    await any_door.set("wrong_chain", for_blocks=2)
    assert await pattern(any_door, 2) == "xx"
    await any_door.mine()
    assert await pattern(any_door, 2) == "xx"

    await any_door.mine()

    assert await pattern(any_door, 2) == ".."
    assert [fault["spent"] for fault in await any_door.ask("bascule_faults")] == [True]


async def test_fault_ends_when_its_seconds_are_over() -> None:
    now = [100.0]
    faults = Faults(clock=lambda: now[0])
    faults.set({"kind": "wrong_chain", "for_seconds": 5})

    async def head() -> int:
        return 1

    struck = []
    for now[0] in (100.0, 104.9, 105.0, 200.0):
        struck.append(len(await faults.strike(["eth_chainId"], head)))

    assert struck == [1, 1, 0, 0]
    assert [fault["spent"] for fault in faults.listed()] == [True]


async def test_faults_are_listed_with_what_they_hit(any_door: Door) -> None:
    assert await any_door.ask("bascule_faults") == []
    number = await any_door.set("wrong_chain", methods=["eth_chainId"], times=1, skip=1)
    await pattern(any_door, 3)

    [fault] = await any_door.ask("bascule_faults")

    assert fault == {
        "id": number, "kind": "wrong_chain", "methods": ["eth_chainId"], "chain_id": 1, "times": 1, "skip": 1,
        "chance": 1.0, "seed": 0, "for_blocks": None, "for_seconds": None,
        "calls": 3, "hits": 1, "spent": True,
    }  # fmt: skip


async def test_faults_end_all_together_or_by_number(any_door: Door) -> None:
    first, second = await any_door.set("wrong_chain"), await any_door.set("null")

    assert await any_door.clear(first) == {"cleared": [first]}
    assert await pattern(any_door, 1) == "."
    assert [fault["id"] for fault in await any_door.ask("bascule_faults")] == [second]
    assert await any_door.clear() == {"cleared": [second]}
    assert await any_door.ask("bascule_faults") == []


async def test_faults_compound_in_the_order_in_which_they_were_set(any_door: Door) -> None:
    logs = await any_door.logs()
    await any_door.set("truncate")
    await any_door.set("duplicate")

    assert await any_door.logs() == [logs[0], logs[0], logs[1], logs[1]]


async def test_faults_never_hit_what_steers_the_node(any_door: Door) -> None:
    await any_door.set("drop")
    await any_door.set("error", message="no")

    assert len(await any_door.ask("bascule_faults")) == 2
    await any_door.ask("evm_mine")
    assert len((await any_door.clear())["cleared"]) == 2


async def test_wrong_fault_is_refused_and_nothing_is_set(any_door: Door) -> None:
    with pytest.raises(RpcFailure, match="-32602: kind: one of drop, hang, "):
        await any_door.ask("bascule_setFault", {"kind": "dorp"})

    assert await any_door.ask("bascule_faults") == []


async def test_wrong_number_of_parameters_is_refused(any_door: Door) -> None:
    for params in ([], [{"kind": "drop"}, 1]):
        with pytest.raises(RpcFailure, match="-32602"):
            await any_door.ask("bascule_setFault", *params)


async def test_ending_what_is_not_set_is_refused_and_ends_nothing(any_door: Door) -> None:
    await any_door.set("null")

    for ids in (7, [7], "all", [True], [[]], {"ids": []}):
        with pytest.raises(RpcFailure, match="-32602: ids: "):
            await any_door.ask("bascule_clearFaults", ids)
    assert len(await any_door.ask("bascule_faults")) == 1


async def test_second_node_can_be_asked_by_a_proxy_alone(any_door: Door) -> None:
    specification = {"kind": "flip_flop", "upstream": any_door.truth}
    if any_door.url != any_door.truth:
        await any_door.ask("bascule_setFault", specification)
        return
    with pytest.raises(RpcFailure, match="which only the fault proxy can ask"):
        await any_door.ask("bascule_setFault", specification)
