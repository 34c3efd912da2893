"""Strangers' x402 libraries, a seller's and buyers', name us as the facilitator and the money comes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from x402 import x402Client
from x402.http import decode_payment_response_header
from x402.http.clients import PaymentError, x402HttpxClient
from x402.mechanisms.evm.exact import ExactEvmClientScheme

from bascule.domain.chain import caip2, checksum
from tests.support import npm
from tests.support.flushing import CUSTOMER
from tests.support.money_out import OpenAs
from tests.support.open_for_business import opened, till_of_today
from tests.support.paying_x402 import Till
from tests.support.sandbox import served
from tests.support.source import ROOT

pytestmark = pytest.mark.slow
TEN_CENTS = 100_000


@pytest.fixture
async def shop(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Till]:
    async with till_of_today(db_as, tmp_path) as built:
        yield built
        await built.world.require_even()


@pytest.fixture
async def paid_route(shop: Till, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """What the page's server sells, with us as its facilitator."""
    async with opened(shop) as url:
        monkeypatch.setenv("API", url)
        monkeypatch.setenv("NETWORK", caip2(shop.stage.network.chain_id))
        monkeypatch.setenv("SECRET_KEY", shop.secret)
        monkeypatch.setenv("CUSTOMER_KEY", shop.stage.node.accounts[CUSTOMER].private_key)
        defined = await asyncio.to_thread(snippet, "server")  # it asks us, who are served by this thread
        async with served(defined["app"]) as store:
            yield f"{store}/weather"
        await defined["facilitator"].aclose()  # its connection would outlive the test


def snippet(name: str) -> dict[str, Any]:
    """What the page's snippet defines."""
    page = (ROOT / "docs" / "api" / "x402.md").read_text(encoding="utf-8")
    [code] = re.findall(rf"<!-- snippet {name} -->\n```python\n(.*?)```", page, re.DOTALL)
    defined: dict[str, Any] = {"__name__": name}
    exec(compile(code, f"{name} snippet", "exec"), defined)
    return defined


async def require_booked(shop: Till, transaction: str) -> None:
    """One payment of ten cents came, by that transaction, and is on the books."""
    for _ in range(300):
        if await shop.stored() == [("settled", None)]:
            break
        await asyncio.sleep(0.1)
    assert await shop.received() == [TEN_CENTS]
    assert await shop.books() == {"available": TEN_CENTS}
    rows = await shop.stage.rows("SELECT tx_hash FROM deposits WHERE kind = 'payment'")
    assert ["0x" + bytes(each).hex() for (each,) in rows] == [transaction]


async def test_the_pages_server_and_client_pay_by_us_and_the_money_is_booked(
    shop: Till, paid_route: str
) -> None:
    network, asset = caip2(shop.stage.network.chain_id), checksum(shop.stage.token.contract)
    body, transaction = await snippet("client")["buy"](paid_route, network, asset)

    assert body == {"weather": "sunny"}
    await require_booked(shop, transaction)


async def test_a_buyer_pays_what_its_own_limit_and_tokens_allow_and_nothing_else(
    shop: Till, paid_route: str
) -> None:
    """Its library signs nothing else, so that neither the seller nor we hear of a payment."""
    network, asset = caip2(shop.stage.network.chain_id), checksum(shop.stage.token.contract)
    other = shop.stage.vault
    payer = ExactEvmClientScheme(Account.from_key(shop.stage.node.accounts[CUSTOMER].private_key))

    async def bought(token: str, most: int) -> httpx.Response:
        wallet = x402Client().register(network, payer)
        allowed = {"network": network, "asset": token, "max_amount_per_payment": str(most)}
        wallet.set_spend_controls({"allowed_assets": [allowed]})
        async with x402HttpxClient(wallet, timeout=90) as http:
            return await http.get(paid_route)

    for token, most in ((asset, TEN_CENTS - 1), (other, TEN_CENTS)):
        with pytest.raises(PaymentError, match="spend_controls"):
            await bought(token, most)
    assert (await shop.stored(), await shop.received()) == ([], [])

    paid = await bought(asset, TEN_CENTS)
    assert paid.status_code == 200
    header = decode_payment_response_header(paid.headers["PAYMENT-RESPONSE"])
    await require_booked(shop, header.transaction)


async def test_fetch_from_npm_pays_the_same_route(
    shop: Till, paid_route: str, npm_package: Callable[[str], Path]
) -> None:
    asked = {
        "url": paid_route,
        "key": shop.stage.node.accounts[CUSTOMER].private_key,
        "network": caip2(shop.stage.network.chain_id),
    }
    script = await asyncio.to_thread(npm_package, "x402") / "pay.mjs"
    said = json.loads(await asyncio.to_thread(npm.run, script, json.dumps(asked)))

    assert (said["status"], said["body"]) == (200, {"weather": "sunny"})
    assert said["paid"]["success"] is True
    await require_booked(shop, said["paid"]["transaction"])
