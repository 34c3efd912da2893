"""Sending a transaction, and being told something else than what became of it."""

import aiohttp
import pytest

from tests.entrypoints.devchain.faults.conftest import Door
from tests.support.chain import RpcFailure

TO = "0x" + "42" * 20


async def landed(door: Door) -> bool:
    """Whether the payment of one wei arrived, once a block is mined."""
    await door.mine()
    return int(await door.true("eth_getBalance", TO, "latest"), 16) == 1


@pytest.fixture
async def raw(door: Door) -> str:
    was = int(await door.true("eth_getBalance", TO, "latest"), 16)
    if was:  # anvil outlives a test
        await door.true("anvil_setBalance", TO, "0x0")
    return await door.raw(to=TO, value=1)


async def test_node_takes_a_transaction_and_its_caller_hears_nothing(door: Door, raw: str) -> None:
    await door.set("hang", methods=["eth_sendRawTransaction"], forwarded=True)
    send = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]}

    with pytest.raises(TimeoutError):
        await door.post(send, timeout=aiohttp.ClientTimeout(total=0.3))
    assert await landed(door)


async def test_node_takes_a_transaction_and_hangs_up(door: Door, raw: str) -> None:
    await door.set("drop", methods=["eth_sendRawTransaction"], forwarded=True)

    with pytest.raises(aiohttp.ClientConnectionError):
        await door.ask("eth_sendRawTransaction", raw)
    assert await landed(door)


async def test_node_takes_a_transaction_and_says_it_did_not(door: Door, raw: str) -> None:
    members = {"client": "besu", "says": "nonce_too_low", "forwarded": True}
    await door.set("error", methods=["eth_sendRawTransaction"], **members)

    with pytest.raises(RpcFailure, match="-32001: Nonce too low"):
        await door.ask("eth_sendRawTransaction", raw)
    assert await landed(door)


async def test_node_refuses_a_transaction_in_own_words(door: Door, raw: str) -> None:
    await door.set("error", methods=["eth_sendRawTransaction"], message="out of order", code=-1)

    with pytest.raises(RpcFailure, match="-1: out of order"):
        await door.ask("eth_sendRawTransaction", raw)
    assert not await landed(door)


async def test_node_names_the_hash_and_swallows_the_transaction(door: Door, raw: str) -> None:
    await door.set("swallow", times=1)
    told = await door.ask("eth_sendRawTransaction", raw)
    assert not await landed(door)

    assert await door.ask("eth_sendRawTransaction", raw) == told
    assert await landed(door)


async def test_swallowed_nonsense_is_still_refused(door: Door) -> None:
    await door.set("swallow")

    with pytest.raises(RpcFailure):
        await door.ask("eth_sendRawTransaction", "0xzz")
