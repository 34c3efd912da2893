"""A very small shop: it asks for money by the API and ships when a signed webhook says so."""

import httpx
from standardwebhooks import Webhook


class Shop:
    def __init__(self, api_url, secret_key, webhook_secret):
        self.api = httpx.Client(base_url=api_url, auth=(secret_key, ""))
        self.webhook_secret = webhook_secret
        self.shipped = []

    def order(self, number, amount):
        answer = self.api.post(
            "/v1/payment_intents",
            headers={"Idempotency-Key": f"order-{number}"},
            json={"amount": amount, "currency": "usdc", "client_reference_id": f"order-{number}"},
        )
        return answer.raise_for_status().json()

    def hear(self, body, headers):
        event = Webhook(self.webhook_secret).verify(body, headers)
        order = event["data"]["object"].get("client_reference_id")
        if event["type"] == "payment_intent.succeeded" and order not in self.shipped:
            self.shipped.append(order)
