"""Serves a paid route and buys from it, both by the library's version 1: `buy.py` with its order on stdin.

The order: facilitator, secret, key, network, pay_to, asset, amount. Prints what the buyer got. A program of
its own, for version 1 and 2 are one name.
"""

import asyncio
import json
import socket
import sys
from functools import partialmethod
from threading import Thread
from typing import Any

import httpx
import uvicorn
from eth_account import Account
from fastapi import FastAPI
from x402.clients.httpx import x402HttpxClient  # type: ignore[import-not-found]
from x402.fastapi.middleware import require_payment  # type: ignore[import-not-found]
from x402.types import EIP712Domain, TokenAmount, TokenAsset  # type: ignore[import-not-found]

# It waits for as long as httpx does by itself, five seconds; a crowded machine takes longer.
httpx.AsyncClient.__init__ = partialmethod(httpx.AsyncClient.__init__, timeout=60)  # type: ignore[assignment]


def shop(order: dict[str, Any]) -> FastAPI:
    async def headers() -> dict[str, dict[str, str]]:
        key = {"Authorization": f"Bearer {order['secret']}"}
        return {"verify": key, "settle": key}

    app = FastAPI()
    domain = EIP712Domain(name="Test Dollar", version="1")
    app.middleware("http")(
        require_payment(
            path="/weather",
            price=TokenAmount(
                amount=order["amount"], asset=TokenAsset(address=order["asset"], decimals=6, eip712=domain)
            ),
            pay_to_address=order["pay_to"],
            network=order["network"],
            facilitator_config={"url": order["facilitator"], "create_headers": headers},
        )
    )

    @app.get("/weather")
    async def weather() -> dict[str, str]:
        return {"weather": "sunny"}

    return app


async def buy(order: dict[str, Any]) -> dict[str, Any]:
    listening = socket.create_server(("127.0.0.1", 0))  # asked before it is served, it answers when it is
    server = uvicorn.Server(uvicorn.Config(shop(order), log_level="warning"))
    Thread(target=server.run, args=[[listening]], daemon=True).start()
    port = listening.getsockname()[1]
    async with x402HttpxClient(account=Account.from_key(order["key"])) as buyer:
        answer = await buyer.get(f"http://127.0.0.1:{port}/weather")
        paid = answer.headers.get("X-PAYMENT-RESPONSE")
        return {"status": answer.status_code, "body": answer.json(), "paid": paid}


print(json.dumps(asyncio.run(buy(json.load(sys.stdin)))))
