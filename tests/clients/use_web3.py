"""What developers do with web3.py, once each, and what came of it as one JSON object: use_web3.py URL KEY"""

import asyncio
import json
import secrets
import sys
from pathlib import Path

from eth_utils.abi import abi_to_signature, filter_abi_by_type
from web3 import AsyncWeb3, HTTPProvider, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError
from web3.middleware import SignAndSendRawMiddlewareBuilder

URL, KEY = sys.argv[1:]
ABI = Path(__file__).parents[2] / "abi"
web3 = Web3(HTTPProvider(URL))
owner = web3.eth.account.from_key(KEY)
stranger = web3.eth.account.from_key(secrets.token_bytes(32)).address
web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(owner), layer=0)
web3.eth.default_account = owner.address


def mined(tx_hash):
    return web3.eth.wait_for_transaction_receipt(tx_hash, timeout=20, poll_latency=0.1)


def deploy(name, *args):
    built = json.loads((ABI / f"{name}.json").read_text())
    factory = web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
    return web3.eth.contract(
        mined(factory.constructor(*args).transact())["contractAddress"], abi=built["abi"]
    )


def refusal(contract, attempt):
    try:
        attempt()
    except ContractCustomError as error:
        data = bytes.fromhex(error.data[2:])
        [known] = [each for each in filter_abi_by_type("error", contract.abi) if selector(each) == data[:4]]
        args = web3.codec.decode([each["type"] for each in known["inputs"]], data[4:])
        return [known["name"], *("stranger" if arg == stranger.lower() else str(arg) for arg in args)]
    return None


def selector(error):
    return Web3.keccak(text=abi_to_signature(error))[:4]


async def pushed():
    """Three heads over WebSocket, each the next one's parent."""
    async with AsyncWeb3(WebSocketProvider(URL.replace("http", "ws"))) as socket:
        await socket.eth.subscribe("newHeads")
        messages = socket.socket.process_subscriptions()
        heads = [(await anext(messages))["result"] for _ in range(3)]
        return [head["parentHash"] for head in heads[1:]] == [head["hash"] for head in heads[:2]]


token = deploy("TestDollar", "Test Dollar", "USDT", owner.address)
vault = deploy("PayoutVault", *[owner.address] * 4)
told = {}
mined(token.functions.mint(owner.address, 100).transact())
watched = token.events.Transfer.create_filter(from_block="latest")
watched.get_new_entries()
paid = mined(token.functions.transfer(stranger, 40).transact())
told["watched_event"] = [entry["args"]["value"] for entry in watched.get_new_entries()]
with web3.batch_requests() as batch:
    for read in (token.functions.name(), token.functions.decimals(), token.functions.balanceOf(stranger)):
        batch.add(read)
    told["read_in_a_batch"] = list(batch.execute())
events = token.events.Transfer.get_logs(from_block=0, argument_filters={"to": stranger})
told["events_to_the_stranger"] = [[e["args"]["from"] == owner.address, e["args"]["value"]] for e in events]

poor = token.functions.transfer(owner.address, 41)
told["too_poor"] = refusal(token, lambda: poor.call({"from": stranger}))
pay = vault.functions.pay(token.address, 0, bytes(32), 0, [1], [bytes(16)], 2**63)
told["no_operator"] = refusal(vault, lambda: pay.call({"from": stranger}))
told["no_operator_by_estimate"] = refusal(vault, lambda: pay.estimate_gas({"from": stranger}))
told["sent_anyway"] = mined(token.functions.transfer(stranger, 61).transact({"gas": 100_000}))["status"]

head = web3.eth.get_block("latest")
told["fees_cover_the_next_block"] = web3.eth.gas_price >= head["baseFeePerGas"]
[receipt] = web3.eth.get_block_receipts(paid["blockNumber"])
told["receipt_of_the_block"] = receipt["transactionHash"] == paid["transactionHash"]
raw = web3.eth.get_raw_transaction(paid["transactionHash"])
told["transaction_is_whole"] = web3.eth.account.recover_transaction(raw) == owner.address
told["blocks_by_push"] = asyncio.run(asyncio.wait_for(pushed(), 20))
print(json.dumps(told))
