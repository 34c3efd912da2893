"""A restart brings back the same chain, whatever happened to the process in between."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from bascule.entrypoints.devchain.errors import DataDirError
from bascule.entrypoints.devchain.node import DevChain
from tests.support.chain import LocalNode, deploy_dollar, local_node

FILE = "chain.blocks"


async def fingerprint(node: LocalNode) -> list[object]:
    head = int(await node.rpc("eth_blockNumber"), 16)
    blocks = [await node.rpc("eth_getBlockByNumber", hex(n), True) for n in range(head + 1)]
    receipts = [await node.rpc("eth_getBlockReceipts", hex(n)) for n in range(head + 1)]
    logs = await node.rpc("eth_getLogs", {"fromBlock": "0x0"})
    return [blocks, receipts, logs]


async def test_restart_brings_back_hashes_state_and_logs_even_after_a_reorg(tmp_path: Path) -> None:
    async with local_node(data_dir=tmp_path) as node:
        token = await deploy_dollar(node, node.accounts[0])
        tx_hash = await node.send(node.accounts[1], to=node.accounts[2].address, value=7)
        await node.dev.mine(3)
        await node.dev.reorg(2)
        await node.dev.reorg(4, [tx_hash])
        snapshot = await node.rpc("evm_snapshot")
        await node.dev.mine()
        await node.rpc("evm_revert", snapshot)
        before = await fingerprint(node)

    async with local_node(data_dir=tmp_path) as node:
        assert await fingerprint(node) == before
        assert await node.read(token, "owner()", [], "address") == node.accounts[0].address
        assert await node.rpc("eth_getBalance", node.accounts[2].address) == hex(10**24)
        await node.transact(node.accounts[1], to=node.accounts[2].address, value=1)
        assert await node.rpc("eth_getBalance", node.accounts[2].address) == hex(10**24 + 1)


async def test_torn_or_damaged_tail_is_cut_off_and_the_chain_goes_on(tmp_path: Path) -> None:
    async with local_node(data_dir=tmp_path) as node:
        await node.dev.mine(2)
        two = await fingerprint(node)
        length = (tmp_path / FILE).stat().st_size
        await node.transact(node.accounts[0], to=node.accounts[1].address, value=1)
    whole = (tmp_path / FILE).read_bytes()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    assert len(whole) > length + 8

    for contents in (
        whole[: length + 1],
        whole[: length + 8],
        whole[:-1],
        damaged,
        whole[:length] + b"\xff" * 9,
    ):
        (tmp_path / FILE).write_bytes(contents)
        async with local_node(data_dir=tmp_path) as node:
            assert await fingerprint(node) == two
            assert (tmp_path / FILE).stat().st_size == length
            third = await node.dev.mine()
        async with local_node(data_dir=tmp_path) as node:
            assert node.dev.chain.index.head == third


@pytest.mark.parametrize("kept", [0, 1, 10, 22, 25, 30])
async def test_file_torn_within_its_first_record_starts_a_new_chain(tmp_path: Path, kept: int) -> None:
    async with local_node(data_dir=tmp_path):
        whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:kept])

    async with local_node(data_dir=tmp_path) as node:
        block = await node.dev.mine()
    async with local_node(data_dir=tmp_path) as node:
        assert node.dev.chain.index.head == block


async def test_data_of_another_chain_id_is_refused(tmp_path: Path) -> None:
    async with local_node(data_dir=tmp_path):
        pass

    with pytest.raises(DataDirError, match="holds chain 31337, not 5"):
        await DevChain(data_dir=tmp_path, chain_id=5).start()


async def test_data_dir_in_use_is_refused_and_free_again_after_stop(tmp_path: Path) -> None:
    async with local_node(data_dir=tmp_path):
        with pytest.raises(DataDirError, match="in use"):
            await DevChain(data_dir=tmp_path).start()

    async with local_node(data_dir=tmp_path):
        pass


async def test_file_that_is_no_chain_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"somebody's important letter, long enough")

    with pytest.raises(DataDirError, match="no stored chain"):
        await DevChain(data_dir=tmp_path).start()

    assert (tmp_path / FILE).read_bytes() == b"somebody's important letter, long enough"


async def test_data_dir_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DataDirError, match="cannot store the chain"):
        await DevChain(data_dir=tmp_path / "file").start()


SERVE = """
import asyncio, sys
from pathlib import Path
from bascule.entrypoints.devchain.node import serve
ready = lambda chain: print(chain.url, flush=True)
asyncio.run(serve("127.0.0.1", 0, data_dir=Path(sys.argv[1]), block_time=0.005, ready=ready))
"""


@pytest.mark.slow
async def test_killed_process_loses_no_block_that_anyone_saw(tmp_path: Path) -> None:
    """kill -9 while blocks come as fast as they can, three times over the same data."""
    seen: dict[str, str] = {}
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVE, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            url = (await process.stdout.readline()).decode().strip()
            seen |= await watch_blocks(url, 40)
        finally:
            process.kill()
            await process.wait()

    async with local_node(data_dir=tmp_path) as node:
        again = [(await node.rpc("eth_getBlockByNumber", number))["hash"] for number in seen]
        assert again == list(seen.values())
    assert len(seen) > 60


async def watch_blocks(url: str, wanted: int) -> dict[str, str]:
    seen: dict[str, str] = {}
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["latest", False]}
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while len(seen) < wanted:
            async with session.post(url, json=body) as response:
                block = (await response.json())["result"]
            seen[block["number"]] = block["hash"]
    return seen
