"""A shop and its customer in one: asks Bascule for 12.34 USDC, pays it with web3.py, waits until it is final.

    set -a; . .bascule/dev.env; python pay_web3.py

Needs API, SECRET_KEY, RPC_URL and CUSTOMER_KEY (the private key of a wallet with tokens and gas).
"""

import os
import time
import uuid

import requests
from web3 import HTTPProvider, Web3
from web3.middleware import SignAndSendRawMiddlewareBuilder

API, SECRET_KEY = os.environ["API"], os.environ["SECRET_KEY"]
TRANSFER = [
    {
        "type": "function",
        "name": "transfer",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "to", "type": "address"}, {"name": "value", "type": "uint256"}],
        "outputs": [{"name": "", "type": "bool"}],
    }
]


def bascule(path, body=None):
    response = requests.request(
        "POST" if body else "GET",
        API + path,
        json=body,
        headers={"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": str(uuid.uuid4())},
        timeout=30,
    )
    answer = response.json()
    if not response.ok:
        raise SystemExit(answer["error"]["message"])
    return answer


# The shop asks for money and learns where it is to be paid, per network.
intent = bascule("/v1/payment_intents", {"amount": "12.34", "currency": "usdc"})
web3 = Web3(HTTPProvider(os.environ["RPC_URL"]))
network = f"eip155:{web3.eth.chain_id}"
place = intent["next_action"]["display_deposit_details"]["deposit_addresses"][network]
token = place["supported_tokens"][0]

# The customer sends exactly that, in base units: an integer, never a float.
customer = web3.eth.account.from_key(os.environ["CUSTOMER_KEY"])
web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(customer), layer=0)
contract = web3.eth.contract(token["contract"], abi=TRANSFER)
transfer = contract.functions.transfer(place["address"], int(token["amount_atomic"]))
tx_hash = transfer.transact({"from": customer.address})
receipt = web3.eth.wait_for_transaction_receipt(tx_hash)
if receipt["status"] != 1:
    raise SystemExit(f"{tx_hash.to_0x_hex()} reverted")

# Mined is not final: the shop ships when the intent has succeeded.
deadline = time.monotonic() + 120
while intent["status"] != "succeeded":
    if time.monotonic() > deadline:
        raise SystemExit(f"{intent['id']} is still {intent['status']}")
    time.sleep(1)
    intent = bascule(f"/v1/payment_intents/{intent['id']}")
print(f"{intent['id']} {intent['status']}: {intent['amount_confirmed']} by {tx_hash.to_0x_hex()}")
