"""Puts token.json (abi and bytecode, from your compiler) on the chain, mints some, prints the address."""

import json
import os
from pathlib import Path

from web3 import HTTPProvider, Web3
from web3.middleware import SignAndSendRawMiddlewareBuilder

mine = json.loads(Path("token.json").read_text())
web3 = Web3(HTTPProvider(os.environ["RPC_URL"]))
customer = web3.eth.account.from_key(os.environ["CUSTOMER_KEY"])
web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(customer), layer=0)
web3.eth.default_account = customer.address


def mined(tx_hash):
    receipt = web3.eth.wait_for_transaction_receipt(tx_hash)
    if receipt["status"] != 1:
        raise SystemExit(f"{tx_hash.to_0x_hex()} reverted")
    return receipt


factory = web3.eth.contract(abi=mine["abi"], bytecode=mine["bytecode"])
token = web3.eth.contract(mined(factory.constructor().transact())["contractAddress"], abi=mine["abi"])
mined(token.functions.mint(customer.address, 1_000 * 10**18).transact())
print(token.address)
