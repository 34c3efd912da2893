"""Headers and receipts against the hashes that chains agreed on: our local chain's, and blocks of others."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bascule.chain import families, trie
from bascule.chain.errors import IncompleteAnswer, WrongShape
from bascule.chain.families import ETHEREUM, POLYGON, Family
from bascule.chain.header_hash import HeaderJson, header_hash
from bascule.chain.receipts_root import LogJson, ReceiptJson, encoded, require_whole
from bascule.domain.chain import Hash
from tests.support.chain import calldata, deploy_dollar, local_node

RECORDED = Path(__file__).parent / "recorded"
HASH = Hash(bytes([7]) * 32)


def recorded(name: str) -> HeaderJson:
    return msgspec.convert(json.loads((RECORDED / name).read_text()), HeaderJson)


def receipt(index: int = 0, **changes: Any) -> ReceiptJson:
    log = LogJson("0x" + "11" * 20, ["0x" + "22" * 32, "0x" + "33" * 32], "0x" + "44" * 40)
    values = {
        "transactionHash": "0x" + f"{index:064x}",
        "transactionIndex": hex(index),
        "cumulativeGasUsed": hex(21_000 * (index + 1)),
        "logsBloom": "0x" + "01" * 256,
        "logs": [log],
        "status": "0x1",
        "type": "0x2",
    }
    return ReceiptJson(**values | changes)


def root_of(*receipts: ReceiptJson, family: Family = ETHEREUM) -> Hash:
    return trie.root([encoded(family, each) for each in receipts])


async def test_every_kind_of_block_of_the_local_chain_recomputes() -> None:
    async with local_node() as node:
        alice, bob = node.accounts[:2]
        dollar = await deploy_dollar(node, alice)
        await node.dev.mine()
        mint = calldata("mint(address,uint256)", [alice.address, 10**12])
        await node.send(alice, to=dollar, data=mint)
        await node.send(bob, to=alice.address, value=5)
        await node.send(bob, to=alice.address, value=6, type=1, accessList=[], gasPrice=20 * 10**9,
                        maxFeePerGas=None, maxPriorityFeePerGas=None)  # fmt: skip
        await node.send(bob, to=dollar, data=mint)  # reverts: bob may not mint
        await node.dev.mine()
        move = calldata("transfer(address,uint256)", [bob.address, 7])
        for _ in range(140):
            await node.send(alice, to=dollar, data=move, gas=90_000)
        head = await node.dev.mine(2)

        for height in range(1, head.number + 1):
            block = msgspec.convert(await node.rpc("eth_getBlockByNumber", hex(height), False), HeaderJson)
            receipts = msgspec.convert(await node.rpc("eth_getBlockReceipts", hex(height)), list[ReceiptJson])
            assert header_hash(ETHEREUM, block).hex() == block.hash[2:]
            root = Hash(bytes.fromhex(block.receiptsRoot[2:]))
            assert require_whole(ETHEREUM, (height, HASH), root, list(reversed(receipts))) == receipts


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("avalanche_30806757.json", families.AVALANCHE),
        ("arbitrum_511882413.json", families.ARBITRUM),
        ("ethereum_24630100.json", families.ETHEREUM),
        ("op_stack_274.json", families.OP_STACK),
        ("op_stack_157796868.json", families.OP_STACK),
    ],
)
def test_a_header_that_another_chain_agreed_on_hashes_to_its_name(name: str, family: Family) -> None:
    block = recorded(name)

    assert header_hash(family, block).hex() == block.hash[2:]


@pytest.mark.parametrize("member", [*ETHEREUM.first, *ETHEREUM.later[:2]])
def test_no_member_of_a_header_can_be_bent(member: str) -> None:
    block = recorded("op_stack_274.json")
    before = getattr(block, member)
    setattr(block, member, before[:-1] + ("1" if before[-1] == "0" else "0") if before != "0x" else "0x01")

    assert header_hash(ETHEREUM, block).hex() != block.hash[2:]


def test_a_member_that_its_fork_left_out_is_written_empty_when_later_ones_follow() -> None:
    block = recorded("op_stack_274.json")
    without = header_hash(ETHEREUM, block)
    block.requestsHash = "0x" + "55" * 32

    assert header_hash(ETHEREUM, block) != without


def test_a_deposit_of_the_op_stack_is_covered_with_its_nonce_and_version() -> None:
    deposit = receipt(
        cumulativeGasUsed="0xb76d", logsBloom="0x" + "00" * 256, logs=[], type="0x7e",
        depositNonce="0x111", depositReceiptVersion="0x1",
    )  # fmt: skip

    assert root_of(deposit, family=families.OP_STACK).hex() == recorded("op_stack_274.json").receiptsRoot[2:]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("arbitrum_sepolia_1_receipts.json", families.ARBITRUM),
        ("polygon_amoy_37337056_receipts.json", families.POLYGON),
    ],
)
def test_receipts_that_another_chain_agreed_on_add_up_to_its_root(name: str, family: Family) -> None:
    """Arbitrum's own types of transaction, and the one in which Polygon shows what its bridge brought."""
    told = json.loads((RECORDED / name).read_text())
    block = (int(told["number"], 16), Hash(bytes.fromhex(told["hash"][2:])))
    root = Hash(bytes.fromhex(told["receiptsRoot"][2:]))
    receipts = msgspec.convert(told["receipts"], list[ReceiptJson])

    assert require_whole(family, block, root, receipts) == receipts
    for member, lie in (("type", "0x2"), ("cumulativeGasUsed", "0x1"), ("logsBloom", "0x" + "01" * 256)):
        bent = [*receipts[:-1], msgspec.structs.replace(receipts[-1], **{member: lie})]
        with pytest.raises(IncompleteAnswer):
            require_whole(family, block, root, bent)


