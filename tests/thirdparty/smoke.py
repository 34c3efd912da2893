"""A program with a generated client: asks for money, finds it again, and is told what is wrong. URL KEY."""

import sys

import openapi_client as made
from openapi_client.exceptions import BadRequestException, NotFoundException

url, key = sys.argv[1:]
with made.ApiClient(made.Configuration(host=url, access_token=key)) as client:
    intents = made.PaymentIntentsApi(client)
    order = made.PaymentIntentCreate(amount="10.50", currency="usdc", metadata={"order": "6735"})
    first, second, again = (
        intents.create_payment_intent(payment_intent_create=order, idempotency_key=name) for name in "aba"
    )
    assert again.id == first.id
    assert first.status == "requires_action"
    assert first.amount == "10.500000"
    assert intents.get_payment_intent(first.id).to_dict() == first.to_dict()
    page = intents.list_payment_intents(limit=1)
    rest = intents.list_payment_intents(limit=1, starting_after=page.data[0].id)
    assert {page.data[0].id, rest.data[0].id} == {first.id, second.id}
    assert not rest.has_more
    assert intents.cancel_payment_intent(first.id).status == "canceled"
    order.currency = "doubloon"
    for refused, work in (
        (BadRequestException, lambda: intents.create_payment_intent(payment_intent_create=order)),
        (NotFoundException, lambda: intents.get_payment_intent("pi_none")),
    ):
        try:
            work()
        except refused:
            continue
        raise AssertionError(f"{refused} was wanted")
print("done")
