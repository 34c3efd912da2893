"""Headers, tags and balances of a real node."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bascule.chain import erc20, heads, logs
from bascule.chain.errors import RpcError, WrongChain, WrongShape
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, Hash, parse_address
from tests.support.chain import LocalNode, calldata, deploy_dollar, local_node
from tests.support.nodes import lying_node, no_guard

NATIVE = Address(bytes(20))


@pytest.fixture
async def node() -> AsyncIterator[LocalNode]:
    async with local_node(safe=1, finalized=2) as made:
        await made.dev.mine(4)
        yield made


@pytest.fixture
async def rpc(node: LocalNode) -> Rpc:
    return Rpc(node.url, session=node.session, guard=no_guard)


async def test_headers_link_up_from_the_head_to_a_lower_block(rpc: Rpc) -> None:
    head = await heads.latest(rpc)
    below, above = await heads.by_numbers(rpc, [head.number - 1, head.number + 1])

    assert below is not None
    assert above is None
    assert head.ref.parent == below.hash
    assert await heads.by_hash(rpc, head.hash) == head
    assert await heads.by_hash(rpc, Hash(b"\x01" * 32)) is None


async def test_tags_stay_behind_the_head_as_the_node_says(rpc: Rpc) -> None:
    head = await heads.latest(rpc)

    assert (await heads.tagged(rpc, "safe")).number == head.number - 1
    assert (await heads.tagged(rpc, "finalized")).number == head.number - 2


async def test_another_chain_than_expected_is_refused(rpc: Rpc) -> None:
    await heads.require_chain(rpc, 31_337)
    with pytest.raises(WrongChain, match="31337"):
        await heads.require_chain(rpc, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "0x99"},
        {"hash": None},
        {"hash": "0x12"},
        {"logsBloom": "0x00"},
        {"timestamp": "soon"},
        {"parentHash": 5},
    ],
)
async def test_a_header_that_is_not_what_was_asked_for_is_refused(
    node: LocalNode, wrong: dict[str, Any]
) -> None:
    async with lying_node(node.url) as liar, aiohttp.ClientSession() as session:
        liar.twist = lambda method, params, result: {**result, **wrong}
        with pytest.raises(WrongShape):
            await heads.by_number(Rpc(liar.url, session=session, guard=no_guard), 2)


async def test_a_tag_the_node_does_not_know_is_a_refusal(node: LocalNode) -> None:
    async with lying_node(node.url) as liar, aiohttp.ClientSession() as session:
        liar.twist = lambda method, params, result: None
        with pytest.raises(RpcError):
            await heads.tagged(Rpc(liar.url, session=session, guard=no_guard), "finalized")


async def test_balances_are_those_at_the_end_of_a_block(node: LocalNode, rpc: Rpc) -> None:
    owner = node.accounts[1]
    token = await deploy_dollar(node, node.accounts[0])
    before = (await heads.latest(rpc)).number
    await node.transact(
        node.accounts[0], to=token, data=calldata("mint(address,uint256)", [owner.address, 7])
    )
    contract, who = parse_address(token), parse_address(owner.address)

    assert await erc20.balances(rpc, [(contract, who)], before) == [0]
    held = await erc20.balances(rpc, [(contract, who), (NATIVE, who)], before + 1)
    assert held[0] == 7
    assert held[1] > 10**18


async def test_an_address_without_code_holds_nothing_and_a_contract_without_balances_is_refused(
    node: LocalNode, rpc: Rpc
) -> None:
    nobody, who = Address(b"\x55" * 20), parse_address(node.accounts[1].address)
    assert await erc20.balances(rpc, [(nobody, who)], 2) == [0]

    silent = await node.transact(node.accounts[0], data="0x60016000f3")  # its code is one zero byte: STOP
    number = int(silent["blockNumber"], 16)
    with pytest.raises(WrongShape):
        await erc20.balances(rpc, [(parse_address(silent["contractAddress"]), who)], number)


async def test_all_logs_of_a_block_add_up_to_its_header(node: LocalNode, rpc: Rpc) -> None:
    token = await deploy_dollar(node, node.accounts[0])
    for amount in (1, 2, 3):
        data = calldata("mint(address,uint256)", [node.accounts[amount].address, amount])
        await node.send(node.accounts[0], to=token, data=data)
    await node.dev.mine()

    [found] = await logs.of_blocks(rpc, [await heads.latest(rpc)])
    moved, ignored = erc20.transfers(found)
    assert [transfer.amount for transfer in moved] == [1, 2, 3]
    assert ignored == {"other_event": 3}  # Mint beside each Transfer


async def test_logs_of_a_block_the_node_does_not_have_are_a_refusal(rpc: Rpc) -> None:
    head = await heads.latest(rpc)
    gone = heads.Header(
        heads.BlockRef(head.number, Hash(b"\x01" * 32), head.ref.parent, head.ref.time), head.bloom
    )

    with pytest.raises(RpcError):
        await logs.of_blocks(rpc, [gone])
