import json
from pathlib import Path

MINE = json.loads((Path(__file__).parent / "token.json").read_text())  # abi and bytecode, from your compiler


def test_order_is_paid_in_our_own_token(bridge):
    customer = bridge.chain.accounts[0].address
    token = bridge.chain.deploy(MINE)  # more arguments go to the constructor
    bridge.chain.send(token, MINE, "mint", customer, 1_000 * 10**18)
    bridge.mine()
    bridge.accept_token(token, "mine")

    intent = bridge.create_intent("12.50", currency="mine")
    bridge.pay(intent)
    bridge.finalize()

    assert bridge.intent(intent)["status"] == "succeeded"
