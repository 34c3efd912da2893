"""An outside client that knows nothing of us: web3.py over HTTP."""

import asyncio
import json
from typing import Any

import pytest
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, TransactionNotFound

from tests.support.chain import ABI, LocalNode

ARTIFACT: dict[str, Any] = json.loads((ABI / "TestDollar.json").read_text())


@pytest.fixture
def web3(node: LocalNode) -> Web3:
    return Web3(HTTPProvider(node.url))


def sent(web3: Web3, key: str, transaction: Any) -> Any:
    """Builds, as a wallet does, with the node's own fees, nonce and estimate; signs and sends."""
    account = web3.eth.account.from_key(key)
    built = transaction.build_transaction(
        {"from": account.address, "nonce": web3.eth.get_transaction_count(account.address, "pending")}
    )
    return web3.eth.send_raw_transaction(account.sign_transaction(built).raw_transaction)


async def test_web3_deploys_calls_and_reads_events(node: LocalNode, web3: Web3) -> None:
    owner, payee = node.accounts[0], node.accounts[1]
    factory = web3.eth.contract(abi=ARTIFACT["abi"], bytecode=ARTIFACT["bytecode"])
    deploy = factory.constructor("Test Dollar", "USDT", owner.address)
    tx_hash = await asyncio.to_thread(sent, web3, owner.private_key, deploy)
    await node.dev.mine()

    def story() -> Any:
        receipt = web3.eth.wait_for_transaction_receipt(tx_hash, timeout=30)
        token = web3.eth.contract(receipt["contractAddress"], abi=ARTIFACT["abi"])
        assert token.functions.name().call() == "Test Dollar"
        sent(web3, owner.private_key, token.functions.mint(owner.address, 100))
        web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
        last = sent(web3, owner.private_key, token.functions.transfer(payee.address, 40))
        web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
        assert token.functions.balanceOf(payee.address).call() == 40
        with pytest.raises(ContractCustomError):
            token.functions.transfer(owner.address, 1).call({"from": node.accounts[5].address})
        receipts = web3.eth.get_block_receipts("latest")
        assert [receipt["transactionHash"] for receipt in receipts] == [last]
        return [event["args"]["value"] for event in token.events.Transfer().get_logs(from_block=0)]

    assert await asyncio.to_thread(story) == [100, 40]


async def test_web3_sees_a_reorg_as_on_a_real_node(node: LocalNode, web3: Web3) -> None:
    gone, back = [
        await node.send(account, to=node.accounts[2].address, value=1) for account in node.accounts[:2]
    ]
    await node.dev.mine()
    old = await asyncio.to_thread(web3.eth.get_block, "latest")

    await node.dev.reorg(1, [gone])

    def look() -> None:
        new = web3.eth.get_block(1)
        assert new["hash"] != old["hash"]
        assert new["parentHash"] == old["parentHash"]
        assert web3.eth.get_transaction_receipt(back)["blockNumber"] == 2  # type: ignore[arg-type]
        with pytest.raises(TransactionNotFound):
            web3.eth.get_transaction_receipt(gone)  # type: ignore[arg-type]

    await asyncio.to_thread(look)


async def test_web3_reads_fees_tags_and_identity(node: LocalNode, web3: Web3) -> None:
    await node.dev.mine(6)
    await node.transact(node.accounts[0], to=node.accounts[1].address, value=1)

    def look() -> None:
        assert (web3.eth.chain_id, web3.net.version, web3.eth.syncing) == (31337, "31337", False)
        assert web3.client_version.startswith("bascule")
        assert [web3.eth.get_block(tag)["number"] for tag in ("latest", "safe", "finalized")] == [7, 5, 3]  # type: ignore[arg-type]
        history = web3.eth.fee_history(3, "latest", [0, 100])
        assert history["oldestBlock"] == 5
        assert len(history["baseFeePerGas"]) == 4
        assert history["baseFeePerGas"][2] == web3.eth.get_block(7)["baseFeePerGas"]
        assert history["reward"] == [[0, 0], [0, 0], [10**9, 10**9]]
        assert web3.eth.gas_price > web3.eth.max_priority_fee == 10**9

    await asyncio.to_thread(look)