def test_a_deposit_before_canyon_is_covered_without_the_nonce_that_nodes_show() -> None:
    old = receipt(type="0x7e", depositNonce="0x111")

    assert encoded(families.OP_STACK, old) == encoded(families.OP_STACK, receipt(type="0x7e"))


def test_logs_that_polygon_shows_beside_the_root_are_passed_over() -> None:
    outside = families.outside(POLYGON, 70_000_000, HASH)
    assert outside is not None
    bridged = receipt(2, transactionHash="0x" + outside.hex(), type="0x0")
    inside = [receipt(0), receipt(1)]

    assert require_whole(POLYGON, (70_000_000, HASH), root_of(*inside), [*inside, bridged]) == inside
    with pytest.raises(IncompleteAnswer):
        require_whole(ETHEREUM, (70_000_000, HASH), root_of(*inside), [*inside, bridged])


def test_a_block_without_transactions_has_the_root_of_nothing() -> None:
    assert root_of().hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        ([], IncompleteAnswer),
        ([receipt(0)], IncompleteAnswer),
        ([receipt(1)], WrongShape),
        ([receipt(0), receipt(0), receipt(1)], WrongShape),
        ([receipt(0), receipt(1), receipt(2)], IncompleteAnswer),
        ([receipt(0), receipt(1, logs=[])], IncompleteAnswer),
        ([receipt(0), receipt(1, logs=receipt(1).logs * 2)], IncompleteAnswer),
        ([receipt(0), receipt(1, status="0x0")], IncompleteAnswer),
        ([receipt(0), receipt(1, status=None)], WrongShape),
        ([receipt(0), receipt(1, logsBloom="0x")], WrongShape),
        ([receipt(0), receipt(1, cumulativeGasUsed="many")], WrongShape),
        ([receipt(0), receipt(1, cumulativeGasUsed="0x-1")], WrongShape),
        ([receipt(0), receipt(1, cumulativeGasUsed="0x1_0")], WrongShape),
        ([receipt(0), receipt(1, type="0x100")], WrongShape),
    ],
)
def test_receipts_that_are_not_all_of_them_are_refused(
    lie: list[ReceiptJson], error: type[Exception]
) -> None:
    truth = root_of(receipt(0), receipt(1))

    with pytest.raises(error):
        require_whole(ETHEREUM, (1, HASH), truth, lie)


def test_a_trailing_log_whose_bloom_bits_others_set_is_missed_by_the_bloom_and_caught_by_the_root() -> None:
    whole = receipt(logs=receipt().logs * 2)
    shortened = receipt(logs=receipt().logs)

    assert whole.logsBloom == shortened.logsBloom
    with pytest.raises(IncompleteAnswer):
        require_whole(ETHEREUM, (1, HASH), root_of(whole), [shortened])


def test_every_listed_family_names_members_that_a_header_can_have() -> None:
    known = set(HeaderJson.__struct_fields__)

    for family in families.FAMILIES.values():
        assert known.issuperset((*family.first, *family.later)), family.name
