"""`listen` brings a server what a webhook would, and goes on when either side was away."""

import asyncio
from typing import Any

from bascule.client import Client, construct_event
from bascule.domain.webhook import new_secret
from bascule.entrypoints.api import create_app
from bascule.entrypoints.cli.listening import Forwarder
from tests.support.api import OpenAs, open_shop
from tests.support.receiver import receiver
from tests.support.sandbox import served

SECRET = new_secret(b"l" * 32)


async def test_new_events_reach_the_server_signed_in_order_and_once(db_as: OpenAs) -> None:
    shop = await open_shop(db_as)

    async def intent(client: Client) -> None:
        await asyncio.to_thread(lambda: client.payment_intents.create(amount="2.00", currency="usdc"))
        await shop.sequencer().run_once()

    async def told(forwarder: Forwarder) -> list[dict[str, Any]]:
        return await asyncio.to_thread(lambda: list(forwarder.round()))

    async with served(create_app(shop.deps)) as url, receiver() as heard:
        with Client(shop.secret, base_url=url, max_retries=0) as client:
            await intent(client)
            forwarder = Forwarder(client, f"{heard.url}/hook", SECRET)
            await asyncio.to_thread(forwarder.start)
            nothing = await told(forwarder)
            await intent(client)
            lines = await told(forwarder)
            again = await told(forwarder)
            picky = Forwarder(client, "http://127.0.0.1:9/closed", SECRET, ["payment_intent.created"], 0)
            closed = await told(picky)
            lost = Forwarder(Client("sk", base_url="http://127.0.0.1:9", max_retries=0), heard.url, SECRET)
            away = [await told(lost), await told(lost)]

    assert nothing == again == []
    assert [(each["type"], each["status"]) for each in lines] == [("payment_intent.created", 200)]
    [(_, headers, body)] = heard.got
    assert construct_event(body, headers, SECRET)["id"] == lines[0]["id"]
    assert [(each["status"], each["type"]) for each in closed] == [(None, "payment_intent.created")] * 2
    assert [[each["event"] for each in lines] for lines in away] == [["waiting"], []], "said once"
