"""A payment intent says why it is as it is, and what a transfer would make of it; asking writes nothing."""

import httpx

from tests.support.api import Shop
from tests.support.cases import case

PATH = "/v1/payment_intents"
BODY = {"amount": "25.00", "currency": "usdc", "accepted": [{"network": "local"}]}


async def test_intent_explains_itself_and_foretells_a_transfer(shop: Shop, client: httpx.AsyncClient) -> None:
    intent = (await client.post(PATH, json=BODY)).json()
    deposit = await shop.arrive(intent, 10**6)
    path, token = f"{PATH}/{intent['id']}/explain", shop.tokens["local"].id
    before = await shop.rows()
    told = (await client.get(path)).json()
    trial = (await client.post(path, json={"token": token, "amount": "24.00"})).json()
    wrong = (await client.post(path, json={"token": shop.tokens["second"].id, "amount": "24.00"})).json()

    assert told["because"] == "Less money than asked for has been seen; the payer has to act."
    assert told["next"] == "the customer sends 24.000000 usdc to one of its addresses"
    [only] = told["deposits"]
    assert (only["id"], only["application"], only["because"]) == (deposit, "applied", None)
    assert (trial["when_seen"]["status"], trial["when_final"]["status"]) == ("processing", "succeeded")
    assert trial["when_final"]["events"] == ["payment_intent.succeeded"]
    assert (wrong["application"], wrong["unapplied_reason"]) == ("unapplied", "wrong_chain")
    assert wrong["when_final"]["flags"] == ["partially_paid", "wrong_chain"]
    refused = [
        ({}, "parameter_missing", "token"),
        ({"token": token, "amount": 24}, "amount_not_string", "amount"),
        ({"token": token, "amount": "0.00"}, "amount_too_small", "amount"),
        ({"token": "tok_none", "amount": "1.00"}, "token_unknown", "token"),
        ({"token": token, "amount": "1.00", "block_time": -1}, "parameter_invalid", "block_time"),
    ]
    for body, code, param in refused:
        with case(str(body)):
            answer = await client.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
            assert answer.json()["error"]["param"] == param
    assert await shop.rows() == before
